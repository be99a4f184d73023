"""What a planned run will take: parameters, device memory, time. Arithmetic only: nothing is loaded or fetched."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.config.load import flatten
from engine.errors import RunError
from engine.planning.shapes import UnknownModelError
from engine.planning.workload import Described, Workload, reduced, workload
from engine.store.views import NewRun, RunRow, Status
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.store.database import Store

GPU_RATE = 320e12  # operations a second: 40% of the bf16 peak measured on an H100
GPU_RATE_FP32 = 40e12
CPU_RATE = 50e9
_FRAME_SECONDS = 1.2e-3  # of one CPU, to read, decode and resize a frame
_START_SECONDS = 5.0  # to start a process and load models and data
_STEP_SECONDS = 0.02  # of one step, however small
_EPOCH_SECONDS = 0.5  # to evaluate and to write a checkpoint, however small
_LIBRARIES = {
    True: 1.0 * 2**30,
    False: 0.6 * 2**30,
}  # CUDA context and workspaces; the interpreter with torch
_RECENT = 20


@dataclass(frozen=True)
class Estimate:
    """`None` is unknown.

    Attributes:
        parameters: weights of the model.
        trained: those that change.
        memory: bytes on one device (of the process, on the CPU).
        seconds: from start to end.
        from_run: the earlier run that the time is reckoned from; else it is from an assumed `rate`.
        rate: operations a second.
        videos: those it reads.
        assumed: numbers of videos that were taken for granted as the data set is not there.
        note: why there is no estimate.
    """

    parameters: int | None = None
    trained: int | None = None
    memory: int | None = None
    seconds: float | None = None
    from_run: int | None = None
    rate: float | None = None
    videos: int | None = None
    assumed: tuple[str, ...] = ()
    note: str = ""


def estimate_plan(workspace: Workspace, store: "Store", runs: Sequence[NewRun]) -> list[Estimate]:
    """An estimate for each run of a plan; earlier runs of the store tell how fast this machine is."""
    seen: dict[int, Described] = {}
    history = _History(workspace, store)
    return [
        Estimate()
        if run.reuses is not None
        else _estimate(workspace, history, run, _describe(workspace, store, runs, index, seen))
        for index, run in enumerate(runs)
    ]


def _estimate(workspace: Workspace, history: "_History", run: NewRun, described: Described) -> Estimate:
    twin = history.same(run)
    try:
        load = workload(workspace, described)
    except UnknownModelError as unknown:
        note = _no_estimate(run.stage, str(unknown))
        return Estimate(seconds=_took(twin), from_run=twin.id, note=note) if twin else Estimate(note=note)
    seconds, source = _time(run.config, load), twin or history.alike(run)
    ratio = None if source is None else 1.0 if source is twin else history.ratio(source, seconds)
    if source is not None and ratio is not None:
        seconds = ratio * _took(source)
    measured = source is not None and ratio is not None
    return Estimate(
        parameters=load.parameters or None,
        trained=load.trained or None,
        memory=round(load.memory + _LIBRARIES[run.gpus > 0]) if load.parameters else None,
        seconds=seconds,
        from_run=source.id if source is not None and measured else None,
        rate=None if measured else _rate(run.config),
        videos=load.videos,
        assumed=load.assumed,
    )


def _time(config: Mapping[str, Any], load: Workload) -> float:
    """Seconds from start to end: workers decode beside the device, without any the run decodes before it."""
    training = config.get("training", {})
    epochs = training.get("epochs", 0)
    steps = epochs * math.ceil(load.videos / training.get("batch_size", 1))
    compute = max(load.operations / _rate(config), steps * _STEP_SECONDS) + epochs * _EPOCH_SECONDS
    workers = config["data"]["workers"]
    decode = load.frames * _FRAME_SECONDS / max(1, workers)
    return _START_SECONDS + float(max(compute, decode) if workers else compute + decode)


def _rate(config: Mapping[str, Any]) -> float:
    """Operations a second that are assumed."""
    gpus = int(config["gpus"])
    return gpus * (GPU_RATE if reduced(config) else GPU_RATE_FP32) if gpus else CPU_RATE


def _no_estimate(stage: str, reason: str) -> str:
    if stage == "baseline":
        return "a linear classifier on the CPU: seconds to minutes"
    return f"{reason}: no estimate"


def _describe(
    workspace: Workspace, store: "Store", runs: Sequence[NewRun], index: int, seen: dict[int, Described]
) -> Described:
    """A planned run with the configs of all it builds on; inputs come before it in the plan."""
    if index not in seen:
        run = runs[index]
        sources: dict[str, list[Described | str]] = {}
        for given in run.inputs:
            source = (
                _describe(workspace, store, runs, given.source_run, seen)
                if given.in_batch
                else _described_run(store, given.source_run)
            )
            sources.setdefault(given.role, []).append(source)
        seen[index] = Described(run.stage, run.config, _with_folders(run.config, sources))
    return seen[index]


def _described_run(store: "Store", run_id: int) -> Described:
    """A run of the store in the same way.

    Raises:
        RunError: it was deleted.
    """
    from engine.store.queries import run_detail

    detail = run_detail(store, run_id)
    sources: dict[str, list[Described | str]] = {}
    for given in detail.inputs:
        sources.setdefault(given.role, []).append(_described_run(store, given.source_run))
    return Described(detail.run.stage, detail.config, _with_folders(detail.config, sources))


def _with_folders(
    config: Mapping[str, Any], sources: dict[str, list[Described | str]]
) -> dict[str, list[Described | str]]:
    """Folders in the roles that no run fills."""
    for role, given in config.get("inputs", {}).items():
        if given and role not in sources:
            sources[role] = [given] if isinstance(given, str) else list(given)
    return sources


class _History:
    """Finished runs that tell how long such work takes here."""

    def __init__(self, workspace: Workspace, store: "Store") -> None:
        from engine.store.queries import finished_by_hash

        self._workspace = workspace
        self._store = store
        self._by_hash = finished_by_hash(store)
        self._of_stage: dict[str, list[tuple[RunRow, dict[str, Any]]]] = {}

    def same(self, run: NewRun) -> RunRow | None:
        """The newest run with the same config on the same kind of device."""
        from engine.store.queries import run_row

        for run_id in self._by_hash.get(run.config_hash, ()):
            found = run_row(self._store, run_id)
            if _measured(found, run):
                return found
        return None

    def alike(self, run: NewRun) -> RunRow | None:
        """Of recent runs of the same stage and model on the same kind of device, the one with most settings equal."""
        from engine.store.queries import list_runs, run_detail

        if run.stage not in self._of_stage:
            page = list_runs(self._store, f"stage={run.stage} status=finished", "-created", _RECENT)
            found = ((row, run_detail(self._store, row.id).config) for row in page.runs)
            self._of_stage[run.stage] = list(found)
        fitting = [
            (row, flatten(config))
            for row, config in self._of_stage[run.stage]
            if _measured(row, run) and config.get("model") == run.config.get("model")
        ]
        if not fitting:
            return None
        wanted = flatten(run.config).items()
        return max(fitting, key=lambda one: len(wanted & one[1].items()))[0]

    def ratio(self, found: RunRow, seconds: float) -> float | None:
        """How many times the found run's reckoned time `seconds` is."""
        try:
            described = _described_run(self._store, found.id)
            reckoned = _time(described.config, workload(self._workspace, described))
        except (UnknownModelError, RunError, KeyError):
            return None
        return seconds / reckoned


def _measured(found: RunRow, run: NewRun) -> bool:
    """Whether its time from start to end was that of the whole work, on the same kind and number of devices."""
    on_cpu = (found.devices or "").lower().startswith("cpu")
    whole = found.status is Status.FINISHED and found.attempt == 1 and _took(found) > 0
    return whole and found.gpus == run.gpus and on_cpu == (run.gpus == 0)


def _took(run: RunRow) -> float:
    if run.started is None or run.ended is None:
        return 0.0
    return (run.ended - run.started).total_seconds()
