"""Arrays from .npy files that anybody may have made: the header is judged before what it promises is believed."""

import math
import os
import zipfile
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from engine.data.zips import DAMAGED_ZIP
from engine.format import brief

# What numpy's own reading of a header lets through besides ValueError.
_BAD_HEADER = (
    *(SyntaxError, TokenError, TypeError, LookupError, AttributeError, RecursionError, OverflowError),
    *(MemoryError, EOFError),
)


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran's order, and type; `file` is left at the first value.

    Raises:
        ValueError: it is not the beginning of an .npy file.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file)
        return np.lib.format.read_array_header_2_0(file)
    except _BAD_HEADER as error:
        raise ValueError(f"not an .npy header ({brief(str(error))})") from error


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an uncompressed .npz file by name, in memory; nothing in it is unpickled.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such file, compressed, or an array is cut off or of Python objects.
    """
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{brief(entry.filename)}: is compressed")
                with archive.open(entry) as file:
                    shape, fortran, dtype = read_header(file)
                    if dtype.hasobject or fortran or min(shape, default=0) < 0:
                        raise ValueError(
                            f"{brief(entry.filename)}: has {brief(str(dtype))} of {brief(str(shape))}"
                        )
                    data = file.read()
                if len(data) != math.prod(shape) * dtype.itemsize:
                    raise ValueError(f"{brief(entry.filename)}: is cut off")
                array = np.frombuffer(data, dtype).reshape(shape)
                arrays[entry.filename.removesuffix(".npy")] = array
    except DAMAGED_ZIP as error:
        raise ValueError(f"{path.name}: no .npz file ({brief(str(error))})") from error
    return arrays


def open_array(path: Path, kinds: str, dimensions: int) -> NDArray[Any]:
    """The array of a file, memory-mapped and read-only.

    Args:
        kinds: the letters of `dtype.kind` that will do, such as `iu` for whole numbers.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no .npy file, cut off, or of another kind or number of dimensions.
    """
    with path.open("rb") as file:
        try:
            shape, _, dtype = read_header(file)
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from error
        there = os.fstat(file.fileno()).st_size - file.tell()
    if dtype.kind not in kinds or len(shape) != dimensions or min(shape, default=0) < 0:
        raise ValueError(f"{path.name}: has {brief(str(dtype))} of shape {brief(str(shape))}")
    size = math.prod(shape) * dtype.itemsize
    if size > there:
        raise ValueError(f"{path.name}: is cut off")
    # A plain view of the map: numpy's memmap class costs a microsecond at every slice.
    return np.asarray(np.load(path, mmap_mode="r" if size else None, allow_pickle=False))
