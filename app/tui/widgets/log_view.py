"""A run's log: opened at its end, followed while one stays there, paged back from the file, searched, errors found."""

from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from app.tui.bindings import bindings
from app.tui.logreader import ERRORS, Command, Find, LogPage, LogReader

_ERRORS = tuple(needle.decode() for needle in ERRORS)


class LogView(ScrollView, can_focus=True):
    """Reads in a thread; the lines it holds are bounded, whatever the length of the file."""

    BINDINGS = bindings("log")
    BINDING_GROUP_TITLE = "Log"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"log-view--found", "log-view--error"}
    DEFAULT_CSS = """
    LogView > .log-view--found { background: $panel-lighten-1; text-style: bold; }
    LogView > .log-view--error { color: $text-error; }
    """

    class Read(Message, bubble=False):
        """Lines of a file."""

        def __init__(self, page: LogPage) -> None:
            super().__init__()
            self.page = page

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel")
        self._path: Path | None = None
        self._page = LogPage(Path(), (), "")
        self._width = 0
        self._reader: LogReader | None = None
        self._following = True
        self._found: int | None = None
        self._needle: str | None = None
        self._asked = False
        self._moved = self._numbered = self._answered = 0

    def follow(self, path: Path | None, title: str = "log") -> None:
        """Show the log at `path` from its end on; None shows nothing."""
        self.border_title = Content(title)
        if path == self._path:
            return
        self._halt()
        self._path = path
        self._following, self._found = True, None
        self._moved = self._numbered = self._answered = 0
        self.border_subtitle = ""
        self._show(LogPage(path or Path(), (), "no run is chosen" if path is None else "loading"))
        if path is None:
            return
        self._reader = reader = LogReader(path, lambda page: self.post_message(self.Read(page)))
        self.run_worker(reader.run, name="log", group="log", thread=True, exclusive=True)

    def on_unmount(self) -> None:
        self._halt()

    def _halt(self) -> None:
        if self._reader is not None:
            self._reader.stop()
            self._reader = None

    @property
    def lines_in_sight(self) -> list[str]:
        """What can be read on the screen now."""
        top = self.scroll_offset.y
        return list(self._page.lines[top : top + self.scrollable_content_region.height])

    def action_follow(self) -> None:
        """Go to the end and stay there."""
        self._following, self._found = True, None
        if self._page.away or self._finding:
            self._answered = self._numbered  # what was being looked for is no longer wanted
            self._do("end")
        if not self._page.away:
            self.scroll_end(animate=False, immediate=True, force=True, x_axis=False)

    def action_first(self) -> None:
        """Go to the begin of the file."""
        self._answered = self._numbered
        self._do("first")

    def action_full(self) -> None:
        """The log alone on the screen, or in its place again."""
        if self.screen.maximized is self:
            self.screen.minimize()
        else:
            self.screen.maximize(self, container=False)

    def search(self, text: str) -> None:
        """Mark `text`, and go to its last occurrence before the end of what is in sight."""
        self._needle = text or None
        self._found, self._answered = None, self._numbered
        self.refresh()
        if text:
            self._find(text, -1)
        else:
            self._say(None)

    def action_search(self, by: int) -> None:
        """To the next match further up, or down."""
        if self._needle is None:
            self._say("nothing is searched yet: press / and type")
        else:
            self._find(self._needle, by)

    def action_error(self, by: int) -> None:
        """To the next error further up, or down."""
        self._find(None, by)

    @property
    def _finding(self) -> bool:
        return self._answered < self._numbered

    def _find(self, text: str | None, by: int) -> None:
        """From what was found, or is being looked for: two quick presses are two jumps; else from what is in sight."""
        index: int | None = None
        if self._found is None and not self._finding:
            top = self.scroll_offset.y
            bottom = min(len(self._page.lines), top + self.scrollable_content_region.height)
            index = bottom if by < 0 else max(0, top - 1)
        self._numbered += 1
        self._do(Find(text, index, by < 0, self._moved, self._numbered))

    def _do(self, command: Command) -> None:
        if self._reader is not None:
            self._reader.do(command)

    def on_log_view_read(self, message: Read) -> None:
        page = message.page
        if page.path != self._path:
            return
        offset, following = self.scroll_offset.y, self._following
        self._asked = False
        self._moved += page.shift
        self._answered = max(self._answered, page.answered)
        if self._found is not None:
            self._found += page.shift
        self._show(page)
        if page.found is not None:
            self._go_to(page.found)
        elif following and not page.away:
            self._following = True
            self.scroll_end(animate=False, immediate=True, force=True, x_axis=False)
        elif page.shift:
            self.scroll_to(y=max(0, offset + page.shift), animate=False, immediate=True, force=True)
        if page.note is not None or page.found is not None:
            self._say(page.note)
        elif following and not page.away:
            self._say(None)
        elif page.away:
            self._say(f"before the last {1 - page.share:.0%} of the file: end goes there")

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        at_end = new_value >= self.max_scroll_y
        self._following = at_end and not self._page.away
        if new_value == 0 and old_value > 0 and not self._asked:
            self._asked = True
            self._do("before")
        elif at_end and self._page.away and new_value > old_value and not self._asked:
            self._asked = True
            self._do("after")

    def on_resize(self) -> None:
        if self._following:
            self.scroll_end(animate=False, immediate=True, force=True, x_axis=False)

    def _go_to(self, index: int) -> None:
        self._following = False
        self._found = index
        third = self.scrollable_content_region.height // 3
        self.scroll_to(y=max(0, index - third), animate=False, immediate=True, force=True)
        self.refresh()

    def _show(self, page: LogPage) -> None:
        self._page = page
        self._width = max((cell_len(line) for line in page.lines[-2000:]), default=0)
        self.virtual_size = Size(self._width, len(page.lines))
        self.refresh()

    def _say(self, text: str | None) -> None:
        self.border_subtitle = Content(text or "")

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selection.extract("\n".join(self._page.lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:
        scroll_x, scroll_y = self.scroll_offset
        width = self.scrollable_content_region.width
        index = scroll_y + y
        style = self.rich_style
        lines = self._page.lines
        if index >= len(lines):
            text = self._page.empty if index == 0 and not lines else ""
            return Strip([Segment(text, style)]).adjust_cell_length(width, style)
        line = lines[index]
        if any(error in line for error in _ERRORS):
            style += self.get_component_rich_style("log-view--error", partial=True)
        if index == self._found:
            style += self.get_component_rich_style("log-view--found", partial=True)
        span = None
        if (selection := self.text_selection) is not None:
            span = selection.get_span(index)
        if span is not None:
            chosen = style + self.screen.get_component_rich_style("screen--selection")
            start, end = span
            segments = _parts(line, [(start, len(line) if end == -1 else end)], style, chosen)
        else:
            segments = _parts(line, self._matches(line), style, style + Style(reverse=True))
        strip = Strip(segments).crop_extend(scroll_x, scroll_x + width, style)
        return strip.apply_offsets(scroll_x, index)

    def _matches(self, line: str) -> list[tuple[int, int]]:
        needle = self._needle
        if needle is None:
            return []
        text = line.lower() if needle == needle.lower() else line
        found = []
        at = text.find(needle)
        while at >= 0:
            found.append((at, at + len(needle)))
            at = text.find(needle, at + len(needle))
        return found


def _parts(line: str, spans: list[tuple[int, int]], style: Style, marked: Style) -> list[Segment]:
    """The line in segments, with some parts in another style."""
    segments = []
    at = 0
    for start, end in spans:
        segments += [Segment(line[at:start], style), Segment(line[start:end], marked)]
        at = end
    return [*segments, Segment(line[at:], style)]
