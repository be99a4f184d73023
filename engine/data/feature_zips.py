"""Ready-made features in the challenge's layout: `zip_feats/<split>.zip` with one `<id>.npy` a video.

Shapes: n frames of a video, V embedding size.
"""

import logging
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import read_header
from engine.data.frames import require_bounded
from engine.data.regular import raise_starved, require_regular
from engine.data.zips import DAMAGED_ZIP
from engine.errors import DataError
from engine.format import brief

log = logging.getLogger(__name__)
_MAX_BYTES = 64 << 20
_BROKEN = (*DAMAGED_ZIP, OSError, ValueError)

Member = tuple[Path, zipfile.ZipFile, str]


class FeatureZip:
    """A split's ready-made features, read by video id; of a repeated id the first member counts.

    Attributes:
        path: the zip.
        dim: size V of an embedding, that of the first readable member.

    Raises:
        DataError: the zip is missing or broken, or none of its members is usable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._archive = _open(path)
        names = [name for name in self._archive.namelist() if name.endswith(".npy")]
        self._names = {_video(name): name for name in reversed(names)}
        if len(self._names) < len(names):
            log.warning(
                "%s: %d ids are there more than once; the first counts", path, len(names) - len(self._names)
            )
        try:
            self.dim = self._dimension(names)
        except DataError:
            self.close()
            raise

    def read(self, video: str) -> NDArray[np.float16]:
        """A video's features, float16 [n, V]; n = 0 where the zip lacks the video.

        Raises:
            DataError: wrong shape or type, NaN, or unreadable; the message names the member.
        """
        name = self._names.get(video)
        if name is None:
            return np.zeros((0, self.dim), np.float16)
        return _read((self.path, self._archive, name), self.dim)

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def __enter__(self) -> "FeatureZip":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _dimension(self, names: Sequence[str]) -> int:
        for name in names:
            try:
                return int(_read((self.path, self._archive, name), None).shape[1])
            except DataError:
                continue
        raise DataError(f"{self.path}: no usable features; want one <id>.npy of shape [frames, size] a video")


def feature_zip(root: Path, split: str) -> Path:
    """Where a data set keeps a split's ready-made features."""
    return root / "zip_feats" / f"{split}.zip"


def scan_feature_zip(path: Path) -> Iterator[tuple[str, int, str | None]]:
    """Id, number of frames, and what is wrong (None where nothing is), of each member of a features zip.

    Raises:
        DataError: the zip is missing or broken.
    """
    dim: int | None = None
    with _open(path) as archive:
        for name in archive.namelist():
            if not name.endswith(".npy"):
                continue
            try:
                count, dim = _read((path, archive, name), dim).shape
            except DataError as error:
                yield _video(name), 0, str(error)
            else:
                yield _video(name), count, None


def _open(path: Path) -> zipfile.ZipFile:
    require_regular(path)
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; ready-made features lie in zip_feats/<split>.zip") from None
    except _BROKEN as error:
        raise_starved(error)
        raise DataError(f"{path}: broken zip ({brief(str(error), 200)}); replace it") from error


def _read(member: Member, dim: int | None) -> NDArray[np.float16]:
    """One video's features, float16 [n, V]; any V without `dim`."""
    path, archive, name = member
    require_bounded(path, archive.getinfo(name))
    try:
        with archive.open(name) as file:
            # The header is judged before anything of the promised size is allocated.
            shape, fortran, dtype = read_header(file)
            usable = len(shape) == 2 and shape[0] >= 0 and shape[1] > 0 and dtype in (np.float16, np.float32)
            if not usable or fortran or (dim is not None and shape[1] != dim):
                wanted = "any" if dim is None else str(dim)
                raise DataError(
                    f"{_where(member)}: {brief(str(dtype))} of shape {brief(str(shape))}; "
                    f"want float16 of shape [frames, {wanted}]"
                )
            size = shape[0] * shape[1] * dtype.itemsize
            data = file.read(min(size, _MAX_BYTES) + 1)
        if len(data) != size:
            raise ValueError(f"{len(data)} bytes of values where the header promises {size}")
    except _BROKEN as error:
        raise DataError(f"{_where(member)}: unreadable ({brief(str(error), 200)}); replace it") from error
    with np.errstate(over="ignore"):
        features = np.frombuffer(data, dtype).reshape(shape).astype(np.float16)
    if not np.isfinite(features).all():
        raise DataError(f"{_where(member)}: holds NaN or infinity; extract this video again")
    return features


def _video(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".npy")


def _where(member: Member) -> str:
    return f"{member[0]}: {brief(member[2], 200)}"
