"""Reading a log for the screen, in a thread: following, paging, searching; answers are plain pages."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.tui.logtail import LogTail, find_line
from app.tui.troubles import one_line
from engine.format import printable, size

ERRORS = (
    *(b" ERROR ", b" CRITICAL ", b" FATAL ", b"Traceback (most recent call last)", b"Error: "),
    *(b"Exception: ", b"out of memory", b"Segmentation fault", b"Killed"),
)
_FOLLOW_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Find:
    """Go to the line nearest to the one at `index` that has `text` in it, or an error where it is None."""

    text: str | None
    index: int
    upwards: bool

    @property
    def needles(self) -> tuple[bytes, ...]:
        """What to look for; small letters find both."""
        return ERRORS if self.text is None else (self.text.encode("utf-8", "replace"),)

    @property
    def fold(self) -> bool:
        """In either case."""
        return self.text is not None and self.text == self.text.lower()


Command = Literal["before", "after", "end", "first"] | Find


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines to show; `shift` is by how many those shown until now have moved down, `found` the line to go to.

    `empty` is what to say without any line, `note` what to say about a search, `away` that this is not the file's end,
    `share` how much of the file lies before the last line.
    """

    path: Path
    lines: tuple[str, ...]
    empty: str
    shift: int = 0
    found: int | None = None
    note: str | None = None
    away: bool = False
    share: float = 1.0
    size: int = 0


class LogReader:
    """The thread's work: `run` until `stop`; commands may come from any other thread."""

    def __init__(self, path: Path, tell: Callable[[LogPage], object]) -> None:
        self._tail = LogTail(path)
        self._tell = tell
        self._commands: deque[Command] = deque()
        self._wake = threading.Event()
        self._stopped = False
        self._told: tuple[str, int] | None = None

    def stop(self) -> None:
        """Let `run` return; nothing is told any more."""
        self._stopped = True
        self._wake.set()

    def do(self, command: Command) -> None:
        """Do this next; what was asked for before it and has not begun is dropped."""
        self._commands.clear()
        self._commands.append(command)
        self._wake.set()

    def run(self) -> None:
        """Follow the file, and obey."""
        while not self._stopped:
            self._wake.clear()
            try:
                self._turn()
            except OSError as error:
                self._send(LogPage(self._tail.path, (), f"the log cannot be read: {one_line(error)}"))
            self._wake.wait(_FOLLOW_SECONDS)

    def _turn(self) -> None:
        tail = self._tail
        removed = tail.removed
        changed = tail.read_on()
        shift, found, note = 0, None, None
        while self._commands and not self._stopped:
            changed = True
            match self._commands.popleft():
                case "before":
                    shift += tail.read_before()
                case "after":
                    tail.read_after()
                case "end":
                    tail.go_to_end()
                case "first":
                    found = tail.open_at(0)
                case Find() as find:
                    found, note = self._find(find)
        shift -= tail.removed - removed
        empty = "the log is empty" if tail.path.exists() else "no log yet"
        state = (empty, tail.size)
        if changed or state != self._told:
            self._told = state
            share = tail.offset_of(len(tail.lines)) / tail.size if tail.size else 1.0
            self._send(
                LogPage(tail.path, tuple(tail.lines), empty, shift, found, note, tail.away, share, tail.size)
            )

    def _find(self, find: Find) -> tuple[int | None, str]:
        tail = self._tail
        what = "error" if find.text is None else f"match of {printable(find.text)}"
        at = tail.offset_of(find.index)
        after = tail.offset_of(find.index + 1)
        begin, end = (0, at) if find.upwards else (after, tail.size)
        if end - begin > 64 << 20:
            self._send(
                LogPage(
                    tail.path, tuple(tail.lines), "", note=f"searching {size(end - begin)}", away=tail.away
                )
            )
        place = find_line(
            tail.path,
            find.needles,
            begin,
            end,
            upwards=find.upwards,
            fold=find.fold,
            stopped=lambda: self._stopped or bool(self._commands),
        )
        if place is None:
            return None, f"no {what} further {'up' if find.upwards else 'down'}"
        return tail.open_at(place), f"{what} at {place / max(1, tail.size):.0%} of {size(tail.size)}"

    def _send(self, page: LogPage) -> None:
        if not self._stopped:
            self._tell(page)
