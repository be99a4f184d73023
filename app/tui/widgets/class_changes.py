"""Which classes a run gains and which it loses against the base, with their size as bars."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from app.tui.bindings import bindings
from app.tui.columns import fit
from engine.comparison import ClassChange
from engine.comparison_text import class_title, f1_text, signed
from engine.format import count

ORDERS = ("size", "gains first", "losses first", "videos", "code")
_BAR = 12
_HEAD = 1


class ClassChanges(ScrollView, can_focus=True):
    """Sorted by size; `o` sorts otherwise, `l` shows one level alone."""

    BINDINGS = bindings("changes")
    BINDING_GROUP_TITLE = "Classes"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"changes--gain", "changes--loss", "changes--muted"}

    class Sorted(Message):
        """Another order was chosen."""

    def __init__(self, order: str, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel")
        self.order = order if order in ORDERS else ORDERS[0]
        self._level: int | None = None
        self._changes: tuple[ClassChange, ...] = ()
        self._names: Mapping[str, str] = {}
        self._rows: Sequence[ClassChange] = ()
        self._heading = ""
        self._why = ""

    def on_mount(self) -> None:
        self.border_title = "classes"

    def show(
        self, changes: tuple[ClassChange, ...], names: Mapping[str, str], heading: str, why: str
    ) -> None:
        """Show the changes, of which `heading` tells between whom; without any, `why` there are none."""
        self._changes, self._names, self._heading, self._why = changes, names, heading, why
        self._arrange()

    def action_order(self) -> None:
        """Sort in the next way."""
        self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]
        self.scroll_to(y=0, animate=False, immediate=True, force=True)
        self._arrange()
        self.post_message(self.Sorted())

    def action_level(self) -> None:
        """One level alone, then the next, then all."""
        levels: list[int | None] = [None, *sorted({one.level for one in self._changes})]
        place = levels.index(self._level) if self._level in levels else 0
        self._level = levels[(place + 1) % len(levels)]
        self.scroll_to(y=0, animate=False, immediate=True, force=True)
        self._arrange()

    def action_move(self, by: int) -> None:
        self.scroll_relative(y=by, animate=False, immediate=True, force=True)

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self.scrollable_content_region.height - _HEAD - 1))

    def action_first(self) -> None:
        self.scroll_to(y=0, animate=False, immediate=True, force=True)

    def action_last(self) -> None:
        self.scroll_to(y=len(self._rows), animate=False, immediate=True, force=True)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        base = self.rich_style
        index = self.scroll_offset.y + y - _HEAD
        muted = base + self.get_component_rich_style("changes--muted", partial=True)
        if not self._rows:
            return Strip([Segment(fit(self._why if y == 0 else "", width), muted)])
        if y < _HEAD:
            return Strip(
                [Segment(self._line("class", "base", "f1", "change", "videos", ""), muted)]
            ).adjust_cell_length(width, base)
        if index >= len(self._rows):
            return Strip.blank(width, base)
        one = self._rows[index]
        change = one.change
        style = Style.null()
        glyph, bar = "", ""
        if change:
            style = self.get_component_rich_style(
                f"changes--{'gain' if change > 0 else 'loss'}", partial=True
            )
            glyph = "▲" if change > 0 else "▼"
            largest = max(abs(each.change or 0.0) for each in self._rows)
            bar = ("█" if change > 0 else "▒") * max(1, round(abs(change) / largest * _BAR))
        text = self._line(
            class_title(one.category, self._names),
            f1_text(one.base),
            f1_text(one.other),
            f"{glyph} {signed(change)}".strip(),
            count(one.support),
            bar,
        )
        return Strip([Segment(text, base + style)]).adjust_cell_length(width, base)

    def _line(self, title: str, base: str, other: str, change: str, videos: str, bar: str) -> str:
        width = self.scrollable_content_region.width
        cells = [fit(change, 9, right=True)]
        room = width - 10
        if room >= 34:
            cells = [fit(base, 6, right=True), fit(other, 6, right=True), *cells]
            room -= 14
        if room >= 26:
            cells.append(fit(videos, 6, right=True))
            room -= 7
        if room >= 12 + _BAR:
            cells.append(fit(bar, _BAR))
            room -= _BAR + 1
        return " ".join([fit(title, max(4, room)), *cells])

    def _arrange(self) -> None:
        rows = [one for one in self._changes if self._level is None or one.level == self._level]
        match self.order:
            case "gains first":
                rows.sort(key=lambda one: (one.change is None, -(one.change or 0.0)))
            case "losses first":
                rows.sort(key=lambda one: (one.change is None, one.change or 0.0))
            case "videos":
                rows.sort(key=lambda one: -one.support)
            case "code":
                rows.sort(key=lambda one: one.category)
        self._rows = rows
        self.virtual_size = Size(0, len(rows) + _HEAD if rows else 0)
        self.border_title = Content(f"classes: {self._heading}" if self._heading else "classes")
        self.border_subtitle = Content(self._summary() if rows else "")
        self.refresh()

    def _summary(self) -> str:
        gains = sum(one.change is not None and one.change > 0 for one in self._rows)
        losses = sum(one.change is not None and one.change < 0 for one in self._rows)
        alone = sum(one.change is None for one in self._rows)
        parts = [
            f"▲ {gains} gain",
            f"▼ {losses} lose",
            f"{len(self._rows) - gains - losses - alone} the same",
        ]
        parts += [f"{alone} not in both"] if alone else []
        level = "" if self._level is None else f"level {self._level}, "
        return "  ".join(parts) + f"  by {level}{self.order}"
