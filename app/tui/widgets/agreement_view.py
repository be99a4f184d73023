"""Members against members: how often they answer the same, and how alike their errors are."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from app.tui.columns import fit
from app.tui.widgets.label import Label
from engine.format import printable

if TYPE_CHECKING:
    from engine.ensemble.weighing import Gathered

MEASURES = {
    "same answers": "share of the videos",
    "kappa": "the same beyond chance",
    "errors": "correlation of being wrong: the lower, the more to gain",
}
_CELLS = 6
_ALIKE = 0.9  # from here on two members are nearly one


class AgreementView(VerticalScroll):
    """A matrix; pairs that hardly differ are marked, as averaging them brings little."""

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel")
        self._gathered: Gathered | None = None
        self.measure = next(iter(MEASURES))

    def compose(self) -> ComposeResult:
        yield Label("")

    def show(self, gathered: "Gathered") -> None:
        """Show how alike the members are."""
        self._gathered = gathered
        self._draw()

    def next_measure(self) -> None:
        """By the next measure."""
        names = list(MEASURES)
        self.measure = names[(names.index(self.measure) + 1) % len(names)]
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        self.border_title = f"agreement: {self.measure}"
        gathered = self._gathered
        if gathered is None or gathered.data is None:
            return
        if len(gathered.members) < 2:
            self.query_one(Label).update(
                Content.styled("two members can agree, one cannot", "$foreground-muted")
            )
            return
        alike = gathered.agreement
        values = {"same answers": alike.same_MM, "kappa": alike.kappa_MM, "errors": alike.errors_MM}[
            self.measure
        ]
        names = [member.name for member in gathered.members]
        self.query_one(Label).update(_matrix(names, values.tolist(), MEASURES[self.measure], self.size.width))


def _matrix(names: Sequence[str], values: Sequence[Sequence[float]], meaning: str, width: int) -> Content:
    numbers = [str(number) for number in range(1, len(names) + 1)]
    room = max(6, min(20, width - 8 - _CELLS * len(names)))
    lines = [
        Content.styled(
            " " * (room + 4) + "".join(f"{number:>{_CELLS}}" for number in numbers), "$foreground-muted"
        )
    ]
    marked = False
    for row, name in enumerate(names):
        parts: list[str | tuple[str, str]] = [
            (f"{numbers[row]:>3} ", "$foreground-muted"),
            fit(printable(name), room),
        ]
        for column, value in enumerate(values[row]):
            if row == column:
                parts.append((f"{'·':>{_CELLS}}", "$foreground-muted"))
            elif value != value:
                parts.append((f"{'-':>{_CELLS}}", "$foreground-muted"))
            else:
                near = value >= _ALIKE
                marked = marked or near
                text = f"{'!' if near else ''}{value:.2f}"
                parts.append((f"{text:>{_CELLS}}", "$text-warning" if near else ""))
        lines.append(Content.assemble(*parts))
    note = f"{meaning}; ! nearly the same: one of the two brings little" if marked else meaning
    lines.append(Content.styled(note, "$foreground-muted"))
    return Content("\n").join(lines)
