"""What Launch does in threads: reading configuration files, checking a form, planning the runs of either."""

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ConfigError, ReeltopError
from engine.format import printable
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.config.base import StageConfig
    from engine.config.fields import FieldSpec
    from engine.planning.estimate import Estimate
    from engine.planning.relaunch import Similar
    from engine.store.database import Store
    from engine.store.views import NewRun, RunRow

_MOST_FILES = 5000
_GLANCE = 65536  # bytes
MOST_RUNS = 500
_MOST_ESTIMATED = 24


@dataclass(frozen=True)
class Opened:
    """A configuration: a stage with its form, a pipeline with what can be set of it, or one that cannot be read.

    Attributes:
        title: what it is called above the form.
        path: the file that it was read from; None for one that was made from a run.
        values: what the form begins with, and is compared with.
        edited: what the form shows instead of `values`, where it was edited as a text.
        problem: why it cannot be read.
        compared_with: what the difference is from, in words.
    """

    title: str
    path: Path | None = None
    stage: str | None = None
    specs: "tuple[FieldSpec, ...]" = ()
    values: dict[str, str] = field(default_factory=dict)
    problem: str | None = None
    compared_with: str = "the file"
    edited: dict[str, str] | None = None

    @property
    def is_pipeline(self) -> bool:
        """Describes several runs."""
        return self.stage is None and self.problem is None


@dataclass(frozen=True)
class Plan:
    """What queueing would do: runs, or why there are none.

    Attributes:
        yaml: the resolved config, of a sweep that of its first run.
        errors: what is wrong, by field.
        matrix: the fields with several values.
        sources: runs of the store that the planned ones build on.
        similar: the last run that is like the first one.
        config: what the form amounts to, of a sweep its first run.
    """

    runs: "tuple[NewRun, ...]" = ()
    yaml: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    problem: str | None = None
    matrix: "Mapping[str, tuple[str, ...]]" = field(default_factory=dict)
    sources: "Mapping[int, RunRow]" = field(default_factory=dict)
    similar: "Similar | None" = None
    config: "StageConfig | None" = None


def find_files(folder: Path) -> tuple[Path, ...]:
    """Configuration files below `folder`, of each folder the pipelines first; hidden ones are left out."""
    found = []
    for path in sorted(folder.rglob("*.y*ml")):
        relative = path.relative_to(folder)
        if path.suffix in (".yaml", ".yml") and not any(part.startswith(".") for part in relative.parts):
            found.append((relative.parent, not _is_pipeline(path), relative))
        if len(found) == _MOST_FILES:
            break
    return tuple(relative for _, _, relative in sorted(found))


def _is_pipeline(path: Path) -> bool:
    """As far as the beginning of the file tells; what it is worth is seen when it is opened."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return re.search(rb"^runs\s*:", file.read(_GLANCE), re.MULTILINE) is not None
    except OSError:
        return False


def open_file(path: Path) -> Opened:
    """Read and validate a file."""
    from engine.config.base import StageConfig
    from engine.config.load import load_file

    try:
        config = load_file(path)
    except ReeltopError as error:
        return Opened(path.name, path, problem=str(error))
    if not isinstance(config, StageConfig):
        return Opened(
            path.name, path, None, pipeline_specs(), {"name": config.name, "set": "", "fresh": "false"}
        )
    return opened_config(config, path.name, path)


def opened_config(
    config: "StageConfig", title: str, path: Path | None = None, compared_with: str = "the file"
) -> Opened:
    """A validated config as a form."""
    from engine.config.fields import fields_of, form_values

    specs = tuple(spec for spec in fields_of(type(config)) if spec.key != "stage")
    return Opened(title, path, config.stage, specs, form_values(config), None, compared_with)


def pipeline_specs() -> "tuple[FieldSpec, ...]":
    """What can be set of a pipeline as a whole."""
    from engine.config.fields import FieldSpec

    return (
        FieldSpec("name", "text", "the experiment that groups the runs", None, required=False, optional=False),
        FieldSpec(
            "set", "text", "settings for every run that has them, such as training.epochs=3 seed=1", None,
            required=False, optional=False,
        ),
        FieldSpec(
            "fresh", "bool", "run all of it again, also what is finished and unchanged", False,
            required=False, optional=False,
        ),
    )  # fmt: skip


def plan_form(workspace: Workspace, store: "Store", stage: str, values: dict[str, str]) -> Plan:
    """Check a form, and what its runs would be: one, or one for every combination of fields with several values."""
    from engine.config.document import dump_yaml
    from engine.config.fields import check_values, fields_of
    from engine.config.load import plain
    from engine.config.stages import STAGES
    from engine.config.sweep import matrix_of

    specs = fields_of(STAGES[stage])
    matrix, errors = matrix_of(specs, values)
    count = math.prod(len(found) for found in matrix.values())
    if count > MOST_RUNS:
        return Plan(problem=f"{count:,} runs are more than {MOST_RUNS}: give fewer values", matrix=matrix)
    single = _single_values(specs, values, errors)
    first = single | {key: found[0] for key, found in matrix.items()}
    result = check_values(stage, {key: text for key, text in first.items() if key not in errors})
    errors = result.errors | errors
    configs = [] if errors or result.config is None else _configs(stage, single, matrix, errors)
    if errors or result.config is None:
        return Plan(errors=errors, problem=errors.get(""), matrix=matrix)
    text = dump_yaml(plain(result.config))
    try:
        return _planned(workspace, store, configs, text, matrix, result.config)
    except ReeltopError as error:
        key, _, message = str(error).partition(": ")
        if key in {spec.key for spec in specs}:
            return Plan(yaml=text, errors={key: message}, matrix=matrix, config=result.config)
        return Plan(yaml=text, problem=str(error), matrix=matrix, config=result.config)


def plan_pipeline(workspace: Workspace, store: "Store", path: Path, values: Mapping[str, str]) -> Plan:
    """What the runs of a pipeline would be."""
    from engine.planning.submit import check_data, plan_file

    try:
        overrides = shlex.split(values.get("set", ""))
    except ValueError as error:
        return Plan(errors={"set": f"{error}: close the quotation marks"})
    try:
        name = values.get("name", "").strip() or None
        fresh = values.get("fresh") == "true"
        runs = tuple(plan_file(workspace, store, path, overrides, name, fresh=fresh))
        check_data(workspace, runs)
        return Plan(runs, sources=_sources(store, runs))
    except ReeltopError as error:
        message = str(error)
        if message.startswith("--set"):
            return Plan(errors={"set": message.removeprefix("--set ")})
        return Plan(problem=message)


def estimates_of(workspace: Workspace, store: "Store", runs: "Sequence[NewRun]") -> "list[Estimate]":
    """Memory and time of the runs, of a large plan of its first ones.

    Raises:
        RunError: a run that they build on was deleted meanwhile.
    """
    from engine.planning.estimate import estimate_plan

    return estimate_plan(workspace, store, runs[:_MOST_ESTIMATED])


def _single_values(
    specs: "Sequence[FieldSpec]", values: Mapping[str, str], errors: Mapping[str, str]
) -> dict[str, str]:
    """The form's texts, those that stand for one value written out: `none` is an empty one."""
    from engine.config.sweep import values_of

    by_key = {spec.key: spec for spec in specs}
    single = dict(values)
    for key, text in values.items():
        if key in by_key and key not in errors:
            found = values_of(by_key[key], text)
            if len(found) == 1:
                single[key] = found[0]
    return single


def _configs(
    stage: str, values: Mapping[str, str], matrix: Mapping[str, Sequence[str]], errors: dict[str, str]
) -> "list[StageConfig]":
    """The config of every combination; what is wrong with one is put into `errors`."""
    from engine.config.fields import check_values
    from engine.config.sweep import cells, suffix

    configs = []
    name = values.get("name", "").strip() or stage
    for cell in cells(matrix):
        result = check_values(stage, {**values, **cell, "name": name + suffix(cell)})
        for key, message in result.errors.items():
            errors.setdefault(key, message)
        if result.config is not None:
            configs.append(result.config)
    return configs


def _planned(
    workspace: Workspace,
    store: "Store",
    configs: "Sequence[StageConfig]",
    text: str,
    matrix: Mapping[str, tuple[str, ...]],
    first: "StageConfig",
) -> Plan:
    from engine.planning.relaunch import last_similar
    from engine.planning.submit import check_data, plan_config

    runs = tuple(run for config in configs for run in plan_config(workspace, store, config))
    check_data(workspace, runs)
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"two runs would be named {printable(twice)}: sweep one of these fields only")
    return Plan(
        runs,
        text,
        matrix=matrix,
        sources=_sources(store, runs),
        similar=last_similar(store, runs[0]),
        config=first,
    )


def _sources(store: "Store", runs: "Sequence[NewRun]") -> "dict[int, RunRow]":
    from engine.store.queries import run_row

    ids = {given.source_run for run in runs for given in run.inputs if not given.in_batch}
    return {run_id: run_row(store, run_id) for run_id in sorted(ids)}
