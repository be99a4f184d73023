"""Speed and remaining time of runs from their last progress reports, not from their start."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.store.views import RunRow

_WINDOW_SECONDS = 30.0
_STALLED_SECONDS = 60.0
_RESTING_STEPS = 20


@dataclass(frozen=True, slots=True)
class Pace:
    """Units a second, seconds to go, seconds since the last sign of life, and since the last step forward.

    None where not known yet.
    """

    speed: float | None = None
    eta: float | None = None
    silent: float | None = None
    still: float | None = None

    @property
    def stalled(self) -> bool:
        """Nothing was heard for so long that a person would want to look."""
        return self.silent is not None and self.silent > _STALLED_SECONDS

    @property
    def resting(self) -> bool:
        """It lives, but has made no step for far longer than its steps take."""
        usual = 0.0 if not self.speed else _RESTING_STEPS / self.speed
        return self.still is not None and self.still > max(_STALLED_SECONDS, usual)


class SpeedMeter:
    """Keeps the last half minute of progress of every run it is shown."""

    def __init__(self) -> None:
        self._samples: dict[int, deque[tuple[float, int]]] = {}

    def update(self, run: RunRow) -> None:
        """Take the run's progress in."""
        if run.progress is None or run.heartbeat is None:
            return
        samples = self._samples.setdefault(run.id, deque())
        when = run.heartbeat.replace(tzinfo=UTC).timestamp()
        done = run.progress.done
        if samples and (done < samples[-1][1] or when < samples[-1][0]):
            samples.clear()  # resumed from an earlier step, or another part of the work
        if not samples or done > samples[-1][1]:
            samples.append((when, done))
        while len(samples) > 2 and when - samples[1][0] > _WINDOW_SECONDS:
            samples.popleft()

    def pace(self, run: RunRow, now: datetime | None = None) -> Pace:
        """What the samples say; a run seen once only has the mean since it started."""
        moment = now or datetime.now(UTC).replace(tzinfo=None)
        silent = (moment - run.heartbeat).total_seconds() if run.heartbeat else None
        samples = self._samples.get(run.id, deque())
        still = moment.replace(tzinfo=UTC).timestamp() - samples[-1][0] if samples else None
        speed = None
        if len(samples) > 1 and samples[-1][0] > samples[0][0]:
            speed = (samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0])
        if not speed or run.progress is None:
            return Pace(speed, None, silent, still)
        return Pace(speed, max(0, run.progress.total - run.progress.done) / speed, silent, still)

    def keep(self, run_ids: set[int]) -> None:
        """Forget every other run."""
        for run_id in set(self._samples) - run_ids:
            del self._samples[run_id]
