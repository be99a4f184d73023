"""A window on a growing text file, read in bounded pieces however long it is: at its end, or anywhere else."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from engine.format import printable

PIECE_BYTES = 64 << 10
MAX_LINES = 20_000
MAX_LINES_BACK = 3 * MAX_LINES
_MAX_LINE = 2000
_BLOCK_BYTES = 4 << 20


@dataclass
class LogTail:
    """Follows a file from its end; `lines` are safe to show, the last one may still grow.

    A line that a progress bar has drawn over with carriage returns shows its last state only. Who pages back far
    leaves the end: then `away` is true, and nothing is followed until `go_to_end`. `size` is the file's, `removed`
    counts the lines that were dropped in front.
    """

    path: Path
    lines: list[str] = field(default_factory=list)
    away: bool = False
    size: int = 0
    removed: int = 0
    _start: int = 0
    _end: int = 0
    _sizes: list[int] = field(default_factory=list)
    _open: bytes = b""
    _identity: tuple[int, int] | None = None

    @property
    def at_start(self) -> bool:
        """Nothing comes before the first line."""
        return self._start == 0

    def offset_of(self, index: int) -> int:
        """Where in the file a line begins; where the window ends for the index after the last."""
        return self._start + sum(self._sizes[:index])

    def read_on(self) -> bool:
        """Take in at most one piece of what was added; true when the lines have changed.

        A file that was replaced or cut is begun again; a missing one is empty.
        """
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                changed = self._restart_if_new((status.st_dev, status.st_ino), status.st_size)
                self.size = status.st_size
                if status.st_size == self._end or self.away:
                    return changed
                if (
                    self._end == 0 and status.st_size > PIECE_BYTES
                ) or status.st_size - self._end > 64 * PIECE_BYTES:
                    self._jump(file.seek(status.st_size - PIECE_BYTES))
                self._take(file)
        except (FileNotFoundError, NotADirectoryError):
            had = bool(self.lines)
            self._jump(0)
            self.away = False
            self._identity = None
            return had
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
        self.lines[:0] = [_shown(line) for line in raw]
        sizes = [len(line) + 1 for line in raw]
        sizes[-1] -= not piece.endswith(b"\n")
        self._sizes[:0] = sizes
        if len(self.lines) > MAX_LINES_BACK:
            self._end = self.offset_of(MAX_LINES_BACK)
            del self.lines[MAX_LINES_BACK:], self._sizes[MAX_LINES_BACK:]
            self._open, self.away = b"", True
        return len(raw)

    def read_after(self) -> None:
        """Where the window has left the end: append the piece after it."""
        if not self.away:
            return
        try:
            with self.path.open("rb") as file:
                self.size = os.fstat(file.fileno()).st_size
                self._take(file)
        except OSError:
            return
        self.away = self._end < self.size

    def go_to_end(self) -> None:
        """Follow the end again."""
        if self.away:
            self._jump(0)
            self.away = False
            self.read_on()

    def open_at(self, offset: int) -> int:
        """Move the window to the line that begins at `offset`; returns its index."""
        if not self._start <= offset < self._end:
            self._jump(offset)
            self.away = True
            self.read_after()
            self.read_before()
        index, at = 0, self._start
        while index < len(self._sizes) - 1 and at + self._sizes[index] <= offset:
            at += self._sizes[index]
            index += 1
        return index

    def _take(self, file: BinaryIO) -> None:
        """Append one piece from the window's end on."""
        cut = self._end > 0 and self._end == self._start and not self._at_line_start(file)
        file.seek(self._end)
        piece = file.read(PIECE_BYTES)
        self._end += len(piece)
        if cut:  # in the middle of a line: leave its rest out
            skipped = piece.find(b"\n") + 1
            self._start += skipped
            piece = piece[skipped:]
        self._append(piece)

    def _at_line_start(self, file: BinaryIO) -> bool:
        file.seek(self._end - 1)
        return file.read(1) == b"\n"

    def _restart_if_new(self, identity: tuple[int, int], size: int) -> bool:
        if self._identity == identity and size >= self._end:
            return False
        had = bool(self.lines)
        self._jump(0)
        self.away = False
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
        gone = max(0, len(self.lines) - MAX_LINES)
        if gone:
            self._start += sum(self._sizes[:gone])
            del self.lines[:gone], self._sizes[:gone]
            self.removed += gone


def find_line(
    path: Path,
    needles: tuple[bytes, ...],
    begin: int,
    end: int,
    *,
    upwards: bool,
    fold: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> int | None:
    """Where the line begins that is nearest to one edge of a part of the file and has one of `needles` in it.

    The last line of the part when `upwards`, else the first; with `fold`, letters of ASCII match in either case. Reads
    block by block, so that the length of the file only costs time, and gives up with None when `stopped`.

    Raises:
        OSError: the file cannot be read.
    """
    wanted = tuple(needle.lower() for needle in needles) if fold else needles
    overlap = max(map(len, wanted)) - 1
    with path.open("rb") as file:
        low, high = begin, end
        while low < high and not stopped():
            first = max(low, high - _BLOCK_BYTES) if upwards else low
            last = high if upwards else min(high, low + _BLOCK_BYTES)
            file.seek(first)
            block = file.read(last - first)
            block = block.lower() if fold else block
            places = [block.rfind(needle) if upwards else block.find(needle) for needle in wanted]
            places = [place for place in places if place >= 0]
            if places:
                return _line_start(file, first + (max(places) if upwards else min(places)))
            if (first == begin and last == end) or last - first <= overlap:
                return None
            if upwards:
                high = first + overlap if first > begin else begin
            else:
                low = last - overlap if last < end else end
    return None


def _line_start(file: BinaryIO, offset: int) -> int:
    begin = max(0, offset - _BLOCK_BYTES)
    file.seek(begin)
    return begin + file.read(offset - begin).rfind(b"\n") + 1


def _shown(line: bytes) -> str:
    last = line.rstrip(b"\r").rpartition(b"\r")[2]
    text = last[: _MAX_LINE * 4].decode("utf-8", "replace").expandtabs(4)
    return printable(text[:_MAX_LINE] + "…" if len(text) > _MAX_LINE else text)
