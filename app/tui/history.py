"""A value over the last minutes: means of short stretches, and the line they are drawn as."""

import time
from collections import deque
from collections.abc import Iterable, Sequence

STRETCH_SECONDS = 5.0
_MOST = 240
_CELLS = "▁▂▃▄▅▆▇█"


class History:
    """One mean for each stretch of time, however often it is measured; a stretch without a value is a gap."""

    def __init__(self) -> None:
        self._means: deque[float | None] = deque(maxlen=_MOST)
        self._stretch: int | None = None
        self._sum, self._count = 0.0, 0

    def add(self, value: float | None, now: float | None = None) -> None:
        """Take in a measurement; `now` is seconds of a clock that never goes back."""
        stretch = int((time.monotonic() if now is None else now) // STRETCH_SECONDS)
        if self._stretch is not None and stretch != self._stretch:
            self._means.append(self._mean())
            self._means.extend([None] * min(_MOST, stretch - self._stretch - 1))
            self._sum, self._count = 0.0, 0
        self._stretch = stretch
        if value is not None:
            self._sum += value
            self._count += 1

    def fill(self, points: Iterable[tuple[float, float]], now: float | None = None) -> None:
        """Put measurements of others, each with its age in seconds, before the own ones, which stay as they are."""
        present = int((time.monotonic() if now is None else now) // STRETCH_SECONDS)
        own = self._stretch if self._stretch is not None else present
        first = own - len(self._means)
        stretches: dict[int, list[float]] = {}
        for age, value in points:
            stretch = int(((time.monotonic() if now is None else now) - age) // STRETCH_SECONDS)
            if first - (_MOST - len(self._means)) <= stretch < first:
                stretches.setdefault(stretch, []).append(value)
        if stretches:
            self._stretch = own
            before = [stretches.get(stretch) for stretch in range(first - 1, min(stretches) - 1, -1)]
            self._means.extendleft(None if values is None else sum(values) / len(values) for values in before)

    def values(self, most: int) -> list[float | None]:
        """The newest means, at most so many, oldest first."""
        if self._stretch is None or most < 1:
            return []
        return [*self._means, self._mean()][-most:]

    def _mean(self) -> float | None:
        return self._sum / self._count if self._count else None


def trace(values: Sequence[float | None], width: int, highest: float | None = None) -> str:
    """The newest `width` values as bars from zero to `highest` (None: the highest of them), padded at the left."""
    shown = list(values)[-width:] if width > 0 else []
    top = (
        highest if highest is not None else max((value for value in shown if value is not None), default=0.0)
    )
    cells = "".join(
        " " if value is None else _CELLS[_step(value / top if top > 0 else 0.0)] for value in shown
    )
    return cells.rjust(max(0, width))


def _step(share: float) -> int:
    return max(0, min(len(_CELLS) - 1, int(share * len(_CELLS))))
