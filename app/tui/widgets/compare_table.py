"""Runs as columns: scores, settings, inputs and environment as lines; draws the lines in sight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from app.tui.bindings import bindings
from app.tui.columns import fit
from app.tui.run_marks import RunMark, rich_colour
from app.tui.states import GLYPHS, state_word
from engine.comparison import Comparison
from engine.comparison_text import BEST, Line, column_title, sections, signed

_NARROWEST, _WIDEST, _WITH_CHANGE, _WITH_WORD = 11, 34, 24, 13
_GAP = 1
_HEAD = 2


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of values, or a heading."""

    heading: str = ""
    line: Line | None = None


class CompareTable(ScrollView, can_focus=True):
    """The base stays in sight; where there are more runs than columns the others move past beside it."""

    BINDINGS = bindings("compare-table")
    BINDING_GROUP_TITLE = "Table"
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "compare-table--heading",
        "compare-table--cursor",
        "compare-table--muted",
        "compare-table--best",
    }

    class Chosen(Message):
        """The cursor is on another run."""

        def __init__(self, run_id: int) -> None:
            super().__init__()
            self.run_id = run_id

    class Opened(Message):
        """A run was double-clicked."""

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel")
        self._comparison = Comparison(())
        self._marks: Mapping[int, RunMark] = {}
        self._rows: list[_Row] = []
        self._base = 0
        self._current = 0
        self._cursor = 1
        self._first = 0

    def show(
        self,
        comparison: Comparison,
        marks: Mapping[int, RunMark],
        base: int,
        current: int,
        *,
        everything: bool,
    ) -> None:
        """Show the runs; `base` is the one the others are measured against, `current` the one under the cursor."""
        self._comparison, self._marks = comparison, marks
        self._base, self._current = base, current
        before = self._line(self._cursor)
        self._rows = []
        for section in sections(comparison, everything=everything):
            self._rows.append(_Row(section.heading))
            self._rows += [_Row(line=line) for line in section.lines]
        kept = [
            index
            for index, row in enumerate(self._rows)
            if before and row.line and row.line.key == before.key
        ]
        self._cursor = kept[0] if kept else max(0, min(self._cursor, len(self._rows) - 1))
        self.virtual_size = Size(0, len(self._rows) + _HEAD)
        self._tell()
        self.refresh()

    def action_cursor(self, by: int) -> None:
        self._select(self._cursor + by)

    def action_page(self, by: int) -> None:
        self._select(self._cursor + by * max(1, self._lines - 1))

    def action_first(self) -> None:
        self._select(0)

    def action_last(self) -> None:
        self._select(len(self._rows) - 1)

    def action_run(self, by: int) -> None:
        """To the run beside."""
        ids = [one.run.id for one in self._comparison.runs]
        if self._current in ids:
            self._choose(ids[max(0, min(len(ids) - 1, ids.index(self._current) + by))])

    def on_click(self, event: Click) -> None:
        position = event.get_content_offset(self)
        if position is None:
            return
        x = self._key_cells + _GAP
        for run_id in self._in_sight():
            if x <= position.x < x + self._run_cells + _GAP:
                self._choose(run_id)
                if position.y < _HEAD and event.chain == 2:
                    self.post_message(self.Opened())
            x += self._run_cells + _GAP
        if position.y >= _HEAD:
            self._select(self.scroll_offset.y + position.y - _HEAD)

    def on_resize(self) -> None:
        self._tell()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        base = self.rich_style
        index = self.scroll_offset.y + y - _HEAD
        if y < _HEAD:
            return self._header(y).adjust_cell_length(width, base)
        if index >= len(self._rows):
            return Strip.blank(width, base)
        row = self._rows[index]
        chosen = index == self._cursor
        if chosen:
            base = base + self.get_component_rich_style("compare-table--cursor", partial=True)
        if row.line is None:
            style = base + self.get_component_rich_style("compare-table--heading", partial=True)
            glyph_alone = row.heading == "scores" and self._run_cells < _WITH_WORD
            return Strip([Segment(fit(f"scores  {BEST}" if glyph_alone else row.heading, width), style)])
        mark = "▸" if chosen else " "
        segments = [Segment(f"{mark}{fit(row.line.key, self._key_cells - 1)} ", base)]
        for run_id in self._in_sight():
            text = fit(self._cell(row.line, run_id), self._run_cells)
            segments.append(Segment(text + " " * _GAP, base + self._style(row.line, run_id)))
        return Strip(segments).adjust_cell_length(width, base)

    def _header(self, y: int) -> Strip:
        segments = [Segment(" " * (self._key_cells + _GAP), self.rich_style)]
        for run_id in self._in_sight():
            one = self._comparison.run(run_id)
            if one is None:
                continue
            if y == 0:
                mark = self._marks[run_id]
                style = Style(color=rich_colour(self.app.theme_variables, mark.colour), bold=True)
                style += Style(reverse=run_id == self._current)
                text = f"{mark.glyph} {column_title(self._comparison, run_id)}"
            else:
                style = self.get_component_rich_style("compare-table--muted", partial=True)
                text = f"{GLYPHS[one.run.status]} {state_word(one.run)}"
                text = f"base  {text}" if run_id == self._base else text
            style = self.rich_style + style
            segments += [Segment(fit(text, self._run_cells), style), Segment(" " * _GAP, self.rich_style)]
        return Strip(segments)

    def _cell(self, line: Line, run_id: int) -> str:
        text = line.cells.get(run_id, "")
        if line.values and text and run_id != self._base and self._run_cells >= _WITH_CHANGE:
            base, own = line.values.get(self._base), line.values[run_id]
            text = f"{text} {signed(own - base) if base is not None else '':7}"
        if run_id in line.best:
            text = f"{text} {BEST if len(text) + len(BEST) < self._run_cells else BEST[0]}"
        return text

    def _style(self, line: Line, run_id: int) -> Style:
        if run_id in line.best:
            return self.get_component_rich_style("compare-table--best", partial=True)
        alike = run_id != self._base and line.cells.get(run_id, "") == line.cells.get(self._base, "")
        return self.get_component_rich_style("compare-table--muted", partial=True) if alike else Style.null()

    @property
    def _lines(self) -> int:
        return max(1, self.scrollable_content_region.height - _HEAD)

    @property
    def _key_cells(self) -> int:
        longest = max((len(row.line.key) for row in self._rows if row.line is not None), default=10)
        return min(longest + 1, max(12, self.scrollable_content_region.width * 3 // 10))

    @property
    def _room(self) -> int:
        return max(1, self.scrollable_content_region.width - self._key_cells - _GAP)

    @property
    def _number(self) -> int:
        """How many runs stand beside each other."""
        return max(1, min(len(self._comparison.runs), self._room // (_NARROWEST + _GAP)))

    @property
    def _run_cells(self) -> int:
        return max(1, min(self._room // self._number - _GAP, _WIDEST))

    def _in_sight(self) -> Sequence[int]:
        ids = [one.run.id for one in self._comparison.runs]
        number = self._number
        if len(ids) <= number or self._base not in ids:
            return ids[:number]
        if number == 1:
            return [self._current]
        others = [run_id for run_id in ids if run_id != self._base]
        if self._current in others:
            place = others.index(self._current)
            self._first = max(place - number + 2, min(self._first, place))
        self._first = max(0, min(self._first, len(others) - number + 1))
        return [self._base, *others[self._first : self._first + number - 1]]

    def _line(self, index: int) -> Line | None:
        return self._rows[index].line if 0 <= index < len(self._rows) else None

    def _select(self, index: int) -> None:
        self._cursor = max(0, min(index, len(self._rows) - 1))
        top = self.scroll_offset.y
        if self._cursor < top + (self._cursor > 0):
            self.scroll_to(y=max(0, self._cursor - 1), animate=False, immediate=True, force=True)
        elif self._cursor >= top + self._lines:
            self.scroll_to(y=self._cursor - self._lines + 1, animate=False, immediate=True, force=True)
        self._tell()
        self.refresh()

    def _choose(self, run_id: int) -> None:
        if run_id != self._current:
            self._current = run_id
            self._tell()
            self.refresh()
            self.post_message(self.Chosen(run_id))

    def _tell(self) -> None:
        """Below: the value under the cursor in full, and how many runs are out of sight."""
        line = self._line(self._cursor)
        hidden = len(self._comparison.runs) - len(self._in_sight())
        parts = [f"{line.key}: {line.cells.get(self._current, '-')}"] if line is not None else []
        parts += [f"{hidden} more run{'s' if hidden > 1 else ''} ← →"] if hidden > 0 else []
        self.border_subtitle = Content("   ".join(parts))
