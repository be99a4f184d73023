"""Arithmetic of roll-ups: what a group of points keeps, so that any zoom of a chart is drawn from few rows."""

import math
from collections.abc import Sequence

import msgspec

FAN_OUT = 64  # points in a bucket of level 1, buckets of a level in one of the next

Point = tuple[int, float, float | None]  # step, time (seconds since the epoch), value; None is a gap


class Rollup(msgspec.Struct, frozen=True):
    """A group of successive points. Fields are named as the columns of `metric_bucket`.

    `count` has the gaps, `finite` and `sum` have finite values only, `min` and `max` have infinities too: a spike to
    infinity is the last one that should vanish.
    """

    first_step: int
    last_step: int
    first_time: float
    last_time: float
    count: int
    finite: int
    sum: float
    min: float | None
    min_step: int | None
    max: float | None
    max_step: int | None
    first: float | None
    last: float | None

    @property
    def mean(self) -> float | None:
        """Mean of the finite values; where there is none, an infinity if there was one, else None."""
        return self.sum / self.finite if self.finite else self.max


def of_point(point: Point) -> Rollup:
    """One point as a group of its own."""
    step, time, value = point
    finite = value is not None and math.isfinite(value)
    extreme_step = None if value is None else step
    return Rollup(
        first_step=step,
        last_step=step,
        first_time=time,
        last_time=time,
        count=1,
        finite=int(finite),
        sum=value if finite and value is not None else 0.0,
        min=value,
        min_step=extreme_step,
        max=value,
        max_step=extreme_step,
        first=value,
        last=value,
    )


def of_points(points: Sequence[Point]) -> Rollup:
    """At least one point, in the order of steps."""
    first_step, first_time, first = points[0]
    last_step, last_time, last = points[-1]
    values = [value for _, _, value in points if value is not None]
    low = high = low_step = high_step = None
    if values:
        low, high = min(values), max(values)
        low_step = next(step for step, _, value in points if value == low)
        high_step = next(step for step, _, value in points if value == high)
    total, finite = sum(values), len(values)
    if not math.isfinite(total):
        kept = [value for value in values if math.isfinite(value)]
        total, finite = sum(kept), len(kept)
    return Rollup(
        first_step=first_step,
        last_step=last_step,
        first_time=first_time,
        last_time=last_time,
        count=len(points),
        finite=finite,
        sum=total,
        min=low,
        min_step=low_step,
        max=high,
        max_step=high_step,
        first=first,
        last=last,
    )


def merge(parts: Sequence[Rollup]) -> Rollup:
    """At least one group, successive, in the order of steps; of equal extremes the earliest is kept."""
    head, tail = parts[0], parts[-1]
    low, low_step, high, high_step = head.min, head.min_step, head.max, head.max_step
    for part in parts[1:]:
        if part.min is not None and (low is None or part.min < low):
            low, low_step = part.min, part.min_step
        if part.max is not None and (high is None or part.max > high):
            high, high_step = part.max, part.max_step
    return Rollup(
        first_step=head.first_step,
        last_step=tail.last_step,
        first_time=head.first_time,
        last_time=tail.last_time,
        count=sum(part.count for part in parts),
        finite=sum(part.finite for part in parts),
        sum=sum(part.sum for part in parts),
        min=low,
        min_step=low_step,
        max=high,
        max_step=high_step,
        first=head.first,
        last=tail.last,
    )


def thin(parts: Sequence[Rollup], most: int) -> list[Rollup]:
    """About `most` groups of equal counts made of neighbouring `parts`."""
    if len(parts) <= most:
        return list(parts)
    share = sum(part.count for part in parts) / max(1, most)
    groups: list[Rollup] = []
    start, held = 0, 0
    for index, part in enumerate(parts):
        held += part.count
        if held >= share:
            groups.append(merge(parts[start : index + 1]))
            start, held = index + 1, 0
    if start < len(parts):
        groups.append(merge(parts[start:]))
    return groups
