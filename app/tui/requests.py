"""What a screen may ask of the store: each request is a value that answers itself with plain data."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from app.tui.troubles import one_line
from engine.store.views import ClassScore, MetricSummary, Queue, RunDetail, RunPage, RunRow, Series

if TYPE_CHECKING:
    from engine.comparison import Comparison
    from engine.confusions import Confusions
    from engine.ensemble.result import EnsembleResult
    from engine.store.database import Store
    from engine.store.lineage import Lineage
    from engine.store.live import Health, Standing
    from engine.workspace import Workspace

_PAST_SECONDS = 1200  # as much as a tile can show


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
    """Queued runs in the order in which they will start: as many of them as anyone looks through line by line."""

    every: ClassVar[float] = 0.5

    def answer(self, store: "Store") -> Queue:
        from engine.store.queries import waiting_runs

        return waiting_runs(store, limit=100)


@dataclass(frozen=True, slots=True)
class Standings:
    """Fold, epochs, last and best values of runs, by id."""

    every: ClassVar[float] = 0.5

    run_ids: tuple[int, ...]

    def answer(self, store: "Store") -> "dict[int, Standing]":
        from engine.store.live import standings

        return standings(store, self.run_ids)


@dataclass(frozen=True, slots=True)
class HealthOfRuns:
    """Of every live run what alerts are made from."""

    every: ClassVar[float] = 5.0

    def answer(self, store: "Store") -> "tuple[Health, ...]":
        from engine.store.live import health

        return health(store)


@dataclass(frozen=True, slots=True)
class MachinePast:
    """What runs have measured of their machine in the last minutes: by series, times and values."""

    every: ClassVar[float] = 3600.0

    run_ids: tuple[int, ...]

    def answer(self, store: "Store") -> "dict[str, tuple[tuple[float, float], ...]]":
        from engine.store.queries import metric_summaries, series

        first = int(time.time()) - _PAST_SECONDS
        found: dict[str, tuple[tuple[float, float], ...]] = {}
        for run_id in self.run_ids:
            for known in metric_summaries(store, run_id):
                if known.axis == "time" and known.key.startswith(("system/", "gpu")):
                    past = series(store, run_id, known.key, max_points=_PAST_SECONDS, first_step=first)
                    points = ((point.time, point.value) for point in past.points if point.value is not None)
                    found[known.key] = (*found.get(known.key, ()), *points)
        return found


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
    """A series of a run, or its part between two steps, at most `max_points` buckets of it."""

    every: ClassVar[float] = 0.4

    run_id: int
    key: str
    max_points: int = 400
    first_step: int | None = None
    last_step: int | None = None

    def answer(self, store: "Store") -> Series:
        from engine.store.queries import series

        return series(
            store,
            self.run_id,
            self.key,
            max_points=self.max_points,
            first_step=self.first_step,
            last_step=self.last_step,
        )


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


@dataclass(frozen=True, slots=True)
class ConfusionsOf:
    """What a run's best state takes for what; read from its directory."""

    every: ClassVar[float] = 5.0

    workspace: "Workspace"
    run_id: int

    def answer(self, store: "Store") -> "Confusions":
        from engine.confusions import confusions_of

        return confusions_of(self.workspace, store, self.run_id)


@dataclass(frozen=True, slots=True)
class EnsembleOf:
    """The report of an ensemble run; read from its directory."""

    every: ClassVar[float] = 1.0

    workspace: "Workspace"
    run_id: int

    def answer(self, store: "Store") -> "EnsembleResult":
        from engine.ensemble.result import ensemble_result

        return ensemble_result(self.workspace, store, self.run_id)


@dataclass(frozen=True, slots=True)
class LineageOf:
    """What a run builds on and what builds on it."""

    every: ClassVar[float] = 1.0

    run_id: int

    def answer(self, store: "Store") -> "Lineage":
        from engine.store.lineage import lineage

        return lineage(store, self.run_id)


@dataclass(frozen=True, slots=True)
class Compared:
    """Runs beside each other; those that are not there are told, not missed."""

    every: ClassVar[float] = 2.0

    run_ids: tuple[int, ...]

    def answer(self, store: "Store") -> "Comparison":
        from engine.comparison import compare

        return compare(store, self.run_ids, skip_gone=True)


@dataclass(frozen=True, slots=True)
class ClassNames:
    """What people call the classes that the runs know, by code; read from their directories and data."""

    every: ClassVar[float] = 30.0

    workspace: "Workspace"
    run_ids: tuple[int, ...]

    def answer(self, store: "Store") -> dict[str, str]:
        from engine.comparison import class_names

        return class_names(self.workspace, store, self.run_ids)
