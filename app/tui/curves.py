"""What a chart draws of a series: coordinates on the chosen axis, smoothing, limits, the point under the crosshair."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.store.views import SeriesPoint

AXES = ("step", "epoch", "relative", "time")
SMOOTHINGS = (0.0, 0.6, 0.9, 0.97, 0.99)
LARGEST = 1e300  # beyond this the arithmetic of an axis would overflow; drawn at the edge
_SMOOTHED_PART = 0.01  # of the axis in sight: what a smoothing of 0.9 lets fade to 0.9

XY = tuple[float, float | None]
Limits = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Look:
    """How a person looks at a chart; `window` is the part of the x axis in sight, in its units, None for all of it."""

    log_y: bool = False
    smoothing: float = 0.0
    axis: str = "step"
    window: Limits | None = None

    def with_axis(self, axis: str) -> "Look":
        """On another x axis, from which all is in sight: a window has no meaning there."""
        return replace(self, axis=axis, window=None)


@dataclass(frozen=True, slots=True)
class Clock:
    """What else a step is: `origin` is the moment in seconds at which the run began; None where it is not known."""

    origin: float | None = None
    epochs_per_step: float | None = None

    def unit(self, axis: str, *, over_time: bool) -> str:
        """The unit of the x axis that is really drawn: a series over time has no steps, a run perhaps no epochs."""
        if over_time and axis in ("step", "epoch"):
            return "relative"
        return "step" if axis == "epoch" and self.epochs_per_step is None else axis

    def x(self, point: SeriesPoint, unit: str) -> float:
        """Where `point` lies."""
        if unit == "time":
            return point.time
        if unit == "relative":
            return point.time - (self.origin or 0.0)
        return float(point.step) * (self.epochs_per_step or 1.0 if unit == "epoch" else 1.0)


def coordinates(points: Sequence[SeriesPoint], clock: Clock, unit: str) -> list[XY]:
    """In order; a bucket is its lowest, its highest and its mean value, so that a spike stays; a gap is None."""
    drawn: list[XY] = []
    for point in points:
        x = clock.x(point, unit)
        values = [point.value] if point.count == 1 else [point.min, point.max, point.value]
        known = [
            min(max(value, -LARGEST), LARGEST) for value in values if value is not None and _finite(value)
        ]
        drawn += [(x, value) for value in known] or [(x, None)]
    return drawn


def smoothed(points: Sequence[SeriesPoint], clock: Clock, unit: str, weight: float, span: float) -> list[XY]:
    """The exponential mean of the values: of what lies a hundredth of `span` back, `weight` is kept.

    Measured along the axis and not in points, so that it looks the same however many points are drawn.
    """
    line: list[XY] = []
    total = norm = 0.0
    before: float | None = None
    for point in points:
        x = clock.x(point, unit)
        if point.value is None or not _finite(point.value):
            line.append((x, None))
            continue
        value = min(max(point.value, -LARGEST), LARGEST)
        faded = (
            weight ** (max(0.0, x - before) / (span * _SMOOTHED_PART))
            if before is not None and span > 0
            else 0.0
        )
        total, norm = total * faded + value, norm * faded + 1.0
        before = x
        line.append((x, total / norm))
    return line


def scaled(line: Sequence[XY], *, log_y: bool) -> list[XY]:
    """Values as they lie on the y axis: on a logarithmic one those of zero and less are gaps."""
    if not log_y:
        return list(line)
    return [(x, math.log10(y) if y is not None and y > 0 else None) for x, y in line]


def joined(whole: Sequence[SeriesPoint], part: Sequence[SeriesPoint]) -> list[SeriesPoint]:
    """The finer points of a part, and of the whole the one before and the one after, to which the line goes on."""
    if not part:
        return list(whole)
    before = [point for point in whole if point.step < part[0].step][-1:]
    after = [point for point in whole if point.step > part[-1].step][:1]
    return [*before, *part, *after]


def steps_of(
    window: Limits, points: Sequence[SeriesPoint], clock: Clock, unit: str, *, over_time: bool
) -> tuple[int, int]:
    """The steps that a part of the x axis shows, and a little more; `points` tell when which step was."""
    low, high = window
    pad = (high - low) * 0.05
    low, high = low - pad, high + pad
    if over_time:
        shift = (clock.origin or 0.0) if unit == "relative" else 0.0
        low, high = low + shift, high + shift
    elif unit == "epoch" and clock.epochs_per_step:
        low, high = low / clock.epochs_per_step, high / clock.epochs_per_step
    elif unit != "step":
        xs = [clock.x(point, unit) for point in points]
        low, high = (_step_at(edge, xs, points) for edge in (low, high))
    return math.floor(max(low, -(2.0**62))), math.ceil(min(high, 2.0**62))


def nearest(points: Sequence[SeriesPoint], clock: Clock, unit: str, x: float) -> SeriesPoint | None:
    """The point that lies nearest to `x`."""
    return min(points, key=lambda point: abs(clock.x(point, unit) - x), default=None)


def limits(values: Sequence[float], margin: float) -> Limits:
    """Lowest and highest of at least one value, with some room around them."""
    low, high = min(values), max(values)
    pad = (high - low) * margin
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        pad = max(abs(low), abs(high)) * 0.05 or 0.5
    return low - pad, high + pad


def within(window: Limits, whole: Limits) -> Limits | None:
    """`window` moved and cut so that it lies in `whole`; None when it would show all of it, or nothing."""
    low, high = window
    span = whole[1] - whole[0]
    width = high - low
    if not width > 0 or width >= span * 0.999 or not math.isfinite(width):
        return None
    smallest = max(span * 1e-9, max(abs(whole[0]), abs(whole[1])) * 1e-12)
    if width < smallest:
        middle = (low + high) / 2
        low, width = middle - smallest / 2, smallest
    low = min(max(low, whole[0]), whole[1] - width)
    return low, low + width


def _step_at(x: float, xs: Sequence[float], points: Sequence[SeriesPoint]) -> float:
    index = bisect_left(xs, x)
    if index == 0 or len(xs) < 2:
        return float(points[0].step) if points else 0.0
    if index == len(xs):
        return float(points[-1].step)
    share = (x - xs[index - 1]) / ((xs[index] - xs[index - 1]) or 1.0)
    return points[index - 1].step + share * (points[index].step - points[index - 1].step)


def _finite(value: float) -> bool:
    return math.isfinite(value)
