"""A run's log: opened at its end, followed while one stays there, paged back from the file."""

import threading
from collections.abc import Sequence
from pathlib import Path

from rich.segment import Segment
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from app.tui.bindings import bindings
from app.tui.logtail import LogTail
from app.tui.troubles import one_line

_FOLLOW_SECONDS = 0.5


class LogView(ScrollView, can_focus=True):
    """Reads in a thread; the lines it holds are bounded, whatever the length of the file."""

    BINDINGS = bindings("log")

    class Read(Message, bubble=False):
        """Lines of a file, how many of them were put before those shown until now, and what to say without any."""

        def __init__(self, path: Path, lines: tuple[str, ...], before: int, empty: str) -> None:
            super().__init__()
            self.path = path
            self.lines = lines
            self.before = before
            self.empty = empty

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel")
        self._path: Path | None = None
        self._lines: tuple[str, ...] = ()
        self._width = 0
        self._stop: threading.Event | None = None
        self._want_before = threading.Event()
        self._wake = threading.Event()
        self._message = ""
        self._following = True

    def follow(self, path: Path | None, title: str = "log") -> None:
        """Show the log at `path` from its end on; None shows nothing."""
        self.border_title = Content(title)
        if path == self._path:
            return
        self._halt()
        self._path = path
        self._following = True
        self._show((), "no run is chosen" if path is None else "loading")
        if path is None:
            return
        stop = self._stop = threading.Event()
        self._want_before.clear()
        self.run_worker(lambda: self._read(path, stop), name="log", group="log", thread=True, exclusive=True)

    def on_unmount(self) -> None:
        self._halt()

    def _halt(self) -> None:
        if self._stop is not None:
            self._stop.set()
            self._wake.set()

    def action_follow(self) -> None:
        """Go to the end and stay there."""
        self._following = True
        self.scroll_end(animate=False, immediate=True, force=True, x_axis=False)

    def action_full(self) -> None:
        """The log alone on the screen, or in its place again."""
        if self.screen.maximized is self:
            self.screen.minimize()
        else:
            self.screen.maximize(self)

    def on_log_view_read(self, message: Read) -> None:
        if message.path != self._path:
            return
        offset = self.scroll_offset.y
        self._show(message.lines, message.empty)
        if message.before:
            self.scroll_to(y=offset + message.before, animate=False, immediate=True, force=True)
        elif self._following:
            self.action_follow()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._following = new_value >= self.max_scroll_y
        if new_value == 0 and old_value > 0:
            self._want_before.set()
            self._wake.set()

    def on_resize(self) -> None:
        if self._following:
            self.action_follow()

    def _show(self, lines: tuple[str, ...], message: str) -> None:
        self._lines, self._message = lines, message
        self._width = max((len(line) for line in lines[-2000:]), default=0)
        self.virtual_size = Size(self._width, len(lines))
        self.refresh()

    def _read(self, path: Path, stop: threading.Event) -> None:
        tail = LogTail(path)
        told: str | None = None
        while not stop.is_set():
            self._wake.clear()
            before = 0
            lines: Sequence[str] = tail.lines
            try:
                changed = tail.read_on()
                if self._want_before.is_set():
                    self._want_before.clear()
                    before = tail.read_before()
                empty = "the log is empty" if path.exists() else "no log yet"
            except OSError as error:
                changed, lines, empty = False, (), f"the log cannot be read: {one_line(error)}"
            if (changed or before or empty != told) and not stop.is_set():
                self.post_message(self.Read(path, tuple(lines), before, empty))
            told = empty
            self._wake.wait(_FOLLOW_SECONDS)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selection.extract("\n".join(self._lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:
        scroll_x, scroll_y = self.scroll_offset
        width = self.scrollable_content_region.width
        index = scroll_y + y
        style = self.rich_style
        if index >= len(self._lines):
            text = self._message if index == 0 and not self._lines else ""
            return Strip([Segment(text, style)]).adjust_cell_length(width, style)
        line = Content(self._lines[index])
        selection = self.text_selection
        segments = [Segment(line.plain, style)]
        if selection is not None and (span := selection.get_span(index)) is not None:
            start, end = span
            end = len(line.plain) if end == -1 else end
            chosen = self.screen.get_component_rich_style("screen--selection")
            segments = [
                Segment(line.plain[:start], style),
                Segment(line.plain[start:end], style + chosen),
                Segment(line.plain[end:], style),
            ]
        strip = Strip(segments).crop_extend(scroll_x, scroll_x + width, style)
        return strip.apply_offsets(scroll_x, index)
