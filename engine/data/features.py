"""Frame embeddings on disk: one contiguous float16 array of all frames, and an index from id to its rows.

Shapes: N frames of all videos, n of one video, V embedding size.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.data.arrays import open_array
from engine.data.regular import raise_starved, require_regular_files
from engine.errors import DataError
from engine.format import brief

_FORMAT = 1
_FRAMES = "frames.f16"
_INDEX = "index.json"
_SHARDS = "shards"
_ITEM_BYTES = 2


class FeatureStore:
    """Frame embeddings by video id, memory-mapped: a random read costs a page fault.

    Attributes:
        folder: where the store lies.
        dim: size V of an embedding.
        ids: ids it holds, sorted numpy strings.
    """

    def __init__(self, folder: Path, meta: dict[str, int]) -> None:
        self.folder = folder
        self.dim, frames = (_whole(meta[name]) for name in ("dim", "frames"))
        self.ids: NDArray[np.str_] = open_array(folder / "ids.npy", "U", 1)
        self._offsets: NDArray[np.int64] = open_array(folder / "offsets.npy", "i", 1)
        self._counts: NDArray[np.int64] = open_array(folder / "counts.npy", "i", 1)
        size = (folder / _FRAMES).stat().st_size
        fits = size == frames * self.dim * _ITEM_BYTES
        if not fits or not len(self.ids) == len(self._offsets) == len(self._counts) or self._lead_out(frames):
            raise DataError(f"{folder}: feature store is damaged; extract the features again")
        self.frames: NDArray[np.float16] = (
            np.asarray(np.memmap(folder / _FRAMES, np.float16, mode="r", shape=(frames, self.dim)))
            if frames
            else np.zeros((0, self.dim), np.float16)
        )

    @classmethod
    def open(cls, folder: Path) -> "FeatureStore":
        """Open a finished store.

        Raises:
            DataError: there is none, it is unfinished, or its files do not fit together.
        """
        require_regular_files(folder)
        try:
            meta = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
            if meta.get("format") != _FORMAT:
                raise DataError(f"{folder}: feature store of another format; extract the features again")
            return cls(folder, meta)
        except FileNotFoundError as error:
            missing = Path(error.filename or _INDEX).name
            raise DataError(
                f"{folder}: no finished feature store ({missing} is missing); run extract first"
            ) from error
        except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise_starved(error)
            raise DataError(
                f"{folder}: feature store cannot be read ({brief(str(error), 200)}); extract again"
            ) from error

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, video: object) -> bool:
        return isinstance(video, str) and self._row(video) is not None

    def count(self, video: str) -> int:
        """Number of frames of a video.

        Raises:
            DataError: the store does not hold it.
        """
        return int(self._counts[self._known(video)])

    def counts(self, videos: ArrayLike) -> NDArray[np.int64]:
        """Number of frames of many videos at once, int64 [n]; -1 for those that the store does not hold."""
        wanted = np.asarray(videos, np.str_)
        if not len(self.ids):
            return np.full(len(wanted), -1, np.int64)
        rows = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        return np.where(self.ids[rows] == wanted, self._counts[rows], -1)

    def read(self, video: str, indices: ArrayLike | None = None) -> NDArray[np.float16]:
        """Embeddings of a video's frames (all without `indices`), float16 [n, V], a copy.

        Raises:
            DataError: the store does not hold the video, or one of these values is NaN or infinite.
            IndexError: an index is outside its frames.
        """
        row = self._known(video)
        start = int(self._offsets[row])
        frames = self.frames[start : start + int(self._counts[row])]
        read = np.array(frames if indices is None else frames[np.asarray(indices, np.int64)])
        # All exponent bits set: numpy's own test of halves takes seven times as long.
        if read.size and int((read.view(np.uint16) & 0x7FFF).max()) >= 0x7C00:
            raise DataError(f"{self.folder}: id {video}: holds NaN or infinity; extract the features again")
        return read

    def _lead_out(self, frames: int) -> bool:
        """Whether any video's rows are not within those of all."""
        outside = (self._offsets < 0) | (self._counts < 0) | (self._counts > frames)
        return bool((outside | (self._offsets > frames - self._counts)).any())

    def _known(self, video: str) -> int:
        row = self._row(video)
        if row is None:
            raise DataError(f"{self.folder}: no features of id {video}; extract the split that it belongs to")
        return row

    def _row(self, video: str) -> int | None:
        # A longer needle would make numpy widen, that is copy, the whole array of ids.
        if len(video) > self.ids.dtype.itemsize // 4:
            return None
        row = int(np.searchsorted(self.ids, np.array(video, self.ids.dtype)))
        return row if row < len(self.ids) and self.ids[row] == video else None

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        # A worker process maps the files again instead of receiving a copy of them.
        return FeatureStore.open, (self.folder,)


class FeatureWriter:
    """Writes a feature store shard by shard; what a killed process had finished is kept.

    Args:
        folder: the store, made if missing.
        dim: size V of an embedding.

    Raises:
        DataError: `folder` holds features of another size.
    """

    def __init__(self, folder: Path, dim: int) -> None:
        self.folder = folder
        self.dim = dim
        self._shards = folder / _SHARDS
        self._shards.mkdir(parents=True, exist_ok=True)
        kept = self._finished() or {"dim": dim}
        kept_dims = {int(kept["dim"]), *(self._shard(number)["dim"] for number in self._written())}
        if kept_dims != {dim}:
            raise DataError(
                f"{folder}: holds features of {min(kept_dims - {dim})} values and these have {dim}; "
                "use another folder or remove this one"
            )

    def done_shards(self) -> set[int]:
        """Numbers of the shards that need not be made again."""
        finished = self._finished()
        return set(finished["shards"]) if finished else set(self._written())

    def keep_shards(self, shards: int, ids_of: Callable[[int], Sequence[str]]) -> set[int]:
        """Numbers of the shards that need not be made again, of `shards`; those of other ids are removed.

        Args:
            ids_of: the ids that a shard should hold, by its number.

        Raises:
            DataError: the store is finished already and holds other ids.
        """
        if self._finished() is None:
            for number in self._written():
                if number >= shards or self._shard(number)["ids"] != list(ids_of(number)):
                    self._path(number).unlink()
            return self.done_shards()
        store = FeatureStore.open(self.folder)
        wanted = 0
        for number in range(shards):
            ids = ids_of(number)
            wanted += len(ids)
            if (store.counts(ids) < 0).any():
                break
        else:
            if wanted == len(store):
                return set(range(shards))
        raise DataError(
            f"{self.folder}: made of other videos than the annotations hold now; start a new run to extract these"
        )

    def add_shard(
        self, number: int, ids: Sequence[str], counts: Sequence[int], frames_NV: NDArray[np.floating[Any]]
    ) -> None:
        """Write one shard: `counts[i]` rows of `frames_NV` belong to `ids[i]`, in order; 0 is legal.

        Raises:
            DataError: the shapes do not fit, or a value is not a finite float16.
        """
        if self._finished() is not None:
            raise DataError(f"{self.folder}: feature store is finished already; use another folder")
        if len(ids) != len(counts) or frames_NV.shape != (sum(counts), self.dim):
            raise DataError(
                f"{self.folder}: shard {number} has features of shape {frames_NV.shape} for {len(ids)} videos with "
                f"{sum(counts)} frames of {self.dim} values"
            )
        with np.errstate(over="ignore"):
            halves_NV = np.ascontiguousarray(frames_NV, np.float16)
        usable_N = np.isfinite(halves_NV).all(axis=1)
        if not usable_N.all():
            culprit = int(np.searchsorted(np.cumsum(counts), int(np.argmin(usable_N)), side="right"))
            raise DataError(
                f"id {ids[culprit]}: its features are not finite in float16; check its frames and the backbone"
            )
        frames = self._shards / f"{number:06}.f16"
        _write(frames, halves_NV.tobytes())
        # The list of ids comes last: a shard counts as written once it is there.
        shard = {"ids": list(ids), "counts": [int(count) for count in counts], "dim": self.dim}
        _write(frames.with_suffix(".json"), json.dumps(shard, ensure_ascii=False).encode())

    def finish(self) -> None:
        """Join the shards to the store; again after a kill, or when all is done, is harmless.

        Raises:
            DataError: an id is in two shards.
        """
        if self._finished() is None:
            self._join()
        shutil.rmtree(self._shards, ignore_errors=True)

    def _join(self) -> None:
        numbers = self._written()
        ids: list[str] = []
        counts: list[int] = []
        partial = self.folder / f"{_FRAMES}.partial"
        with partial.open("wb") as out:
            for number in numbers:
                shard = self._shard(number)
                ids += shard["ids"]
                counts += shard["counts"]
                with (self._shards / f"{number:06}.f16").open("rb") as frames:
                    shutil.copyfileobj(frames, out, 8 << 20)
            out.flush()
            os.fsync(out.fileno())
        names = np.array(ids, np.str_) if ids else np.zeros(0, "<U1")
        per_video = np.array(counts, np.int64)
        order = np.argsort(names, kind="stable")
        names = names[order]
        if len(repeated := np.flatnonzero(names[1:] == names[:-1])):
            raise DataError(
                f"{self.folder}: id {names[repeated[0]]} is in two shards; extract into an empty folder"
            )
        partial.replace(self.folder / _FRAMES)
        _save(self.folder / "ids.npy", names)
        _save(self.folder / "offsets.npy", (np.cumsum(per_video) - per_video)[order])
        _save(self.folder / "counts.npy", per_video[order])
        index = {
            "format": _FORMAT,
            "dim": self.dim,
            "frames": int(per_video.sum()),
            "videos": len(ids),
            "shards": numbers,
        }
        _write(self.folder / _INDEX, json.dumps(index).encode())

    def _finished(self) -> dict[str, Any] | None:
        try:
            index: dict[str, Any] = json.loads((self.folder / _INDEX).read_bytes())
        except FileNotFoundError:
            return None
        return index

    def _written(self) -> list[int]:
        return sorted(int(path.stem) for path in self._shards.glob("*.json"))

    def _shard(self, number: int) -> dict[str, Any]:
        shard: dict[str, Any] = json.loads(self._path(number).read_bytes())
        return shard

    def _path(self, number: int) -> Path:
        return self._shards / f"{number:06}.json"


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{_INDEX}: {brief(str(value))} where a whole number belongs")
    return value


def _save(path: Path, array: NDArray[Any]) -> None:
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _write(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, have it on the disk, then give it its name."""
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
