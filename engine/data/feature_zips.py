"""Ready-made features in the challenge's layout: `zip_feats/<split>.zip` with one `<id>.npy` a video.

Shapes: n frames of a video, V embedding size.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.data.features import FeatureStore, FeatureWriter
from engine.data.skipping import SkipLimit
from engine.errors import DataError
from engine.format import printable

_MAX_BYTES = 64 << 20
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)

Member = tuple[Path, zipfile.ZipFile, str]


def import_feature_zip(
    zips: Path | Sequence[Path],
    folder: Path,
    *,
    on_error: str = "skip",
    max_skipped: float = 0.05,
    shard_videos: int = 4096,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureStore:
    """Make a feature store of one or several `zip_feats/<split>.zip`: members `<id>.npy`, float16 [n, V].

    An unusable video (wrong shape or type, NaN, unreadable, repeated id) is skipped within `max_skipped`; V is that of
    the first readable one. What a killed import had finished is not read again.

    Args:
        zips: one file, or those of several splits for one store.
        progress: called with (videos done, videos).

    Raises:
        DataError: a zip is missing or broken, or too many videos are unusable.
    """
    with ExitStack() as stack:
        members: list[Member] = []
        for path in [zips] if isinstance(zips, Path) else zips:
            archive = stack.enter_context(_open(path))
            members += [(path, archive, name) for name in archive.namelist() if name.endswith(".npy")]
        skips = SkipLimit(len(members), on_error=on_error, max_skipped=max_skipped)
        dim = _dimension(members, folder)
        writer = FeatureWriter(folder, dim)
        finished = writer.done_shards()
        first_of = {_video(name): position for position, (_, _, name) in reversed(list(enumerate(members)))}
        for number, start in enumerate(range(0, len(members), shard_videos)):
            shard = members[start : start + shard_videos]
            if number not in finished:
                ids: list[str] = []
                features = [np.zeros((0, dim), np.float16)]
                for position, member in enumerate(shard, start):
                    video = _video(member[2])
                    try:
                        if first_of[video] != position:
                            raise DataError(
                                f"{_where(member)}: id {printable(video)} was there before; remove one"
                            )
                        features.append(_read(member, dim))
                    except DataError as error:
                        skips.note(str(error))
                        continue
                    ids.append(video)
                writer.add_shard(number, ids, [len(part) for part in features[1:]], np.concatenate(features))
            if progress is not None:
                progress(start + len(shard), len(members))
        writer.finish()
    return FeatureStore.open(folder)


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


def _dimension(members: Sequence[Member], folder: Path) -> int:
    for member in members:
        try:
            return int(_read(member, None).shape[1])
        except DataError:
            continue
    raise DataError(
        f"{folder}: no usable features to import; want one <id>.npy of shape [frames, size] a video"
    )


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; ready-made features lie in zip_feats/<split>.zip") from None
    except _BROKEN as error:
        raise DataError(f"{path}: broken zip ({printable(str(error))}); replace it") from error


def _read(member: Member, dim: int | None) -> NDArray[np.float16]:
    """One video's features, float16 [n, V]; any V without `dim`."""
    _, archive, name = member
    try:
        with archive.open(name) as file:
            # The header is judged before anything of the promised size is allocated.
            version = np.lib.format.read_magic(file)
            read_header = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = read_header(file)
            usable = len(shape) == 2 and shape[0] >= 0 and shape[1] > 0 and dtype in (np.float16, np.float32)
            if not usable or fortran or (dim is not None and shape[1] != dim):
                wanted = "any" if dim is None else str(dim)
                raise DataError(
                    f"{_where(member)}: {dtype} of shape {shape}; want float16 of shape [frames, {wanted}]"
                )
            size = shape[0] * shape[1] * dtype.itemsize
            data = file.read(min(size, _MAX_BYTES) + 1)
        if len(data) != size:
            raise ValueError(f"{len(data)} bytes of values where the header promises {size}")
    except _BROKEN as error:
        raise DataError(f"{_where(member)}: unreadable ({printable(str(error))}); replace it") from error
    with np.errstate(over="ignore"):
        features = np.frombuffer(data, dtype).reshape(shape).astype(np.float16)
    if not np.isfinite(features).all():
        raise DataError(f"{_where(member)}: holds NaN or infinity; extract this video again")
    return features


def _video(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".npy")


def _where(member: Member) -> str:
    return f"{member[0]}: {printable(member[2])}"
