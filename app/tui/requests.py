"""What a screen may ask of the store: each request is a value that answers itself with plain data."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from app.tui.troubles import one_line
from engine.store.views import ClassScore, MetricSummary, RunDetail, RunPage, RunRow, Series

if TYPE_CHECKING:
    from engine.store.database import Store


class Request(Protocol):
    """Hashable, compared by value; `answer` runs in the feed's thread and may raise a ReeltopError.

    `every` is the shortest time in seconds between two answers: what is dear to draw need not follow each change.
    """

    every: ClassVar[float]

    def answer(self, store: "Store") -> object: ...


@dataclass(frozen=True, slots=True)
class LiveRuns:
    """Runs that have a process."""

    every: ClassVar[float] = 0.5

    def answer(self, store: "Store") -> tuple[RunRow, ...]:
        from engine.store.queries import live_runs

        return live_runs(store)


@dataclass(frozen=True, slots=True)
class WaitingRuns:
    """Queued runs in the order in which they will start."""

    every: ClassVar[float] = 0.5

    def answer(self, store: "Store") -> tuple[RunRow, ...]:
        from engine.store.queries import waiting_runs

        return waiting_runs(store)


@dataclass(frozen=True, slots=True)
class Page:
    """A window of the runs that match a filter."""

    every: ClassVar[float] = 0.5

    filter: str = ""
    sort: str = "-created"
    limit: int = 100
    offset: int = 0

    def answer(self, store: "Store") -> RunPage:
        from engine.store.queries import list_runs

        return list_runs(store, self.filter, self.sort, self.limit, self.offset)


@dataclass(frozen=True, slots=True)
class Detail:
    """All about one run but its points."""

    every: ClassVar[float] = 0.5

    run_id: int

    def answer(self, store: "Store") -> RunDetail:
        from engine.store.queries import run_detail

        return run_detail(store, self.run_id)


@dataclass(frozen=True, slots=True)
class SeriesOf:
    """A series of a run, at most `max_points` buckets of it."""

    every: ClassVar[float] = 0.4

    run_id: int
    key: str
    max_points: int = 400

    def answer(self, store: "Store") -> Series:
        from engine.store.queries import series

        return series(store, self.run_id, self.key, max_points=self.max_points)


@dataclass(frozen=True, slots=True)
class Classes:
    """Scores by class of one evaluation."""

    every: ClassVar[float] = 0.0

    evaluation_id: int

    def answer(self, store: "Store") -> tuple[ClassScore, ...]:
        from engine.store.queries import class_scores

        return class_scores(store, self.evaluation_id)


@dataclass(frozen=True, slots=True)
class Summaries:
    """Every series of a run in a row each."""

    every: ClassVar[float] = 0.4

    run_id: int

    def answer(self, store: "Store") -> tuple[MetricSummary, ...]:
        from engine.store.queries import metric_summaries

        return metric_summaries(store, self.run_id)


@dataclass(frozen=True, slots=True)
class LogEnd:
    """The last lines of a run's log."""

    every: ClassVar[float] = 1.0

    path: Path
    lines: int = 12

    def answer(self, store: "Store") -> tuple[str, ...]:
        from app.tui.logtail import LogTail

        tail = LogTail(self.path)
        try:
            tail.read_on()
        except OSError as error:
            return (f"the log cannot be read: {one_line(error)}",)
        return tuple(tail.lines[-self.lines :])
