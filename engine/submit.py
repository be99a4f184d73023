"""From configs to queued runs: what the command line and the launch screen share."""

import difflib
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from engine.config.base import StageConfig
from engine.config.document import Document, parse_overrides, read_document
from engine.config.fields import fields_of
from engine.config.load import config_hash, flatten, load_stage, plain, stage_class, validate_as
from engine.config.pipeline import PipelineConfig, PipelineRun
from engine.errors import ConfigError, RunError
from engine.format import printable
from engine.store.views import NewInput, NewRun
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.store.database import Store

_WHICH = re.compile(r"best|last|epoch-\d+")
_MAX_RUNS = 10_000


def plan_file(
    workspace: Workspace, store: "Store", path: Path, overrides: Sequence[str] = (), name: str | None = None
) -> list[NewRun]:
    """The runs that a stage or pipeline file describes, inputs before the runs that need them.

    Args:
        overrides: `key=value` strings; on a pipeline each reaches every run that has the field.
        name: name of the run, or of the pipeline.

    Raises:
        ConfigError: naming file, line, field and fix.
        RunError: an input names no run.
    """
    document = read_document(path)
    if "runs" in document.data:
        pipeline = validate_as(PipelineConfig, document)
        return _plan_pipeline(workspace, store, path, document, pipeline, overrides, name or pipeline.name)
    if name is not None:
        document.set(("name",), name, "--name")
    return plan_config(workspace, store, load_stage(document, overrides))


def plan_config(workspace: Workspace, store: "Store", config: StageConfig) -> list[NewRun]:
    """The one run of a validated config."""
    return [_new_run(workspace, store, config, {}, {})]


def check_data(workspace: Workspace, runs: Sequence[NewRun]) -> None:
    """A run on a data set that is not there should not have to wait in the queue to fail.

    Raises:
        ConfigError: naming the field and the fix.
    """
    for run in runs:
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
    """Queue the runs and see to it that a supervisor works on them; returns their ids.

    Raises:
        ConfigError: a data set is not there; nothing is queued then.
    """
    from engine.store.runs import create_runs
    from engine.supervisor.client import ensure_supervisor
    from engine.supervisor.launch import write_manifest

    check_data(workspace, runs)
    ids = create_runs(store, runs)
    try:
        for run_id in ids:
            write_manifest(workspace, store, run_id)
    finally:
        # The runs are queued by now, and the supervisor writes every manifest again.
        ensure_supervisor(workspace)
    return ids


def _plan_pipeline(
    workspace: Workspace,
    store: "Store",
    path: Path,
    document: Document,
    pipeline: PipelineConfig,
    overrides: Sequence[str],
    name: str,
) -> list[NewRun]:
    keys_of_overrides = {text: ".".join(parse_overrides([text])[0][0]) for text in overrides}
    count = sum(math.prod(len(values) for values in run.matrix.values()) for run in pipeline.runs.values())
    if count > _MAX_RUNS:
        raise ConfigError(
            f"{document.source}: {count} runs are more than {_MAX_RUNS}; make the matrix smaller"
        )
    members: dict[str, list[StageConfig]] = {}
    known_keys: set[str] = set()
    for key in _ordered(document, pipeline):
        run = pipeline.runs[key]
        fields = {spec.key for spec in fields_of(stage_class(read_document(path.parent / run.config)))}
        known_keys |= fields
        reaching = [text for text, dotted in keys_of_overrides.items() if dotted in fields]
        members[key] = _expand(document, path, key, run, reaching, name)
    for dotted in keys_of_overrides.values():
        if dotted not in known_keys:
            shown = printable(dotted)
            raise ConfigError(
                f"--set {shown}: no run of this pipeline has this key{_close(shown, known_keys)}"
            )
    batch: list[NewRun] = []
    index_of: dict[str, int] = {}
    expanded: dict[str, str] = {}
    for key, configs in members.items():
        for config in configs:
            index_of[key if len(configs) == 1 else config.name] = len(batch)
            batch.append(_new_run(workspace, store, config, index_of, expanded))
        if len(configs) > 1:
            expanded[key] = configs[0].name
    return batch


def _ordered(document: Document, pipeline: PipelineConfig) -> list[str]:
    """Names of the runs, each after those it needs."""
    needs = {
        key: [
            source
            for given in run.inputs.values()
            for source in (
                _split_reference(part)[0] for part in ([given] if isinstance(given, str) else given)
            )
            if source in pipeline.runs
        ]
        for key, run in pipeline.runs.items()
    }
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = " -> ".join(printable(str(key)) for key in error.args[1])
        raise ConfigError(
            f"{document.place(('runs',))}: runs: need each other in a circle: {circle}"
        ) from None


def _expand(
    document: Document, path: Path, key: str, run: PipelineRun, overrides: Sequence[str], experiment: str
) -> list[StageConfig]:
    """The run, once for every combination of its matrix."""
    place = document.place(("runs", key))
    expanded = []
    for values in itertools.product(*run.matrix.values()):
        cell = dict(zip(run.matrix, values, strict=True))
        suffix = "".join(f"-{field.rpartition('.')[2]}{value}" for field, value in cell.items())
        stage_document = read_document(path.parent / run.config)
        stage_document.set(("name",), f"{key}{suffix}", place)
        stage_document.data.setdefault("experiment", experiment)
        for field, value in (dict(run.set) | cell).items():
            stage_document.set(tuple(field.split(".")), value, document.place(("runs", key, "set", field)))
        for role, given in run.inputs.items():
            stage_document.set(("inputs", role), given, document.place(("runs", key, "inputs", role)))
        expanded.append(load_stage(stage_document, overrides))
    return expanded


def _new_run(
    workspace: Workspace,
    store: "Store",
    config: StageConfig,
    index_of: Mapping[str, int],
    expanded: Mapping[str, str],
) -> NewRun:
    settings = plain(config)
    inputs = []
    for role, given in settings.get("inputs", {}).items():
        for reference in [given] if isinstance(given, str) else given or []:
            name = _split_reference(reference)[0]
            if name in expanded:
                raise ConfigError(
                    f"inputs.{role}: {printable(name)} has a matrix, so it is several runs; "
                    f"name one of them, such as {printable(expanded[name])}"
                )
            found = _find_input(workspace, store, role, reference, index_of)
            if found is not None:
                inputs.append(found)
    return NewRun(
        stage=config.stage,
        name=config.name,
        config=settings,
        config_hash=config_hash(config),
        params=flatten(settings),
        seed=config.seed,
        gpus=config.gpus,
        priority=config.priority,
        experiment=config.experiment,
        inputs=tuple(inputs),
        tags=tuple(config.tags),
        notes=config.notes,
    )


def _find_input(
    workspace: Workspace, store: "Store", role: str, reference: str, index_of: Mapping[str, int]
) -> NewInput | None:
    """The run that an input names; None where it is a folder."""
    from engine.store.runs import find_run

    name, which = _split_reference(reference)
    if which is not None and not _WHICH.fullmatch(which):
        raise ConfigError(
            f"inputs.{role}: {printable(reference)}: after the @ comes best, last or epoch-N, not {printable(which)!r}"
        )
    if name in index_of:
        return NewInput(role, index_of[name], which, in_batch=True)
    try:
        return NewInput(role, find_run(store, name), which)
    except RunError as error:
        if workspace.resolve(reference).is_dir():
            return None
        raise RunError(f"inputs.{role}: {error}") from None


def _split_reference(reference: str) -> tuple[str, str | None]:
    """`model-1@best` as name and checkpoint; `@best` alone names a run."""
    name, at, which = reference.rpartition("@")
    return (name, which) if at and name else (reference, None)


def _close(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f", did you mean {close[0]}?" if close else ""
