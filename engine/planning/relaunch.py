"""A new run out of an old one: its config again, what starts from its checkpoint, and the last run that is like it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from engine.config.base import StageConfig
from engine.config.document import Document
from engine.config.load import flatten, load_stage
from engine.config.references import in_order, references_of
from engine.errors import RunError
from engine.format import printable
from engine.store.models import Run, RunConfig
from engine.store.queries import list_runs, run_detail, run_row
from engine.store.views import NewRun, RunDetail, RunRow, Status

if TYPE_CHECKING:
    from engine.store.database import Store

_SIMPLE = re.compile(r"[\w.-]*[^\W\d][\w.-]*")
_LOOKED_AT = 30
_UNLIKE = (Status.CANCELLED, Status.SKIPPED)
_FOR_PEOPLE = ("name", "experiment", "priority", "tags", "notes")  # settings that do not change a result
Difference = tuple[str, Any, Any]


@dataclass(frozen=True)
class Similar:
    """The last run that is like a planned one; `differences` are key, its value, the planned one's."""

    run: RunRow
    differences: tuple[Difference, ...]


def config_again(store: "Store", run_id: int) -> StageConfig:
    """The config of a run, its inputs naming the very runs that it had, under a name that is free.

    Raises:
        RunError: there is no such run.
        ConfigError: its config is not valid any more; which field, and how to write it now.
    """
    detail = run_detail(store, run_id)
    settings = _with_inputs(store, detail)
    settings["name"] = free_name(store, detail.run.name)
    return _validated(settings, f"run {run_id}")


def finetune_from(store: "Store", run_id: int, which: str | None) -> StageConfig:
    """A finetune config that starts from a run's checkpoint; of a contrast run it takes the vision tower.

    All else is as in the newest finetune run, or as the run's own where it is one, or the defaults.

    Raises:
        RunError: there is no such run, or nothing can start from one of its stage.
        ConfigError: the config that it would begin with is not valid any more.
    """
    source = run_detail(store, run_id)
    stage = source.run.stage
    if stage not in ("pretrain", "contrast", "finetune"):
        raise RunError(
            f"run {run_id} ({printable(source.run.name)}) is of stage {stage}: "
            "only pretrain, contrast and finetune runs leave a model to start from"
        )
    reference = reference_to(store, source.run) + (f"@{which}" if which else "")
    if stage == "finetune":
        settings = _with_inputs(store, source)
    else:
        newest = list_runs(store, "stage=finetune", "-created", 1).runs
        settings = _with_inputs(store, run_detail(store, newest[0].id)) if newest else {"stage": "finetune"}
        settings |= {"data": settings.get("data", {}) | {"root": source.config["data"]["root"]}}
        settings["gpus"] = source.run.gpus
    inputs: dict[str, Any] = dict(settings.get("inputs", {}))
    if stage == "contrast":
        inputs |= {"vision": reference, "features": None}
    else:
        inputs["init"] = reference
    if stage == "pretrain":
        settings["model"] = settings.get("model", {}) | {"text": source.config["model"]["text"]}
        inputs |= {"features": _with_inputs(store, source)["inputs"]["features"], "vision": None}
    settings["inputs"] = inputs
    settings["name"] = free_name(
        store, f"{source.run.name}-finetuned" if stage != "finetune" else source.run.name
    )
    return _validated(settings, f"a finetune run from run {run_id}")


def free_name(store: "Store", name: str) -> str:
    """`model-1` again as `model-1-2`, then `model-1-3`: the first that no run has."""
    with store.connection() as connection:
        taken = set(connection.scalars(select(Run.name).where(Run.name.startswith(name, autoescape=True))))
    if name not in taken:
        return name
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"


def reference_to(store: "Store", run: RunRow) -> str:
    """How an input names the run: by its name where that is simple and no other run's, else by its id."""
    if not _SIMPLE.fullmatch(run.name):
        return str(run.id)
    with store.connection() as connection:
        same = connection.scalars(select(Run.id).where(Run.name == run.name, Run.deleted_at.is_(None))).all()
    return run.name if len(same) == 1 else str(run.id)


def last_similar(store: "Store", planned: NewRun) -> Similar | None:
    """Of the newest runs of the stage the one with most settings equal; the newer of two."""
    newest = list_runs(store, f"stage={planned.stage}", "-created", _LOOKED_AT).runs
    rows = [row for row in newest if row.status not in _UNLIKE]
    if not rows:
        return None
    query = select(RunConfig.run_id, RunConfig.config).where(RunConfig.run_id.in_([row.id for row in rows]))
    with store.connection() as connection:
        configs: dict[int, dict[str, Any]] = {row.run_id: row.config for row in connection.execute(query)}
    wanted = _compared(planned.config)
    best = max(rows, key=lambda row: _equal(wanted, _compared(configs.get(row.id, {}))))
    found = _compared(configs.get(best.id, {}))
    keys = [*wanted, *(key for key in found if key not in wanted)]
    differences = tuple(
        (key, found.get(key), wanted.get(key)) for key in keys if found.get(key) != wanted.get(key)
    )
    return Similar(best, differences)


def _equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    return sum(key in other and other[key] == value for key, value in one.items())


def _compared(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in flatten(config).items() if key not in _FOR_PEOPLE}


def _with_inputs(store: "Store", detail: RunDetail) -> dict[str, Any]:
    """The run's settings; what names a run in them names the one that it was."""
    settings = dict(detail.config)
    given: dict[str, Any] = dict(settings.get("inputs", {}))
    by_role: dict[str, list[str]] = {}
    for item in detail.inputs:
        reference = _reference(store, item.source_run) + (f"@{item.which}" if item.which else "")
        by_role.setdefault(item.role, []).append(reference)
    for role, references in by_role.items():
        several = isinstance(given.get(role), Sequence) and not isinstance(given.get(role), str)
        given[role] = in_order(references_of(given[role]), references) if several else references[-1]
    if given:
        settings["inputs"] = given
    return settings


def _reference(store: "Store", run_id: int) -> str:
    try:
        return reference_to(store, run_row(store, run_id))
    except RunError:  # deleted since: named all the same, the check says that it is gone
        return str(run_id)


def _validated(settings: dict[str, Any], source: str) -> StageConfig:
    return load_stage(Document(settings, source))
