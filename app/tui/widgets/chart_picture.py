"""A chart as it is drawn on the screen, as an SVG picture."""

from collections.abc import Mapping

from app.tui import exports
from app.tui.axes import x_ticks, y_ticks
from app.tui.drawing import DOT, Drawing, Line

_WIDTH, _HEIGHT = 100, 20  # cells that the axes of a picture would have


def picture(title: str, drawing: Drawing, unit: str, theme: Mapping[str, str]) -> str:
    """`drawing` in the colours of the theme; `unit` is what the x axis counts."""
    return exports.svg(
        title,
        [(line.points, _colour(line)) for line in drawing.lines if line.dot == DOT],
        x_limits=drawing.x_limits,
        y_limits=drawing.y_limits,
        x_ticks=dict(x_ticks(drawing, _WIDTH)),
        y_ticks=dict(y_ticks(drawing, _HEIGHT)),
        x_name={"relative": "time since the run began", "time": "time"}.get(unit, unit),
        colours={
            "background": theme["background"],
            "foreground": theme["foreground"],
            "muted": theme["panel-lighten-2"],
        },
        glyphs=[(line.points, line.dot, _colour(line)) for line in drawing.lines if line.dot != DOT],
    )


def _colour(line: Line) -> str:
    return line.style.split()[-1]
