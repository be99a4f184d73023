"""What Launch does in threads: reading configuration files, checking a form, planning the runs of either."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ReeltopError
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.config.fields import FieldSpec
    from engine.store.database import Store
    from engine.store.views import NewRun

_MOST_FILES = 5000


@dataclass(frozen=True)
class Opened:
    """A configuration file: a stage with its form, a pipeline, or one that cannot be read (`problem`)."""

    path: Path
    stage: str | None = None
    specs: "tuple[FieldSpec, ...]" = ()
    values: dict[str, str] = field(default_factory=dict)
    problem: str | None = None

    @property
    def is_pipeline(self) -> bool:
        """Describes several runs."""
        return self.stage is None and self.problem is None


@dataclass(frozen=True)
class Plan:
    """What queueing would do: runs, or why there are none; `errors` are by field."""

    runs: "tuple[NewRun, ...]" = ()
    yaml: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    problem: str | None = None


def find_files(folder: Path) -> tuple[Path, ...]:
    """Configuration files below `folder`, by name; hidden ones are left out."""
    found = []
    for path in sorted(folder.rglob("*.y*ml")):
        relative = path.relative_to(folder)
        if path.suffix in (".yaml", ".yml") and not any(part.startswith(".") for part in relative.parts):
            found.append(relative)
        if len(found) == _MOST_FILES:
            break
    return tuple(found)


def open_file(path: Path) -> Opened:
    """Read and validate a file."""
    from engine.config.base import StageConfig
    from engine.config.fields import fields_of, form_values
    from engine.config.load import load_file

    try:
        config = load_file(path)
    except ReeltopError as error:
        return Opened(path, problem=str(error))
    if not isinstance(config, StageConfig):
        return Opened(path)
    specs = tuple(spec for spec in fields_of(type(config)) if spec.key != "stage")
    return Opened(path, config.stage, specs, form_values(config))


def plan_form(workspace: Workspace, store: "Store", stage: str, values: dict[str, str]) -> Plan:
    """Check a form, and what its one run would be."""
    from engine.config.document import dump_yaml
    from engine.config.fields import check_values
    from engine.config.load import plain
    from engine.submit import check_data, plan_config

    result = check_values(stage, values)
    if result.config is None:
        return Plan(errors=result.errors, problem=result.errors.get(""))
    text = dump_yaml(plain(result.config))
    try:
        runs = tuple(plan_config(workspace, store, result.config))
        check_data(workspace, runs)
        return Plan(runs, text)
    except ReeltopError as error:
        return Plan(yaml=text, problem=str(error))


def plan_pipeline(workspace: Workspace, store: "Store", path: Path) -> Plan:
    """What the runs of a pipeline would be."""
    from engine.submit import check_data, plan_file

    try:
        runs = tuple(plan_file(workspace, store, path))
        check_data(workspace, runs)
        return Plan(runs)
    except ReeltopError as error:
        return Plan(problem=str(error))
