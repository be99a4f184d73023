"""From a pipeline to its runs: matrices multiplied out, inputs found, runs put into an order that works."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.config.base import StageConfig
from engine.config.document import Document, parse_overrides, read_document
from engine.config.fields import fields_of
from engine.config.load import config_hash, flatten, load_stage, plain, stage_class
from engine.config.pipeline import PipelineConfig, PipelineRun
from engine.config.references import parse_reference, references_of, split_reference
from engine.config.sweep import cells, suffix
from engine.errors import ConfigError, RunError
from engine.format import printable
from engine.store.views import NewInput, NewRun, Status
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.store.database import Store

_MAX_RUNS = 10_000
_STAGES_OF_ROLE = {
    "features": ("extract",),
    "vision": ("contrast", "finetune"),
    "init": ("pretrain", "contrast", "finetune"),
    "model": ("finetune",),
    "members": ("finetune", "baseline", "predict", "ensemble"),
}
_WITHOUT_BEST = ("pretrain", "contrast")


@dataclass(frozen=True)
class Member:
    """One run of a pipeline: its config, and the values that its matrix gave it."""

    config: StageConfig
    cell: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Known:
    """Runs of the pipeline that are planned by now: where in the plan, by name and by key in the file."""

    index_of: dict[str, int] = field(default_factory=dict)
    members: dict[str, list[tuple[int, Member]]] = field(default_factory=dict)
    runs: list[NewRun] = field(default_factory=list)


def plan_pipeline(
    workspace: Workspace,
    store: "Store",
    path: Path,
    document: Document,
    pipeline: PipelineConfig,
    overrides: Sequence[str],
    experiment: str,
) -> list[NewRun]:
    """The runs of a pipeline, inputs before the runs that need them; an override reaches every run with the field.

    Raises:
        ConfigError: naming file, line, field and fix.
        RunError: an input names no run.
    """
    count = sum(math.prod(len(values) for values in run.matrix.values()) for run in pipeline.runs.values())
    if count > _MAX_RUNS:
        raise ConfigError(
            f"{document.source}: {count} runs are more than {_MAX_RUNS}; make the matrix smaller"
        )
    keys_of_overrides = {text: ".".join(parse_overrides([text])[0][0]) for text in overrides}
    members: dict[str, list[Member]] = {}
    known_keys: set[str] = set()
    for key, run in pipeline.runs.items():
        fields = {spec.key for spec in fields_of(stage_class(read_document(path.parent / run.config)))}
        known_keys |= fields
        reaching = [text for text, dotted in keys_of_overrides.items() if dotted in fields]
        members[key] = _expand(document, path, key, run, reaching, experiment)
    for dotted in keys_of_overrides.values():
        if dotted not in known_keys:
            shown = printable(dotted)
            raise ConfigError(
                f"--set {shown}: no run of this pipeline has this key{_close(shown, known_keys)}"
            )
    known = Known()
    for key in _ordered(document, members):
        known.members[key] = []
        for member in members[key]:
            new = plan_run(workspace, store, member, known)
            known.members[key].append((len(known.runs), member))
            known.index_of[key if len(members[key]) == 1 else member.config.name] = len(known.runs)
            known.runs.append(new)
    return known.runs


def plan_run(workspace: Workspace, store: "Store", member: Member, known: Known) -> NewRun:
    """A run with its inputs: runs planned before it, runs of the store, or folders.

    Raises:
        ConfigError, RunError: an input is not there, or cannot be used for its role.
    """
    config = member.config
    settings = plain(config)
    inputs: list[NewInput] = []
    for role, given in settings.get("inputs", {}).items():
        several = isinstance(given, list)
        names: list[str] = []
        for reference in references_of(given):
            found = _find_input(workspace, store, role, reference, member, known, several=several)
            inputs += [source for _, source in found if source is not None]
            names += [name for name, _ in found]
        if several:
            settings["inputs"][role] = names
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


def stages_of_role(role: str) -> tuple[str, ...]:
    """Stages whose runs can be given in a role; empty where any can."""
    return _STAGES_OF_ROLE.get(role, ())


def _ordered(document: Document, members: Mapping[str, Sequence[Member]]) -> list[str]:
    """Keys of the runs, each after those it needs."""
    key_of = {key: key for key in members}
    for key, group in members.items():
        for member in group:
            if key_of.setdefault(member.config.name, key) != key:
                raise ConfigError(
                    f"{document.place(('runs', key))}: two runs would be named {printable(member.config.name)}; "
                    "rename one of them"
                )
    needs: dict[str, set[str]] = {key: set() for key in members}
    for key, group in members.items():
        for member in group:
            for given in plain(member.config).get("inputs", {}).values():
                names = (split_reference(reference)[0] for reference in references_of(given))
                needs[key] |= {key_of[name] for name in names if name in key_of}
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = " -> ".join(printable(str(key)) for key in error.args[1])
        raise ConfigError(
            f"{document.place(('runs',))}: runs: need each other in a circle: {circle}"
        ) from None


def _expand(
    document: Document, path: Path, key: str, run: PipelineRun, overrides: Sequence[str], experiment: str
) -> list[Member]:
    """The run, once for every combination of its matrix."""
    place = document.place(("runs", key))
    expanded = []
    for cell in cells(run.matrix):
        stage_document = read_document(path.parent / run.config)
        stage_document.set(("name",), f"{key}{suffix(cell)}", place)
        stage_document.data.setdefault("experiment", experiment)
        for field_key, value in (dict(run.set) | cell).items():
            stage_document.set(
                tuple(field_key.split(".")), value, document.place(("runs", key, "set", field_key))
            )
        for role, given in run.inputs.items():
            stage_document.set(("inputs", role), given, document.place(("runs", key, "inputs", role)))
        expanded.append(Member(load_stage(stage_document, overrides), cell))
    return expanded


def _find_input(
    workspace: Workspace,
    store: "Store",
    role: str,
    reference: str,
    member: Member,
    known: Known,
    *,
    several: bool,
) -> list[tuple[str, NewInput | None]]:
    """What a reference means: one run or several with their names, or a folder with its path and no run."""
    name, which = parse_reference(role, reference)
    if name in known.index_of:
        found = [known.index_of[name]]
    elif name in known.members:
        found = _of_matrix(role, name, member, known.members[name], several=several)
    else:
        return [_find_elsewhere(workspace, store, role, reference, several=several)]
    suffix = f"@{which}" if which else ""
    for index in found:
        source = known.runs[index]
        _check_source(role, reference, source.stage)
        _check_checkpoint(role, reference, which, source)
    return [
        (f"{known.runs[index].name}{suffix}", NewInput(role, index, which, in_batch=True)) for index in found
    ]


def _of_matrix(
    role: str, name: str, member: Member, group: Sequence[tuple[int, Member]], *, several: bool
) -> list[int]:
    """Runs of a matrix whose values agree with the member's own where both matrices have a key."""
    found = [
        index
        for index, other in group
        if all(other.cell[key] == value for key, value in member.cell.items() if key in other.cell)
    ]
    if not found:
        raise ConfigError(
            f"inputs.{role}: no run of {printable(name)} has the matrix values of {printable(member.config.name)}; "
            "give both the same values"
        )
    if len(found) > 1 and not several:
        raise ConfigError(
            f"inputs.{role}: {printable(name)} has a matrix, so it is several runs; "
            f"name one of them, such as {printable(group[0][1].config.name)}"
        )
    return found


def _find_elsewhere(
    workspace: Workspace, store: "Store", role: str, reference: str, *, several: bool
) -> tuple[str, NewInput | None]:
    from engine.store.queries import run_row
    from engine.store.runs import find_run
    from engine.supervisor.needs import output_of
    from engine.supervisor.rows import Source

    name, which = parse_reference(role, reference)
    try:
        run_id = find_run(store, name)
    except RunError as error:
        folder = workspace.resolve(reference)
        if folder.is_dir():
            return (str(folder) if several else reference), None
        raise RunError(f"inputs.{role}: {error}") from None
    row = run_row(store, run_id)
    _check_source(role, reference, row.stage)
    if which is not None and row.status is Status.FINISHED:  # what it has not written by now it never will
        output_of(store, Source(role, which, run_id, row.name, row.directory, row.status, deleted=False))
    return reference, NewInput(role, run_id, which)


def _check_source(role: str, reference: str, stage: str) -> None:
    fitting = _STAGES_OF_ROLE.get(role)
    if fitting is not None and stage not in fitting:
        raise ConfigError(
            f"inputs.{role}: {printable(reference)} is of stage {stage}; name a run of {' or '.join(fitting)}"
        )


def _check_checkpoint(role: str, reference: str, which: str | None, source: NewRun) -> None:
    """A checkpoint that the source's own settings cannot leave behind is told before days of work, not after."""
    training, checkpoints = source.config.get("training"), source.config.get("checkpoints")
    if which is None or training is None or checkpoints is None:
        return
    shown = f"inputs.{role}: {printable(reference)}"
    if which == "best" and source.stage in _WITHOUT_BEST:
        raise ConfigError(f"{shown}: {source.stage} runs have no best checkpoint; name last or epoch-N")
    if not which.startswith("epoch-"):
        return
    epoch, epochs, every = int(which[6:]), training["epochs"], checkpoints["every_epochs"]
    if not 1 <= epoch <= epochs:
        raise ConfigError(f"{shown}: {printable(source.name)} trains for {epochs} epochs; name one of them")
    saved = [number for number in range(1, epochs + 1) if number % every == 0 or number == epochs]
    if epoch not in saved:
        raise ConfigError(
            f"{shown}: {printable(source.name)} saves every {every} epochs; name one of these, or change "
            "its checkpoints.every_epochs"
        )
    after = len(saved) - saved.index(epoch)
    if after > checkpoints["keep"]:
        raise ConfigError(
            f"{shown}: {printable(source.name)} keeps its newest {checkpoints['keep']} checkpoints only; set its "
            f"checkpoints.keep to {after} or more"
        )


def _close(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f", did you mean {close[0]}?" if close else ""
