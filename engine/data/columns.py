"""Columns on disk: arrays of rows of varying length, written as a stream and read through memory maps."""

import secrets
import shutil
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_FLUSH_ROWS = 1 << 16
_PARTIAL = ".partial-"
_DAY = 24 * 3600


def open_flat(path: Path, dtype: DTypeLike) -> NDArray[Any]:
    """A raw file as a read-only memory-mapped flat array (an empty file as an empty array)."""
    kind = np.dtype(dtype)
    if path.stat().st_size < kind.itemsize:
        return np.zeros(0, kind)
    # A plain view of the map: numpy's memmap class costs a microsecond at every slice.
    return np.asarray(np.memmap(path, kind, mode="r"))


class RaggedWriter:
    """Writes rows of varying length to `<name>.values` and `<name>.ends` in a folder, never holding them all."""

    def __init__(self, folder: Path, name: str, dtype: DTypeLike) -> None:
        self._itemsize = np.dtype(dtype).itemsize
        self._values = (folder / f"{name}.values").open("wb", buffering=1 << 20)
        self._ends = (folder / f"{name}.ends").open("wb")
        self._pending = array("q")
        self._end = 0

    def append(self, row: bytes) -> None:
        """Add one row, given as the bytes of its items."""
        self._values.write(row)
        self._end += len(row) // self._itemsize
        self._pending.append(self._end)
        if len(self._pending) >= _FLUSH_ROWS:
            self._flush()

    def _flush(self) -> None:
        self._pending.tofile(self._ends)
        self._pending = array("q")

    def __enter__(self) -> "RaggedWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()
        self._values.close()
        self._ends.close()


class Ragged:
    """Rows of varying length, memory-mapped: row i is `values[ends[i - 1]:ends[i]]`."""

    def __init__(self, folder: Path, name: str, dtype: DTypeLike) -> None:
        self._source = (folder, name, dtype)
        self.values = open_flat(folder / f"{name}.values", dtype)
        self.ends = open_flat(folder / f"{name}.ends", np.int64)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: int) -> NDArray[Any]:
        if not 0 <= row < len(self.ends):
            raise IndexError(f"row {row} of {len(self.ends)}")
        start = int(self.ends[row - 1]) if row else 0
        items: NDArray[Any] = self.values[start : int(self.ends[row])]
        return items

    def text(self, row: int) -> str:
        """A row of UTF-8 bytes as text."""
        return self[row].tobytes().decode("utf-8")

    def lengths(self) -> NDArray[np.int64]:
        """Number of items of every row, int64 [rows]."""
        lengths: NDArray[np.int64] = self.ends.copy()
        lengths[1:] -= self.ends[:-1]
        return lengths

    def __reduce__(self) -> tuple[type["Ragged"], tuple[Path, str, DTypeLike]]:
        # A worker process maps the file again instead of receiving a copy of it.
        return Ragged, self._source


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """A temporary folder to fill, which takes the place of `folder` when the block ends.

    Several processes may build the same folder at once: the first one's result stays. What a killed one left half
    built is removed a day later.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for leftover in folder.parent.glob(f"{_PARTIAL}*"):
        with suppress(FileNotFoundError):
            if leftover.stat().st_mtime < time.time() - _DAY:
                shutil.rmtree(leftover, ignore_errors=True)
    partial = folder.with_name(f"{_PARTIAL}{secrets.token_hex(8)}")
    partial.mkdir()
    try:
        yield partial
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
