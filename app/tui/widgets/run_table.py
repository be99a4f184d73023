"""The table of runs: draws the lines in sight from a window of rows, whatever the number of runs in the store."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from app.tui.bindings import bindings
from app.tui.columns import Column, columns_for, fit, fitted, scrollable, widened, windowed
from app.tui.group_line import group_line
from app.tui.states import COLOURS
from engine.store.table_views import GroupRow, Line, TablePage, Value
from engine.store.views import RunRow

BLOCK = 100
_PREFIX = 2
_NOTHING: Mapping[str, Value] = {}
_MUTED = ("stage", "took", "created", "started", "ended", "tags", "notes")


class RunTable(ScrollView, can_focus=True):
    """Holds one window of lines around what is in sight; the cursor stays on its run when others come or go."""

    BINDINGS = bindings("table")
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "run-table--header",
        "run-table--cursor",
        "run-table--muted",
        "run-table--group",
        *(f"run-table--{name}" for name in COLOURS.values()),
    }

    class WindowMoved(Message):
        """Other lines are in sight than those that are held."""

    class Chosen(Message):
        """The cursor is on another line (None: on a group, or on nothing that is known)."""

        def __init__(self, run: RunRow | None) -> None:
            super().__init__()
            self.run = run

    class Opened(Message):
        """A run was double-clicked."""

    class FoldAsked(Message):
        """A group is to be opened or closed."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class SortAsked(Message):
        """A column's title was clicked."""

        def __init__(self, sort: str) -> None:
            super().__init__()
            self.sort = sort

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel")
        self.sort = "-created"
        self.matching = 0
        self.length = 0
        self.levels = 2
        self.offset_held = 0
        self._marked: frozenset[int] = frozenset()
        self._lines: tuple[Line, ...] = ()
        self._cells: Mapping[int, Mapping[str, Value]] = {}
        self.score = ""
        self._cursor = 0
        self._cursor_on: int | str | None = None
        self._columns = columns_for(self.levels)
        self._chosen: tuple[Column, ...] = ()
        self._first_column = 0

    @property
    def window(self) -> tuple[int, int]:
        """Offset and length of the lines that should be held, in blocks, a block to spare on both sides."""
        first = max(0, self.scroll_offset.y // BLOCK * BLOCK - BLOCK)
        return first, 3 * BLOCK + (max(0, self.size.height) // BLOCK) * BLOCK

    @property
    def current(self) -> RunRow | None:
        """The run under the cursor."""
        line = self.current_line
        return line if isinstance(line, RunRow) else None

    @property
    def current_line(self) -> Line | None:
        """The run or the group under the cursor."""
        return self._line(self._cursor)

    @property
    def sortable(self) -> list[Column]:
        """Columns in sight that the store can sort by."""
        return [column for column, _ in self._fitted() if column.sort]

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns of the table, those out of sight too."""
        return tuple(column.key for column in self._chosen or self._columns)

    def choose(self, columns: Sequence[Column]) -> None:
        """Show these columns; none: those of the beginning."""
        before, after = [column.key for column in self._chosen], [column.key for column in columns]
        if before == after:
            return
        added = bool(self._lines) and after[:-1] == (before or list(self.keys))
        self._chosen = tuple(columns)
        self._first_column = 0
        while added and self._more_columns:  # the new one is what a person wants to see
            self._first_column += 1
        self.refresh()

    def show_marks(self, run_ids: Iterable[int]) -> None:
        """Draw a mark on these runs."""
        self._marked = frozenset(run_ids)
        self.refresh()

    def show(self, page: TablePage, offset: int, *, anew: bool) -> None:
        """Hold the lines of `page`, which begin at `offset`; `anew` after another filter, order or grouping."""
        before = self.current_line
        self.matching, self.length = page.matching, page.length
        self.offset_held, self._lines, self._cells, self.score = offset, page.lines, page.cells, page.score
        runs = [line for line in page.lines if isinstance(line, RunRow)]
        if runs:
            self.levels = max(len(run.levels) for run in runs) or 2
            self._columns = widened(columns_for(self.levels), runs, page.cells)
        self._chosen = widened(self._chosen, runs, page.cells)
        self.virtual_size = Size(0, page.length + 1)
        places = [i for i, line in enumerate(page.lines, offset) if _identity(line) == self._cursor_on]
        if places:
            kept = min(places, key=lambda place: abs(place - self._cursor))
            moved, self._cursor = kept - self._cursor, kept
            if moved and not anew:
                self.scroll_to(y=self.scroll_offset.y + moved, animate=False, immediate=True, force=True)
        else:
            self._cursor = 0 if anew else max(0, min(self._cursor, page.length - 1))
        if anew:
            self._reveal()
        self._adopt(before)
        self.refresh()

    def forget_cursor(self) -> None:
        """Let the cursor be on the first line of what is shown anew, wherever its run stands there."""
        self._cursor_on = None

    def select(self, index: int) -> None:
        """Put the cursor on a line."""
        before = self.current_line
        self._cursor = max(0, min(index, self.length - 1))
        self._cursor_on = None
        self._reveal()
        self._adopt(before)
        self.refresh()

    def action_cursor(self, by: int) -> None:
        self.select(self._cursor + by)

    def action_page(self, by: int) -> None:
        self.select(self._cursor + by * max(1, self._height - 1))

    def action_first(self) -> None:
        self.select(0)

    def action_last(self) -> None:
        self.select(self.length - 1)

    def action_open_or_shift(self) -> None:
        line = self.current_line
        if isinstance(line, GroupRow) and not line.open:
            self.post_message(self.FoldAsked(line.key))
        else:
            self.action_shift(1)

    def action_close_or_shift(self) -> None:
        line = self.current_line
        if isinstance(line, GroupRow) and line.open:
            self.post_message(self.FoldAsked(line.key))
        else:
            self.action_shift(-1)

    def action_shift(self, by: int) -> None:
        """Other columns in sight, where not all of those that were chosen fit."""
        if by > 0 and not self._more_columns:
            return
        self._first_column = max(0, min(self._first_column + by, scrollable(self._chosen) - 1))
        self.refresh()

    def on_resize(self) -> None:
        while (
            self._first_column
            and not windowed(self._chosen, self._first_column - 1, self._room, self._gap)[1]
        ):
            self._first_column -= 1

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) // BLOCK != round(new_value) // BLOCK:
            self.post_message(self.WindowMoved())

    def on_click(self, event: Click) -> None:
        position = event.get_content_offset(self)
        if position is None:
            return
        if position.y == 0:
            x = _PREFIX
            for column, width in self._fitted():
                if x <= position.x < x + width and column.sort:
                    self.post_message(self.SortAsked(column.sort))
                x += width + self._gap
            return
        index = self.scroll_offset.y + position.y - 1
        if index >= self.length:
            return
        self.select(index)
        line = self.current_line
        if isinstance(line, GroupRow):
            self.post_message(self.FoldAsked(line.key))
        elif event.chain == 2:
            self.post_message(self.Opened())

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        base = self.rich_style
        if y == 0:
            return self._header(width)
        index = self.scroll_offset.y + y - 1
        if index >= self.length:
            return Strip.blank(width, base)
        line = self._line(index)
        if index == self._cursor:
            base = base + self.get_component_rich_style("run-table--cursor", partial=True)
        arrow = "▸" if index == self._cursor else " "
        if line is None:
            segments = [Segment(f"{arrow} …", base)]
        elif isinstance(line, GroupRow):
            mark = "◆" if line.run_ids and self._marked.issuperset(line.run_ids) else " "
            style = base + self.get_component_rich_style("run-table--group", partial=True)
            segments = [Segment(f"{arrow}{mark}", base), Segment(group_line(line, self.score), style)]
        else:
            segments = [Segment(f"{arrow}{'◆' if line.id in self._marked else ' '}", base)]
            values = self._cells.get(line.id, _NOTHING)
            for column, cells in self._fitted():
                text = fit(column.cell(line, values), cells, right=column.right)
                segments.append(Segment(text + " " * self._gap, base + self._style(column, line)))
        return Strip(segments).adjust_cell_length(width, base)

    @property
    def _height(self) -> int:
        return max(1, self.scrollable_content_region.height - 1)

    @property
    def _gap(self) -> int:
        return 2 if self.size.width >= 90 else 1

    @property
    def _room(self) -> int:
        return max(10, self.scrollable_content_region.width - _PREFIX)

    @property
    def _more_columns(self) -> bool:
        return bool(self._chosen) and windowed(self._chosen, self._first_column, self._room, self._gap)[1]

    def _fitted(self) -> list[tuple[Column, int]]:
        if self._chosen:
            return windowed(self._chosen, self._first_column, self._room, self._gap)[0]
        return fitted(self._columns, self._room, self._gap)

    def _line(self, index: int) -> Line | None:
        held = index - self.offset_held
        return self._lines[held] if 0 <= held < len(self._lines) else None

    def _adopt(self, before: Line | None) -> None:
        """Remember the line under the cursor, and tell when it is another one, or has changed."""
        line = self.current_line
        if line is not None:
            self._cursor_on = _identity(line)
        if line != before:
            self.post_message(self.Chosen(self.current))

    def _reveal(self) -> None:
        top = self.scroll_offset.y
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, immediate=True, force=True)
        elif self._cursor >= top + self._height:
            self.scroll_to(y=self._cursor - self._height + 1, animate=False, immediate=True, force=True)

    def _style(self, column: Column, run: RunRow) -> Style:
        if column.title == "state":
            return self.get_component_rich_style(f"run-table--{COLOURS[run.status]}", partial=True)
        if column.title in _MUTED:
            return self.get_component_rich_style("run-table--muted", partial=True)
        return Style.null()

    def _header(self, width: int) -> Strip:
        style = self.rich_style + self.get_component_rich_style("run-table--header", partial=True)
        descending, name = self.sort.startswith("-"), self.sort.removeprefix("-")
        text = " ‹" if self._chosen and self._first_column else "  "
        for column, cells in self._fitted():
            arrow = ("▼" if descending else "▲") if column.sort == name else ""
            named = column.title
            if arrow and len(named) >= cells:
                named = named.replace(" ", "")  # `l1mic▼` says more than `l1 m…▼`
            title = fit(named, cells - len(arrow)).rstrip() + arrow
            text += fit(title, cells, right=column.right) + " " * self._gap
        if self._more_columns:
            text = fit(text, width - 1) + "›"
        return Strip([Segment(text, style)]).adjust_cell_length(width, style)


def _identity(line: Line) -> int | str:
    return line.id if isinstance(line, RunRow) else line.key
