"""Where the ticks of a chart's axes lie, and what is written there."""

import math
from collections.abc import Iterator
from datetime import datetime

from app.tui.curves import Limits
from app.tui.drawing import Drawing
from engine.format import duration

_NICE = (1.0, 2.0, 5.0)
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_UNITS = ("", "k", "M", "G", "T")
_GAP = 2  # cells between two labels side by side
_MOST = 12  # ticks of an axis
_LINES = 3  # for each tick of the y axis

Ticks = list[tuple[float, str]]  # where, and what is written there


def x_ticks(drawing: Drawing, width: int) -> Ticks:
    """As many ticks as have room for their labels side by side in `width` cells."""
    low, high = drawing.x_limits
    ticks: Ticks = []
    for step in _steps(low, high, drawing.x_unit):
        ticks = [(x, _place(x, step, drawing.x_limits, drawing.x_unit)) for x in _multiples(low, high, step)]
        if len(ticks) * (max((len(label) for _, label in ticks), default=0) + _GAP) <= width:
            break
    return ticks


def y_ticks(drawing: Drawing, height: int) -> Ticks:
    """Ticks about every third of `height` lines, with as many digits as tell them apart."""
    low, high = drawing.y_limits
    most = max(2, min(_MOST, height // _LINES))
    if not drawing.log_y:
        return _linear(low, high, most)
    if high - low < 1 and low > -300 and high < 300:
        return [(math.log10(value), label) for value, label in _linear(10.0**low, 10.0**high, most)]
    return _powers(low, high, most)


def exact_label(unit: str, x: float) -> str:
    """One place on the x axis, as exactly as makes sense."""
    if unit == "step":
        return f"{x:,.0f}"
    if unit == "epoch":
        return f"{x:.2f}"
    return duration(x) if unit == "relative" else _moment(x, "%Y-%m-%d %H:%M:%S")


def _linear(low: float, high: float, most: int) -> Ticks:
    ticks: Ticks = [(low, f"{low:.4g}")]
    for step in _steps(low, high, ""):
        if len(places := _multiples(low, high, step)) < 2:
            break
        ticks = [(y, _value(y, step, max(abs(low), abs(high)))) for y in places]
        if len(ticks) <= most + 1:
            break
    return ticks


def _steps(low: float, high: float, unit: str) -> Iterator[float]:
    """Distances between ticks that people like to read, from the finest that makes sense to one beyond the axis."""
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return
    finest = math.floor(math.log10(span / _MOST))
    tens = [nice * 10.0**power for power in range(finest, finest + 4) for nice in _NICE]
    if unit in ("relative", "time"):
        tens = [*_SECONDS, *(86400 * nice * power for power in (1, 10, 100, 1000) for nice in _NICE)]
    for step in tens:
        if span / step <= _MOST and (unit != "step" or step >= 1):
            yield step


def _multiples(low: float, high: float, step: float) -> list[float]:
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, first + _MOST + 2) if index * step <= high + step * 1e-9]


def _place(x: float, step: float, window: Limits, unit: str) -> str:
    if unit == "relative":
        return duration(x)
    if unit == "time":
        span = window[1] - window[0]
        if step >= 86400:
            return _moment(x, "%m-%d")
        return _moment(x, "%m-%d %H:%M" if span > 86400 else "%H:%M" if step >= 60 else "%H:%M:%S")
    return _value(x, step, max(abs(window[0]), abs(window[1])))


def _value(value: float, step: float, largest: float) -> str:
    if abs(value) < step * 1e-6:
        return "0"
    if not 1e-4 <= largest < 1e15:
        digits = math.floor(math.log10(largest)) - math.floor(math.log10(step) + 1e-9)
        return f"{value:.{min(4, max(0, digits))}e}"
    thousands = math.floor(math.log10(largest) / 3 + 1e-9) if largest >= 1e4 else 0
    scaled = 1000.0**thousands
    decimals = max(0, math.ceil(-math.log10(step / scaled) - 1e-9))
    if thousands and decimals > 3:  # far from zero and close together
        return f"{value:,.{min(9, max(0, decimals - 3 * thousands))}f}"
    return f"{value / scaled:.{min(9, decimals)}f}{_UNITS[thousands]}"


def _powers(low: float, high: float, most: int) -> Ticks:
    """Powers of ten, and where there is room 2 and 5 times them."""
    places: list[float] = []
    if (high - low) * len(_NICE) <= most:
        tens = range(math.floor(low), math.ceil(high) + 1)
        places = [power + math.log10(nice) for power in tens for nice in _NICE]
        return [(place, _power(place)) for place in places if low <= place <= high]
    for every in (1, 2, 3, 5, 10, 20, 50, 100, 200):
        fewer = [float(power) for power in range(math.ceil(low / every) * every, math.floor(high) + 1, every)]
        if len(fewer) < 2 and places:
            break
        places = fewer
        if len(places) <= most + 1:
            break
    return [(place, _power(place)) for place in places]


def _power(exponent: float) -> str:
    if not -4 <= exponent < 15:
        return f"1e{exponent:.0f}" if exponent % 1 < 1e-9 else f"{10.0**exponent:.0e}"
    thousands = math.floor(exponent / 3 + 1e-9) if exponent >= 4 else 0
    return f"{10.0 ** (exponent - 3 * thousands):.4g}{_UNITS[thousands]}"


def _moment(seconds: float, pattern: str) -> str:
    try:
        return datetime.fromtimestamp(seconds).astimezone().strftime(pattern)
    except (OverflowError, ValueError, OSError):
        return "-"
