"""How an ensemble's members are drawn: a line each, with the weight as a bar, in the width that there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.content import Content

from app.tui.columns import fit
from engine.ensemble.text import shown_name
from engine.format import printable, score

if TYPE_CHECKING:
    from engine.ensemble.weighing import Gathered, Weighed

Levels = tuple[tuple[float, float], ...]
_FULL = "█"
_LEAST_NAME, _MOST_NAME = 10, 32
_LEAST_BAR, _MOST_BAR = 10, 30
_SCORES = 7  # cells of a score and the blank before it


@dataclass(frozen=True, slots=True)
class MemberLine:
    """A member. `levels` are (micro F1, macro F1); `left_out` is by how much the score changes without it."""

    name: str
    weight: float
    f1_mean: float | None = None
    levels: Levels = ()
    left_out: float | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a line's parts are; `scale` is the weight of a full bar."""

    name: int
    bar: int
    levels: int
    scale: float

    @property
    def bar_start(self) -> int:
        """The first cell inside the bar's edges."""
        return 2 + self.name + 2

    def weight_at(self, x: int) -> float | None:
        """The weight that a cell of the line stands for, in steps of 0.05; None where it is not of the bar."""
        cell = x - self.bar_start
        if not -1 <= cell <= self.bar:
            return None
        share = min(1.0, max(0.0, (cell + 1) / self.bar))
        return round(share * self.scale * 20) / 20


def layout(width: int, lines: Sequence[MemberLine]) -> Layout:
    """For lines of `width` cells: columns of levels leave first, then the bar shrinks, then names do."""
    levels = max((len(line.levels) for line in lines), default=0)
    scale = max([1.0, *(line.weight for line in lines)])
    longest = max((Content(shown(line.name)).cell_length for line in lines), default=0)
    name = max(_LEAST_NAME, min(_MOST_NAME, longest))
    fixed = 2 + 1 + 2 + 1 + 5 + 1 + _SCORES + 1 + 8
    while levels and width - fixed - levels * 2 * _SCORES < name + _LEAST_BAR:
        levels -= 1
    room = width - fixed - levels * 2 * _SCORES
    name = max(_LEAST_NAME, min(name, room - _LEAST_BAR))
    bar = max(_LEAST_BAR, min(_MOST_BAR, room - name))
    return Layout(name, bar, levels, scale)


def head(shape: Layout) -> Content:
    """The titles of the columns."""
    text = f"  {fit('member', shape.name)} {fit('weight', shape.bar + 2)} {'':5} {'alone':>{_SCORES}} {'left out':>8}"
    text += "".join(
        f"{f'l{level} {kind}':>{_SCORES}}" for level in range(1, shape.levels + 1) for kind in _KINDS
    )
    return Content.styled(text, "$foreground-muted")


_KINDS = ("mic", "mac")


def member_line(line: MemberLine, shape: Layout) -> Content:
    """One member; one without weight has an empty circle."""
    active = line.weight > 0
    left_out = "-" if line.left_out is None else f"{line.left_out:+.4f}"
    scores = "".join(f"{score(value):>{_SCORES}}" for pair in line.levels[: shape.levels] for value in pair)
    return Content.assemble(
        ("● " if active else "○ ", "$text-accent" if active else "$foreground-muted"),
        (fit(shown(line.name), shape.name), "" if active else "$foreground-muted"),
        " ",
        *bar(line.weight, shape),
        f" {weight_text(line.weight):>5} {score(line.f1_mean):>{_SCORES}} ",
        (f"{left_out:>8}", _change_colour(line.left_out)),
        (scores, "$foreground-muted"),
    )


def bar(weight: float, shape: Layout) -> tuple[str | tuple[str, str], ...]:
    """The bar between its edges; any weight above 0 fills a cell."""
    cells = round(min(1.0, weight / shape.scale) * shape.bar)
    cells = max(1, cells) if weight > 0 else 0
    return "▕", (_FULL * cells, "$accent"), " " * (shape.bar - cells), "▏"


def weight_text(weight: float) -> str:
    """A weight with two decimals, fewer where it is large; 0 is 0."""
    if not weight:
        return "0"
    return f"{weight:.2f}" if weight < 100 else f"{weight:.0f}"


def shown(name: str) -> str:
    """A name, safe to show."""
    return printable(name)


def levels_text(levels: Levels) -> str:
    """`l1 .845/.812  l2 .683/.589`: micro and macro F1 of each level."""
    return "  ".join(
        f"l{number} {_short(micro)}/{_short(macro)}" for number, (micro, macro) in enumerate(levels, 1)
    )


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _change_colour(left_out: float | None) -> str:
    """A member without which the score falls is good."""
    if left_out is None or not left_out:
        return "$foreground-muted"
    return "$text-success" if left_out < 0 else "$text-warning"


def lines_of_report(report: dict[str, Any]) -> tuple[MemberLine, ...]:
    """The members of a run's report."""
    whole = report.get("in_sample", 0.0)
    return tuple(
        MemberLine(
            shown_name(one),
            float(one["weight"]),
            one.get("f1_mean"),
            tuple((float(micro), float(macro)) for micro, macro in one.get("levels", ())),
            None if one.get("without") is None or not one["weight"] else one["without"] - whole,
        )
        for one in report["members"]
    )


def lines_of_members(
    gathered: "Gathered", weights: Sequence[float], weighed: "Weighed | None"
) -> tuple[MemberLine, ...]:
    """Members that are being weighed; what leaving one out does is not known before they were scored."""
    without: Sequence[float | None] = weighed.without if weighed is not None else [None] * len(weights)
    whole = weighed.scores.f1_mean if weighed is not None else 0.0
    return tuple(
        MemberLine(
            f"{member.name} ({len(member.runs)} folds)" if len(member.runs) > 1 else member.name,
            weight,
            alone.f1_mean,
            tuple((level.f1_micro, level.f1_macro) for level in alone.levels),
            None if other is None or not weight else other - whole,
        )
        for member, weight, alone, other in zip(
            gathered.members, weights, gathered.alone, without, strict=True
        )
    )
