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
    """Go to the line nearest to the one at `index` that has `text` in it, or an error where it is None.

    Without an index it goes on from where the Find before it has come to, whether that was told already or not. `moved`
    is by how much lines had moved down in all where the index was taken; `number` comes back as `LogPage.answered`.
    """

    text: str | None
    index: int | None
    upwards: bool
    moved: int = 0
    number: int = 0

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
    `share` how much of the file lies before the last line, `answered` the number of the last Find that has ended.
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
    answered: int = 0


class LogReader:
    """The thread's work: `run` until `stop`; commands may come from any other thread."""

    def __init__(self, path: Path, tell: Callable[[LogPage], object]) -> None:
        self._tail = LogTail(path)
        self._tell = tell
        self._commands: deque[Command] = deque()
        self._wake = threading.Event()
        self._stopped = False
        self._told: tuple[str, int] | None = None
        self._lock = threading.Lock()
        self._replaced = False
        self._shift = self._moved = self._answered = 0
        self._come_to = (0, 0)  # where a Find goes on: the end of what is above, the begin of what is below

    def stop(self) -> None:
        """Let `run` return; nothing is told any more."""
        self._stopped = True
        self._wake.set()

    def do(self, command: Command) -> None:
        """Do this next instead of what was asked for before; more lines, and a Find that goes on, come after it."""
        goes_on = command in ("before", "after") or (isinstance(command, Find) and command.index is None)
        with self._lock:
            if not goes_on:
                self._commands.clear()
                self._replaced = True
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
        self._move(removed - tail.removed)
        found: int | None = None
        note: str | None = None
        while (command := self._next()) is not None and not self._stopped:
            changed = True
            match command:
                case "before":
                    more = tail.read_before()
                    self._move(more)
                    found = None if found is None else found + more
                case "after":
                    tail.read_after()
                case "end":
                    tail.go_to_end()
                    found = note = None
                case "first":
                    found, note = tail.open_at(0), None
                    self._come_to = 0, tail.offset_of(found + 1)
                case Find() as find:
                    place, note = self._find(find)
                    found = found if place is None else place
                    self._answered = find.number
        where = printable("/".join(tail.path.parts[-3:-1]))
        empty = "the log is empty" if tail.path.exists() else f"no log in {where}"
        state = (empty, tail.size)
        if changed or state != self._told:
            self._told = state
            self._send(self._page(empty, found, note))

    def _next(self) -> Command | None:
        with self._lock:
            self._replaced = False
            return self._commands.popleft() if self._commands else None

    def _move(self, lines: int) -> None:
        self._shift += lines
        self._moved += lines

    def _page(self, empty: str, found: int | None = None, note: str | None = None) -> LogPage:
        tail, shift = self._tail, self._shift
        self._shift = 0
        share = tail.offset_of(len(tail.lines)) / tail.size if tail.size else 1.0
        return LogPage(
            tail.path,
            tuple(tail.lines),
            empty,
            shift,
            found,
            note,
            tail.away,
            share,
            tail.size,
            self._answered,
        )

    def _find(self, find: Find) -> tuple[int | None, str | None]:
        tail = self._tail
        what = "error" if find.text is None else f"match of {printable(find.text)}"
        if find.index is not None:
            index = max(0, find.index + self._moved - find.moved)
            self._come_to = tail.offset_of(index), tail.offset_of(index + 1)
        above, below = self._come_to
        begin, end = (0, above) if find.upwards else (below, tail.size)
        if end - begin > 64 << 20:
            self._send(self._page("", note=f"searching {size(end - begin)}"))
        place = find_line(
            tail.path,
            find.needles,
            begin,
            end,
            upwards=find.upwards,
            fold=find.fold,
            stopped=lambda: self._stopped or self._replaced,
        )
        if place is None:
            return None, None if self._replaced else f"no {what} further {'up' if find.upwards else 'down'}"
        found = tail.open_at(place)
        self._come_to = place, tail.offset_of(found + 1)
        return found, f"{what} at {place / max(1, tail.size):.0%} of {size(tail.size)}"

    def _send(self, page: LogPage) -> None:
        if not self._stopped:
            self._tell(page)
