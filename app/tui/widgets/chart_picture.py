"""A chart as it is drawn on the screen, as an SVG picture."""

from collections.abc import Mapping

from app.tui import exports
from app.tui.widgets.plot import DOT, Drawing, Line, x_ticks, y_ticks

_LABEL_ROOM = 100  # cells that the x axis of a picture would be wide


def picture(title: str, drawing: Drawing, unit: str, theme: Mapping[str, str]) -> str:
    """`drawing` in the colours of the theme; `unit` is what the x axis counts."""
    across, up = x_ticks(drawing, lambda: _LABEL_ROOM), y_ticks(drawing)
    xs, ys = across.get_ticks(*drawing.x_limits), up.get_ticks(*drawing.y_limits)
    return exports.svg(
        title,
        [(line.points, _colour(line)) for line in drawing.lines if line.dot == DOT],
        x_limits=drawing.x_limits,
        y_limits=drawing.y_limits,
        x_ticks=dict(zip(xs, across.get_labels_for_ticks(xs), strict=True)),
        y_ticks=dict(zip(ys, up.get_labels_for_ticks(ys), strict=True)),
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
