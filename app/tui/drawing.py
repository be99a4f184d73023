"""What a chart shows, before it is a picture of any size: lines, limits and the crosshair."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.tui.curves import XY, Limits

DOT = "•"  # a point alone


@dataclass(frozen=True, slots=True)
class Line:
    """A line in a Rich style; `marker` is drawn where braille cannot be, `dot` for a point alone where it can."""

    points: tuple[XY, ...]
    style: str
    marker: str = "*"
    dot: str = DOT


@dataclass(frozen=True, slots=True)
class Drawing:
    """All of a plot. `x_unit` is one of `curves.AXES`; with `log_y` the values are powers of ten."""

    lines: tuple[Line, ...] = ()
    x_limits: Limits = (0.0, 1.0)
    y_limits: Limits = (0.0, 1.0)
    x_unit: str = "step"
    log_y: bool = False
    cursor: float | None = None
    cursor_style: str = "default"


def unbroken(points: Sequence[XY]) -> list[list[tuple[float, float]]]:
    """The parts of a line between its gaps."""
    parts: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is not None:
            parts[-1].append((x, y))
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]
