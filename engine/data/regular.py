"""Files that are none: a pipe is waited for, a device may never end, and an open limit makes good files look broken."""

import errno
import stat
from pathlib import Path

from engine.errors import DataError

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
_STARVED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def require_regular(path: Path) -> None:
    """Refuse what cannot be read as a file, before it is opened; what is missing is for the opener to tell.

    Raises:
        DataError: it is a pipe, a device or a socket.
    """
    try:
        kind = _KINDS.get(stat.S_IFMT(path.stat().st_mode))
    except (OSError, ValueError):
        return
    if kind is not None:
        raise DataError(f"{path}: is {kind}, not a file; put a file in its place")


def require_regular_files(folder: Path) -> None:
    """The same for all that lies in a folder whose files belong together.

    Raises:
        DataError: something in it is a pipe, a device or a socket.
    """
    try:
        paths = list(folder.iterdir())
    except OSError:
        return
    for path in paths:
        require_regular(path)


def raise_starved(error: BaseException) -> None:
    """Raise `error` again where this process has no descriptor or no memory left: the file may be whole."""
    if isinstance(error, OSError) and error.errno in _STARVED:
        raise error
