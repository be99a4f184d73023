"""How places on the x axis of a chart are written."""

from collections.abc import Callable
from datetime import datetime

from app.tui.curves import Limits
from engine.format import count, duration, number


def axis_label(unit: str, window: Limits) -> Callable[[float], str]:
    """How ticks are written: exactly where they lie close together."""
    span = window[1] - window[0]
    if unit == "relative":
        return duration
    if unit == "time":
        pattern = "%m-%d %H:%M" if span > 86400 else "%H:%M" if span > 600 else "%H:%M:%S"
        return lambda value: _moment(value, pattern)
    if unit == "epoch":
        return lambda value: number(value, 4)
    if span < 1e-3 * max(abs(window[0]), abs(window[1])) * 5:
        return lambda value: f"{value:,.0f}"
    return count


def exact_label(unit: str, x: float) -> str:
    """One place, as exactly as makes sense."""
    if unit == "step":
        return f"{x:,.0f}"
    if unit == "epoch":
        return f"{x:.2f}"
    return duration(x) if unit == "relative" else _moment(x, "%Y-%m-%d %H:%M:%S")


def _moment(seconds: float, pattern: str) -> str:
    try:
        return datetime.fromtimestamp(seconds).astimezone().strftime(pattern)
    except (OverflowError, ValueError, OSError):
        return "-"
