"""What the ensemble makes right and wrong against its best member, class by class."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from app.tui.columns import fit
from engine.format import printable, score

if TYPE_CHECKING:
    from engine.ensemble.agreement import ClassFixes

_NUMBERS = 7 + 6 + 7 + 17  # cells of the columns beside the class


class FixesView(ScrollView, can_focus=True):
    """What is won most on top and what is lost most at the bottom, or turned round; of one level at a time.

    Only the lines in sight are drawn: there may be hundreds, and they change with every key.
    """

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel")
        self._fixes: tuple[tuple[ClassFixes, ...], ...] = ()
        self._against = ""
        self._level: int | None = None
        self._breaks_first = False

    def on_mount(self) -> None:
        self._arrange()

    def show(self, fixes: "Sequence[tuple[ClassFixes, ...]]", against: str) -> None:
        """Show the classes of every level, coarsest first, against the member of this name."""
        self._fixes, self._against = tuple(fixes), against
        self._arrange()

    def next_level(self) -> None:
        """The classes of the next level; at first they are the finest."""
        if self._fixes:
            self._level = self._chosen % len(self._fixes) + 1
            self._arrange()

    def turn(self) -> None:
        """The other end on top."""
        self._breaks_first = not self._breaks_first
        self._arrange()
        self.scroll_home(animate=False)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        strips = Visual.to_strips(
            self, self.line(self.scroll_offset.y + y if y else 0), width, 1, self.visual_style
        )
        return strips[0] if strips else Strip.blank(width)

    def line(self, number: int) -> Content:
        """A line of the whole table; line 0, the titles, is always in sight."""
        rows = self._rows
        room = max(8, min(28, self.size.width - _NUMBERS - 2))
        if not rows:
            empty = "every answer is the same" if self._fixes else ""
            return Content.styled(empty if number == 0 else "", "$foreground-muted")
        if number == 0:
            titles = f"{fit('class', room)}{'videos':>7}{'fixes':>6}{'breaks':>7}{'F1':>17}"
            return Content.styled(titles, "$foreground-muted")
        if number > len(rows):
            return Content("")
        return _line(rows[-number] if self._breaks_first else rows[number - 1], room)

    @property
    def _chosen(self) -> int:
        return min(self._level or len(self._fixes), len(self._fixes))

    @property
    def _rows(self) -> "tuple[ClassFixes, ...]":
        return self._fixes[self._chosen - 1] if self._fixes else ()

    def _arrange(self) -> None:
        rows = self._rows
        title = "fixes and breaks"
        if self._fixes:
            fixed, broken = sum(row.fixed for row in rows), sum(row.broken for row in rows)
            against = printable(self._against)
            title = f"level {self._chosen} against {against}: fixes {fixed:,}, breaks {broken:,}"
        self.border_title = title
        self.virtual_size = Size(0, len(rows) + 1)
        self.refresh()


def _line(row: "ClassFixes", room: int) -> Content:
    name = row.code if row.name == row.code else f"{row.code} {row.name}"
    change = row.f1_after - row.f1_before
    mark, colour = (
        ("▲", "$text-success") if change > 0 else ("▼", "$text-warning") if change < 0 else (" ", "")
    )
    return Content.assemble(
        fit(printable(name), room),
        f"{row.videos:>7,}{row.fixed:>6,}{row.broken:>7,} ",
        (f"{mark} {score(row.f1_before)}→{score(row.f1_after)}", colour),
    )
