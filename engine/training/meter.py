"""Speed, padding and waiting of a training run, from counts that never leave the host."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from engine.data.videos import BatchSize
from engine.format import duration, number

_MEMORY = 0.95
_LINE_SECONDS = 5.0
_PROGRESS_SECONDS = 0.25


class Meter:
    """Rates over recent steps: each step back weighs 0.95 of the one after it."""

    def __init__(self) -> None:
        self._last = self._line = time.perf_counter()
        self._wait = 0.0
        self._seconds = self._waited = self._videos = self._tokens = self._steps = 0.0
        self._padding = 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time within as waiting for data."""
        began = time.perf_counter()
        yield
        self._wait += time.perf_counter() - began

    def add(self, size: BatchSize) -> None:
        """Count a finished step."""
        now = time.perf_counter()
        self._seconds = _MEMORY * self._seconds + now - self._last
        self._waited = _MEMORY * self._waited + self._wait
        self._videos = _MEMORY * self._videos + size.videos
        self._tokens = _MEMORY * self._tokens + size.tokens
        self._steps = _MEMORY * self._steps + 1
        self._padding = 1 - size.real_positions / max(1, size.positions)
        self._last, self._wait = now, 0.0

    def rates(self) -> dict[str, float]:
        """Series of the latest step; padding and data_wait are shares of positions and of time."""
        seconds = max(self._seconds, 1e-9)
        return {
            "speed/videos": self._videos / seconds,
            "speed/tokens": self._tokens / seconds,
            "speed/padding": self._padding,
            "speed/data_wait": self._waited / seconds,
        }

    def steps_per_second(self) -> float:
        """Recent speed."""
        return self._steps / max(self._seconds, 1e-9)

    def line_due(self) -> bool:
        """Whether it is time for another line in the log."""
        now = time.perf_counter()
        if now - self._line < _LINE_SECONDS:
            return False
        self._line = now
        return True


class Speed:
    """Rates and time left of work that is a plain pass over things."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._told = self._began
        self._counts: dict[str, int] = {}

    def add(self, **counts: int) -> None:
        """Count finished things by unit."""
        for unit, count in counts.items():
            self._counts[unit] = self._counts.get(unit, 0) + count

    def rates(self) -> dict[str, float]:
        """Things a second, by unit."""
        seconds = max(time.perf_counter() - self._began, 1e-9)
        return {unit: count / seconds for unit, count in self._counts.items()}

    def due(self) -> bool:
        """Whether a quarter of a second has passed since it was last due."""
        now = time.perf_counter()
        if now - self._told < _PROGRESS_SECONDS:
            return False
        self._told = now
        return True

    def line(self, left: int, *, of: str) -> str:
        """`531 videos/s, ETA 0:41`, with `left` things of unit `of` to go."""
        rates = self.rates()
        shown = ", ".join(f"{number(rate, 3)} {unit}/s" for unit, rate in rates.items())
        return f"{shown}, ETA {duration(left / max(rates.get(of, 0.0), 1e-9))}" if left else shown
