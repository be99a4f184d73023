"""The end of a growing text file, read in bounded pieces however long it is."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from engine.format import printable

PIECE_BYTES = 64 << 10
MAX_LINES = 20_000
_MAX_LINE = 2000


@dataclass
class LogTail:
    """Follows a file from its end; `lines` are safe to show, the last one may still grow.

    A line that a progress bar has drawn over with carriage returns shows its last state only.
    """

    path: Path
    lines: list[str] = field(default_factory=list)
    _start: int = 0
    _end: int = 0
    _sizes: list[int] = field(default_factory=list)
    _open: bytes = b""
    _identity: tuple[int, int] | None = None

    @property
    def at_start(self) -> bool:
        """Nothing comes before the first line."""
        return self._start == 0

    def read_on(self) -> bool:
        """Take in at most one piece of what was added; true when the lines have changed.

        A file that was replaced or cut is begun again; a missing one is empty.
        """
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                changed = self._restart_if_new((status.st_dev, status.st_ino), status.st_size)
                if status.st_size == self._end:
                    return changed
                if (
                    self._end == 0 and status.st_size > PIECE_BYTES
                ) or status.st_size - self._end > 64 * PIECE_BYTES:
                    self._jump(file.seek(status.st_size - PIECE_BYTES))
                file.seek(self._end)
                piece = file.read(PIECE_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            had = bool(self.lines)
            self._jump(0)
            self._identity = None
            return had
        cut = self._end > 0 and self._end == self._start
        self._end += len(piece)
        if cut:  # in the middle of a line: leave its rest out
            skipped = piece.find(b"\n") + 1
            self._start += skipped
            piece = piece[skipped:]
        self._append(piece)
        return True

    def read_before(self) -> int:
        """Put the piece before the first line in front; returns how many lines that were."""
        if self.at_start:
            return 0
        begin = max(0, self._start - PIECE_BYTES)
        try:
            with self.path.open("rb") as file:
                file.seek(begin)
                piece = file.read(self._start - begin)
        except OSError:
            return 0
        skipped = 0 if begin == 0 else piece.find(b"\n") + 1
        if skipped == len(piece):  # a line longer than a piece: its end is shown as a line
            skipped = 0
        self._start = begin + skipped
        raw = piece[skipped:].removesuffix(b"\n").split(b"\n")
        added = [_shown(line) for line in raw]
        self.lines[:0] = added
        self._sizes[:0] = [len(line) + 1 for line in raw]
        return len(added)

    def _restart_if_new(self, identity: tuple[int, int], size: int) -> bool:
        if self._identity == identity and size >= self._end:
            return False
        had = bool(self.lines)
        self._jump(0)
        self._identity = identity
        return had

    def _jump(self, offset: int) -> None:
        self._start = self._end = offset
        self._open = b""
        self.lines.clear()
        self._sizes.clear()

    def _append(self, piece: bytes) -> None:
        size = len(self._open)
        if self._open:
            self.lines.pop()
            size = self._sizes.pop()
        cut = size - len(self._open)  # bytes of a very long line that are not kept
        *whole, self._open = (self._open + piece).split(b"\n")
        self.lines += [_shown(line) for line in whole]
        self._sizes += [len(line) + 1 for line in whole]
        if whole:
            self._sizes[-len(whole)] += cut
            cut = 0
        if self._open:
            self._sizes.append(len(self._open) + cut)
            self._open = self._open[-PIECE_BYTES:]
            self.lines.append(_shown(self._open))
        gone = len(self.lines) - MAX_LINES
        if gone > 0:
            self._start += sum(self._sizes[:gone])
            del self.lines[:gone], self._sizes[:gone]


def _shown(line: bytes) -> str:
    last = line.rstrip(b"\r").rpartition(b"\r")[2]
    text = last[: _MAX_LINE * 4].decode("utf-8", "replace").expandtabs(4)
    return printable(text[:_MAX_LINE] + "…" if len(text) > _MAX_LINE else text)
