"""From configs to queued runs: what the command line and the launch screen share."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.config.base import StageConfig
from engine.config.document import read_document
from engine.config.load import load_stage, validate_as
from engine.config.pipeline import PipelineConfig
from engine.errors import ConfigError
from engine.format import printable
from engine.planning.pipeline import Known, Member, plan_pipeline, plan_run
from engine.store.views import NewInput, NewRun
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.store.database import Store


def plan_file(
    workspace: Workspace,
    store: "Store",
    path: Path,
    overrides: Sequence[str] = (),
    name: str | None = None,
    *,
    fresh: bool = False,
) -> list[NewRun]:
    """The runs that a stage or pipeline file describes, inputs before the runs that need them.

    Runs of a pipeline that a finished run stands in for say so in `reuses`; a stage's own run is always made.

    Args:
        overrides: `key=value` strings; on a pipeline each reaches every run that has the field.
        name: name of the run, or of the pipeline.
        fresh: reuse nothing.

    Raises:
        ConfigError: naming file, line, field and fix.
        RunError: an input names no run.
    """
    document = read_document(path)
    if "runs" in document.data:
        from engine.planning.reuse import mark_reused

        pipeline = validate_as(PipelineConfig, document)
        experiment = name or pipeline.name
        runs = plan_pipeline(workspace, store, path, document, pipeline, overrides, experiment)
        return runs if fresh else mark_reused(workspace, store, runs)
    if name is not None:
        document.set(("name",), name, "--name")
    return plan_config(workspace, store, load_stage(document, overrides))


def plan_config(workspace: Workspace, store: "Store", config: StageConfig) -> list[NewRun]:
    """The one run of a validated config."""
    return [plan_run(workspace, store, Member(config), Known())]


def check_data(workspace: Workspace, runs: Sequence[NewRun]) -> None:
    """A run on a data set that is not there should not have to wait in the queue to fail.

    Raises:
        ConfigError: naming the field and the fix.
    """
    for run in runs:
        if run.reuses is None:
            _check_data_of(workspace, run)


def _check_data_of(workspace: Workspace, run: NewRun) -> None:
    data = run.config.get("data", {})
    root, annotations = data.get("root"), data.get("annotations")
    if annotations is not None:
        if not workspace.resolve(annotations).is_file():
            raise ConfigError(
                f"data.annotations: {printable(annotations)} is no file; name an annotations JSON"
            )
    elif root is not None and not (workspace.resolve(root) / "annotations").is_dir():
        raise ConfigError(
            f"data.root: {printable(root)} has no annotations folder; name a data set, or make one with "
            f"`reeltop sample {printable(root)}`"
        )


def submit(workspace: Workspace, store: "Store", runs: Sequence[NewRun]) -> list[int]:
    """Queue the runs and see to it that a supervisor works on them; returns their ids, of reused ones the found run's.

    Raises:
        ConfigError: a data set is not there; nothing is queued then.
    """
    from engine.store.runs import create_runs
    from engine.supervisor.client import ensure_supervisor
    from engine.supervisor.launch import write_manifest

    check_data(workspace, runs)
    made = iter(create_runs(store, _to_make(runs)))
    ids = [next(made) if run.reuses is None else run.reuses for run in runs]
    new = [run_id for run, run_id in zip(runs, ids, strict=True) if run.reuses is None]
    if new:
        try:
            for run_id in new:
                write_manifest(workspace, store, run_id)
        finally:
            # The runs are queued by now, and the supervisor writes every manifest again.
            ensure_supervisor(workspace)
    return ids


def _to_make(runs: Sequence[NewRun]) -> list[NewRun]:
    """The runs that none stands in for; their inputs count among these, or name the run that is reused."""
    place: dict[int, int] = {}
    for index, run in enumerate(runs):
        if run.reuses is None:
            place[index] = len(place)

    def found(given: NewInput) -> NewInput:
        if not given.in_batch:
            return given
        reused = runs[given.source_run].reuses
        if reused is not None:
            return NewInput(given.role, reused, given.which)
        return replace(given, source_run=place[given.source_run])

    return [
        replace(run, inputs=tuple(found(given) for given in run.inputs)) for run in runs if run.reuses is None
    ]
