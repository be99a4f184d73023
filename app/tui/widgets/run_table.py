"""The table of runs: draws the lines in sight from a window of rows, whatever the number of runs in the store."""

from rich.segment import Segment
from rich.style import Style
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from app.tui.bindings import bindings
from app.tui.columns import Column, columns_for, fit, fitted
from app.tui.states import COLOURS
from engine.store.views import RunPage, RunRow

BLOCK = 100


class RunTable(ScrollView, can_focus=True):
    """Holds one window of rows around what is in sight; the cursor stays on its run when others come or go."""

    BINDINGS = bindings("table")
    COMPONENT_CLASSES = {  # noqa: RUF012
        "run-table--header",
        "run-table--cursor",
        "run-table--muted",
        *(f"run-table--{name}" for name in COLOURS.values()),
    }

    class WindowMoved(Message):
        """Other rows are in sight than those that are held."""

    class Chosen(Message):
        """The cursor is on another run (None: on none that is known)."""

        def __init__(self, run: RunRow | None) -> None:
            super().__init__()
            self.run = run

    class Opened(Message):
        """A run was double-clicked."""

    class SortAsked(Message):
        """A column's title was clicked."""

        def __init__(self, sort: str) -> None:
            super().__init__()
            self.sort = sort

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel")
        self.sort = "-created"
        self.matching = 0
        self.offset_held = 0
        self._rows: tuple[RunRow, ...] = ()
        self._cursor = 0
        self._cursor_id: int | None = None
        self._columns = columns_for(2)

    @property
    def window(self) -> tuple[int, int]:
        """Offset and length of the rows that should be held, in blocks, a block to spare on both sides."""
        first = max(0, self.scroll_offset.y // BLOCK * BLOCK - BLOCK)
        return first, 3 * BLOCK + (max(0, self.size.height) // BLOCK) * BLOCK

    @property
    def current(self) -> RunRow | None:
        """The run under the cursor."""
        return self._row(self._cursor)

    @property
    def sortable(self) -> list[Column]:
        """Columns in sight that the store can sort by."""
        return [column for column, _ in self._fitted() if column.sort]

    def show(self, page: RunPage, offset: int, *, anew: bool) -> None:
        """Hold the rows of `page`, which begin at `offset`; `anew` after another filter or order."""
        before = self.current
        self.matching = page.matching
        self.offset_held, self._rows = offset, page.runs
        self._columns = columns_for(max((len(run.levels) for run in page.runs), default=2) or 2)
        self.virtual_size = Size(0, page.matching + 1)
        kept = next((i for i, run in enumerate(page.runs, offset) if run.id == self._cursor_id), None)
        if kept is not None and kept != self._cursor:
            moved = kept - self._cursor
            self._cursor = kept
            if not anew:
                self.scroll_to(y=self.scroll_offset.y + moved, animate=False, immediate=True, force=True)
        elif kept is None:
            self._cursor = 0 if anew else max(0, min(self._cursor, page.matching - 1))
        if anew:
            self._reveal()
        self._adopt(before)
        self.refresh()

    def select(self, index: int) -> None:
        """Put the cursor on a line."""
        before = self.current
        self._cursor = max(0, min(index, self.matching - 1))
        self._cursor_id = None
        self._reveal()
        self._adopt(before)
        self.refresh()

    def action_cursor(self, by: int) -> None:
        self.select(self._cursor + by)

    def action_page(self, by: int) -> None:
        self.select(self._cursor + by * max(1, self._lines - 1))

    def action_first(self) -> None:
        self.select(0)

    def action_last(self) -> None:
        self.select(self.matching - 1)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) // BLOCK != round(new_value) // BLOCK:
            self.post_message(self.WindowMoved())

    def on_click(self, event: Click) -> None:
        position = event.get_content_offset(self)
        if position is None:
            return
        if position.y == 0:
            x = 2
            for column, width in self._fitted():
                if x <= position.x < x + width and column.sort:
                    self.post_message(self.SortAsked(column.sort))
                x += width + self._gap
            return
        index = self.scroll_offset.y + position.y - 1
        if index < self.matching:
            self.select(index)
            if event.chain == 2:
                self.post_message(self.Opened())

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        base = self.rich_style
        if y == 0:
            return self._header(width)
        index = self.scroll_offset.y + y - 1
        if index >= self.matching:
            return Strip.blank(width, base)
        run = self._row(index)
        chosen = index == self._cursor
        if chosen:
            base = base + self.get_component_rich_style("run-table--cursor", partial=True)
        segments = [Segment("▸ " if chosen else "  ", base)]
        if run is None:
            segments.append(Segment("…", base))
        else:
            for column, cells in self._fitted():
                text = fit(column.cell(run), cells, right=column.right)
                segments.append(Segment(text + " " * self._gap, base + self._style(column, run)))
        return Strip(segments).adjust_cell_length(width, base)

    @property
    def _lines(self) -> int:
        return max(1, self.scrollable_content_region.height - 1)

    @property
    def _gap(self) -> int:
        return 2 if self.size.width >= 90 else 1

    def _fitted(self) -> list[tuple[Column, int]]:
        return fitted(self._columns, max(10, self.scrollable_content_region.width - 2), self._gap)

    def _row(self, index: int) -> RunRow | None:
        held = index - self.offset_held
        return self._rows[held] if 0 <= held < len(self._rows) else None

    def _adopt(self, before: RunRow | None) -> None:
        """Remember the run under the cursor, and tell when it is another one, or has changed."""
        run = self.current
        if run is not None:
            self._cursor_id = run.id
        if run != before:
            self.post_message(self.Chosen(run))

    def _reveal(self) -> None:
        top = self.scroll_offset.y
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, immediate=True, force=True)
        elif self._cursor >= top + self._lines:
            self.scroll_to(y=self._cursor - self._lines + 1, animate=False, immediate=True, force=True)

    def _style(self, column: Column, run: RunRow) -> Style:
        if column.title == "state":
            return self.get_component_rich_style(f"run-table--{COLOURS[run.status]}", partial=True)
        if column.title in ("stage", "took", "created"):
            return self.get_component_rich_style("run-table--muted", partial=True)
        return Style.null()

    def _header(self, width: int) -> Strip:
        style = self.rich_style + self.get_component_rich_style("run-table--header", partial=True)
        descending, name = self.sort.startswith("-"), self.sort.removeprefix("-")
        text = "  "
        for column, cells in self._fitted():
            arrow = ("▼" if descending else "▲") if column.sort == name else ""
            name_cells = cells - len(arrow)
            title = column.title if len(column.title) <= name_cells else column.title[:name_cells]
            text += fit(title + arrow, cells, right=column.right) + " " * self._gap
        return Strip([Segment(text, style)]).adjust_cell_length(width, style)
