"""What the ensemble makes right and wrong against its best member, class by class."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from app.tui.columns import fit
from app.tui.widgets.label import Label
from engine.format import printable, score

if TYPE_CHECKING:
    from engine.agreement import ClassFixes

_NUMBERS = 7 + 7 + 6 + 17  # cells of the columns beside the class


class FixesView(VerticalScroll):
    """What is won most on top and what is lost most at the bottom, or turned round; of one level at a time."""

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel")
        self._fixes: tuple[tuple[ClassFixes, ...], ...] = ()
        self._against = ""
        self._level: int | None = None
        self._breaks_first = False

    def compose(self) -> ComposeResult:
        yield Label("")

    def show(self, fixes: "Sequence[tuple[ClassFixes, ...]]", against: str) -> None:
        """Show the classes of every level, coarsest first, against the member of this name."""
        self._fixes, self._against = tuple(fixes), against
        self._draw()

    def next_level(self) -> None:
        """The classes of the next level; at first they are the finest."""
        if self._fixes:
            self._level = self._chosen % len(self._fixes) + 1
            self._draw()

    def turn(self) -> None:
        """The other end on top."""
        self._breaks_first = not self._breaks_first
        self._draw()
        self.scroll_home(animate=False)

    def on_resize(self) -> None:
        self._draw()

    @property
    def _chosen(self) -> int:
        return min(self._level or len(self._fixes), len(self._fixes))

    def _draw(self) -> None:
        if not self._fixes:
            self.border_title = "fixes and breaks"
            self.query_one(Label).update("")
            return
        rows = self._fixes[self._chosen - 1]
        fixed, broken = sum(row.fixed for row in rows), sum(row.broken for row in rows)
        self.border_title = (
            f"level {self._chosen} against {printable(self._against)}: fixes {fixed:,}, breaks {broken:,}"
        )
        if not rows:
            self.query_one(Label).redraw(Content.styled("every answer is the same", "$foreground-muted"))
            return
        room = max(8, min(28, self.size.width - _NUMBERS - 4))
        head = f"{fit('class', room)}{'videos':>7}{'fixes':>6}{'breaks':>7}{'F1':>17}"
        ordered = rows[::-1] if self._breaks_first else rows
        lines = [Content.styled(head, "$foreground-muted"), *(_line(row, room) for row in ordered)]
        self.query_one(Label).redraw(Content("\n").join(lines))


def _line(row: "ClassFixes", room: int) -> Content:
    name = row.code if row.name == row.code else f"{row.code} {row.name}"
    better = row.net > 0 or (row.net == 0 and row.f1_after >= row.f1_before)
    mark = "▲" if better else "▼"
    return Content.assemble(
        fit(printable(name), room),
        f"{row.videos:>7,}{row.fixed:>6,}{row.broken:>7,} ",
        (
            f"{mark} {score(row.f1_before)}→{score(row.f1_after)}",
            "$text-success" if better else "$text-warning",
        ),
    )
