"""How the table of runs is painted: the lines in sight, a second one under what failed, the columns that fit."""

from collections.abc import Mapping
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.scroll_view import ScrollView
from textual.strip import Strip

from app.tui.columns import Column, columns_for, fit, fitted, windowed
from app.tui.group_line import group_line
from app.tui.row_places import Place, places
from app.tui.states import COLOURS
from engine.format import printable
from engine.store.table_views import GroupRow, Line, Value
from engine.store.views import RunRow, Status

_NOTHING: Mapping[str, Value] = {}
PREFIX = 2
_SECOND_LINE = "     └ "
_WAY_OUT = "  (enter: the end of its log)"
_MUTED = ("stage", "took", "created", "started", "ended", "tags", "notes")


class RunTableLines(ScrollView, can_focus=True):
    """Paints a window of rows; what they are, and where the cursor is, it is told by the table."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "run-table--header",
        "run-table--cursor",
        "run-table--muted",
        "run-table--group",
        *(f"run-table--{name}" for name in COLOURS.values()),
    }

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel")
        self.sort = "-created"
        self.length = 0
        self.levels = 2
        self.offset_held = 0
        self.score = ""
        self._marked: frozenset[int] = frozenset()
        self._lines: tuple[Line, ...] = ()
        self._cells: Mapping[int, Mapping[str, Value]] = {}
        self._cursor = 0
        self._columns = columns_for(self.levels)
        self._chosen: tuple[Column, ...] = ()
        self._first_column = 0
        self._fit: list[tuple[Column, int]] | None = None  # while lines are painted
        self._places: list[Place] | None = None

    def render_lines(self, crop: Region) -> list[Strip]:
        self._fit, self._places = self._fitted(), self._in_sight()
        try:
            return super().render_lines(crop)
        finally:
            self._fit = self._places = None

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        base = self.rich_style
        if y == 0:
            return self._header(width, base)
        in_sight = self._in_sight()
        if y > len(in_sight):
            return Strip.blank(width, base)
        index, second = in_sight[y - 1]
        if index == self._cursor:
            base = base + self.get_component_rich_style("run-table--cursor", partial=True)
        segments = self._second(index, width, base) if second else self._segments(index, base)
        return Strip(segments).adjust_cell_length(width, base)

    def _segments(self, index: int, base: Style) -> list[Segment]:
        line = self._line(index)
        arrow = "▸" if index == self._cursor else " "
        if line is None:
            return [Segment(f"{arrow} …", base)]
        if isinstance(line, GroupRow):
            mark = "◆" if line.run_ids and self._marked.issuperset(line.run_ids) else " "
            style = base + self.get_component_rich_style("run-table--group", partial=True)
            return [Segment(f"{arrow}{mark}", base), Segment(group_line(line, self.score), style)]
        segments = [Segment(f"{arrow}{'◆' if line.id in self._marked else ' '}", base)]
        values = self._cells.get(line.id, _NOTHING)
        blanks = " " * self._gap
        for column, cells in self._fitted():
            text = fit(column.cell(line, values), cells, right=column.right)
            segments.append(Segment(text + blanks, base + self._style(column, line)))
        return segments

    def _second(self, index: int, width: int, base: Style) -> list[Segment]:
        """Why a run failed, and where there is room, where more of it is."""
        line = self._line(index)
        error = (line.error if isinstance(line, RunRow) else None) or "no reason is known"
        text = _SECOND_LINE + printable(error.partition("\n")[0])
        muted = base + self.get_component_rich_style("run-table--muted", partial=True)
        style = base + self.get_component_rich_style(f"run-table--{COLOURS[Status.FAILED]}", partial=True)
        segments = [Segment(fit(text, min(width, cell_len(text))), style)]
        if cell_len(text) + len(_WAY_OUT) <= width:
            segments.append(Segment(_WAY_OUT, muted))
        return segments

    @property
    def _height(self) -> int:
        return max(1, self.scrollable_content_region.height - 1)

    @property
    def _gap(self) -> int:
        return 2 if self.size.width >= 90 else 1

    @property
    def _room(self) -> int:
        return max(10, self.scrollable_content_region.width - PREFIX)

    @property
    def _more_columns(self) -> bool:
        return bool(self._chosen) and windowed(self._chosen, self._first_column, self._room, self._gap)[1]

    def _fitted(self) -> list[tuple[Column, int]]:
        if self._fit is not None:
            return self._fit
        if self._chosen:
            return windowed(self._chosen, self._first_column, self._room, self._gap)[0]
        return fitted(self._columns, self._room, self._gap)

    def _line(self, index: int) -> Line | None:
        held = index - self.offset_held
        return self._lines[held] if 0 <= held < len(self._lines) else None

    def _in_sight(self) -> list[Place]:
        if self._places is not None:
            return self._places
        return places(self.scroll_offset.y, self._height, self.length, self._tall)

    def _tall(self, index: int) -> bool:
        line = self._line(index)
        return isinstance(line, RunRow) and line.status in (Status.FAILED, Status.CRASHED)

    def _style(self, column: Column, run: RunRow) -> Style:
        if column.title == "state":
            return self.get_component_rich_style(f"run-table--{COLOURS[run.status]}", partial=True)
        if column.title in _MUTED:
            return self.get_component_rich_style("run-table--muted", partial=True)
        return Style.null()

    def _header(self, width: int, base: Style) -> Strip:
        style = base + self.get_component_rich_style("run-table--header", partial=True)
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
