"""The table of runs: draws the lines in sight from a window of rows, whatever the number of runs in the store."""

from collections.abc import Iterable, Sequence

from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message

from app.tui.bindings import bindings
from app.tui.columns import Column, columns_for, scrollable, widened, windowed
from app.tui.row_places import lowest_top
from app.tui.widgets.run_table_lines import PREFIX, RunTableLines
from engine.store.table_views import GroupRow, Line, TablePage
from engine.store.views import RunRow

BLOCK = 100


class RunTable(RunTableLines):
    """Holds one window of rows around what is in sight; the cursor stays on its run when others come or go.

    A run that failed or crashed has its error in a second line. What is scrolled is rows, not lines: so the rows out
    of sight, which are not held, need not be known.
    """

    BINDINGS = bindings("table")

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
        super().__init__(widget_id=widget_id)
        self.matching = 0
        self._cursor_on: int | str | None = None

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
        marked = frozenset(run_ids)
        if marked != self._marked:
            self._marked = marked
            self.refresh()

    def show(self, page: TablePage, offset: int, *, anew: bool) -> None:
        """Hold the lines of `page`, which begin at `offset`; `anew` after another filter, order or grouping."""
        before = self.current_line
        in_sight = any(place.row == self._cursor for place in self._in_sight())
        self.matching, self.length = page.matching, page.length
        self.offset_held, self._lines, self._cells, self.score = offset, page.lines, page.cells, page.score
        runs = [line for line in page.lines if isinstance(line, RunRow)]
        if runs:
            self.levels = max(len(run.levels) for run in runs) or 2
            self._columns = widened(columns_for(self.levels), runs, page.cells)
        self._chosen = widened(self._chosen, runs, page.cells)
        self._measure()
        same = [i for i, line in enumerate(page.lines, offset) if _identity(line) == self._cursor_on]
        if same:
            kept = min(same, key=lambda place: abs(place - self._cursor))
            moved, self._cursor = kept - self._cursor, kept
            if moved and not anew:
                self.scroll_to(y=self.scroll_offset.y + moved, animate=False, immediate=True, force=True)
        else:
            self._cursor = 0 if anew else max(0, min(self._cursor, page.length - 1))
        if anew or in_sight:
            self._reveal()
        self._adopt(before)
        self.refresh()

    def forget_cursor(self) -> None:
        """Let the cursor be on the first line of what is shown anew, wherever its run stands there."""
        self._cursor_on = None

    def select(self, index: int) -> None:
        """Put the cursor on a line."""
        before, left, top = self.current_line, self._cursor, self.scroll_offset.y
        self._cursor = max(0, min(index, self.length - 1))
        self._cursor_on = None
        self._reveal()
        self._adopt(before)
        if self.scroll_offset.y != top:
            self.refresh()
            return
        for y, place in enumerate(self._in_sight(), 1):
            if place.row in (left, self._cursor):
                self.refresh(Region(0, y, self.size.width, 1))

    def action_cursor(self, by: int) -> None:
        self.select(self._cursor + by)

    def action_page(self, by: int) -> None:
        rows = len({place.row for place in self._in_sight()})
        self.select(self._cursor + by * max(1, rows - 1))

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
        self._measure()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) // BLOCK != round(new_value) // BLOCK:
            self.post_message(self.WindowMoved())

    def on_click(self, event: Click) -> None:
        position = event.get_content_offset(self)
        if position is None:
            return
        if position.y == 0:
            x = PREFIX
            for column, width in self._fitted():
                if x <= position.x < x + width and column.sort:
                    self.post_message(self.SortAsked(column.sort))
                x += width + self._gap
            return
        in_sight = self._in_sight()
        if position.y > len(in_sight):
            return
        self.select(in_sight[position.y - 1].row)
        line = self.current_line
        if isinstance(line, GroupRow):
            self.post_message(self.FoldAsked(line.key))
        elif event.chain == 2:
            self.post_message(self.Opened())

    def _adopt(self, before: Line | None) -> None:
        """Remember the line under the cursor, and tell when it is another one, or has changed."""
        line = self.current_line
        if line is not None:
            self._cursor_on = _identity(line)
        if line != before:
            self.post_message(self.Chosen(self.current))

    def _measure(self) -> None:
        """So far one can scroll: until all of the last row is in sight."""
        last = lowest_top(self.length - 1, self._height, self._tall)
        self.virtual_size = Size(0, max(self.length, last + self._height if last else 0) + 1)

    def _reveal(self) -> None:
        top = min(self._cursor, self.scroll_offset.y)
        top = max(top, lowest_top(self._cursor, self._height, self._tall))
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, immediate=True, force=True)


def _identity(line: Line) -> int | str:
    return line.id if isinstance(line, RunRow) else line.key
