"""What leaves the store: plain values for screens and the command line, never ORM rows. Times are UTC, naive."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """States of a run's life cycle."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    CRASHED = "crashed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def live(self) -> bool:
        """A process exists or is about to."""
        return self in (Status.STARTING, Status.RUNNING)

    @property
    def ended(self) -> bool:
        """Nothing will happen to the run unless somebody resumes it."""
        return self not in (Status.QUEUED, Status.STARTING, Status.RUNNING)

    @property
    def resumable(self) -> bool:
        """`resume` may continue the run from its last complete checkpoint."""
        return self in (Status.STOPPED, Status.CRASHED, Status.FAILED)


class Intent(StrEnum):
    """What a person wants of a run; the supervisor acts on it."""

    RUN = "run"
    STOP = "stop"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class NewInput:
    """An input of a run to be made: `source_run` is an id, or an index into the same batch where `in_batch`."""

    role: str
    source_run: int
    which: str | None = None
    in_batch: bool = False


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be queued; `config` is the validated config as plain data.

    `reuses` is the finished run that a plan takes instead: it has computed the same already.
    """

    stage: str
    name: str
    config: dict[str, Any]
    config_hash: str
    params: dict[str, str | int | float | bool | None]
    seed: int
    gpus: int = 0
    priority: int = 0
    experiment: str | None = None
    inputs: tuple[NewInput, ...] = ()
    tags: tuple[str, ...] = ()
    notes: str = ""
    reuses: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    done: int
    total: int
    unit: str

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return min(1.0, self.done / self.total) if self.total > 0 else 0.0


@dataclass(frozen=True, slots=True)
class LevelScore:
    level: int
    f1_micro: float
    f1_macro: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class ClassScore:
    level: int
    category: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as tables show it; `f1_mean` and `levels` are of its best validation pass.

    `pid_started` is the process's start in seconds since boot; `reported_status` is the run's own last word.
    """

    id: int
    name: str
    stage: str
    status: Status
    intent: Intent
    experiment: str | None
    created: datetime
    started: datetime | None
    ended: datetime | None
    waiting_for: str | None
    progress: Progress | None
    heartbeat: datetime | None
    priority: int
    gpus: int
    attempt: int
    pid: int | None
    host: str | None
    devices: str | None
    exit_code: int | None
    error: str | None
    seed: int
    config_hash: str
    notes: str
    pinned: bool
    directory: str
    f1_mean: float | None
    levels: tuple[LevelScore, ...] = ()
    tags: tuple[str, ...] = ()
    pid_started: float | None = None
    records_offset: int = 0
    reported_status: str | None = None
    reported_error: str | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class RunPage:
    """A window of the runs that match a filter: `matching` of `total` in the store."""

    runs: tuple[RunRow, ...]
    matching: int
    total: int


@dataclass(frozen=True, slots=True)
class Queue:
    """The first of the queued runs, in the order in which they may start, and how many there are."""

    runs: tuple[RunRow, ...] = ()
    total: int = 0


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """A series in one row. `axis` is `step` or `time` (steps are seconds since the epoch)."""

    key: str
    unit: str | None
    axis: str
    count: int
    last: float | None
    last_step: int
    min: float | None
    max: float | None
    min_step: int | None
    max_step: int | None


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One drawn point: a single value, or a bucket of `count` values that keeps its extremes."""

    step: int
    time: float
    value: float | None
    min: float | None
    max: float | None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Series:
    key: str
    axis: str
    points: tuple[SeriesPoint, ...]
    count: int


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    id: int
    time: datetime
    step: int
    epoch: int | None
    split: str
    fold: int | None
    loss: float | None
    f1_mean: float
    levels: tuple[LevelScore, ...]
    checkpoint: str | None = None


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    id: int
    time: datetime
    step: int
    epoch: int | None
    kind: str
    path: str
    bytes: int
    sha256: str
    f1_mean: float | None
    pinned: bool


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    id: int
    time: datetime
    kind: str
    path: str
    bytes: int
    sha256: str
    meta: dict[str, Any]


@dataclass(frozen=True, slots=True)
class InputRow:
    role: str
    source_run: int
    source_name: str
    which: str | None
    source_status: Status


@dataclass(frozen=True, slots=True)
class RunDetail:
    """All that one page about a run shows, but its points."""

    run: RunRow
    config: dict[str, Any]
    env: dict[str, Any]
    inputs: tuple[InputRow, ...] = ()
    evaluations: tuple[EvaluationRow, ...] = ()
    checkpoints: tuple[CheckpointRow, ...] = ()
    artifacts: tuple[ArtifactRow, ...] = ()
    metrics: tuple[MetricSummary, ...] = ()
    dependants: tuple[int, ...] = field(default=())
