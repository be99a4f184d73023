"""A run's row as plain JSON: what its records do not say, kept in its directory so that a store can be made again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, inspect, select
from sqlalchemy.exc import StatementError

from engine.errors import RunError
from engine.store.database import Store
from engine.store.models import Experiment, Run, RunConfig, RunInput, RunParam, RunTag, storable
from engine.store.runs import experiment_id
from engine.store.views import Intent, Status

FORMAT = 1
_MOMENTS = ("created", "started", "ended", "deleted_at")
_COLUMNS = (
    *("stage", "name", "status", "intent", "attempt", "priority", "gpus", "seed", "pinned", "directory"),
    *("config_hash", "notes", "error", "exit_code", "waiting_for", "pid", "pid_started", "held"),
)
_LATER = {"held": False}  # columns that manifests of older programs lack


def dump_run(store: Store, run_id: int) -> dict[str, Any]:
    """The run's row, parameters, inputs and tags as plain JSON values.

    Raises:
        RunError: there is no such run.
    """
    with store.read() as session:
        run = session.get(Run, run_id)
        if run is None:
            raise RunError(f"no run {run_id}: see `reeltop ls`")
        manifest: dict[str, Any] = {"format": FORMAT, "id": run.id}
        manifest |= {name: getattr(run, name) for name in _COLUMNS}
        manifest |= {name: _written(getattr(run, name)) for name in _MOMENTS}
        manifest["config"] = session.scalar(select(RunConfig.config).where(RunConfig.run_id == run_id))
        manifest["experiment"] = session.scalar(
            select(Experiment.name).where(Experiment.id == run.experiment_id)
        )
        params = session.scalars(select(RunParam).where(RunParam.run_id == run_id).order_by(RunParam.key))
        manifest["params"] = {param.key: {"text": param.text, "number": param.number} for param in params}
        inputs = session.scalars(select(RunInput).where(RunInput.run_id == run_id).order_by(RunInput.id))
        manifest["inputs"] = [
            {"role": item.role, "source_run": item.source_run_id, "which": item.which} for item in inputs
        ]
        manifest["tags"] = list(
            session.scalars(select(RunTag.tag).where(RunTag.run_id == run_id).order_by(RunTag.tag))
        )
    return manifest


def restore_run(store: Store, manifest: Mapping[str, Any]) -> int:
    """Write back what `dump_run` gave, under the same id, with no records taken in yet.

    Raises:
        RunError: the manifest is not one, or its id is taken.
    """
    try:
        run_id = int(manifest["id"])
        values = {name: _fitting(name, (_LATER | dict(manifest))[name]) for name in _COLUMNS}
        values |= {name: _read(manifest[name]) for name in _MOMENTS}
        values["status"], values["intent"] = Status(values["status"]).value, Intent(values["intent"]).value
        params = [
            {"run_id": run_id, "key": key, "text": str(value["text"]), "number": value["number"]}
            for key, value in manifest["params"].items()
        ]
        inputs = [
            {
                "run_id": run_id,
                "role": item["role"],
                "source_run_id": int(item["source_run"]),
                "which": item["which"],
            }
            for item in manifest["inputs"]
        ]
        tags = [{"run_id": run_id, "tag": str(tag)} for tag in dict.fromkeys(map(storable, manifest["tags"]))]
        configs = [{"run_id": run_id, "config": dict(manifest["config"])}]
        experiment = manifest["experiment"]
    except KeyError as error:
        raise RunError(f"run manifest: the field {error} is missing: take it from a backup") from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RunError(f"run manifest: {error}: take it from a backup") from error
    try:
        with store.write() as session:
            if session.get(Run, run_id) is not None:
                raise RunError(f"run {run_id} is in the store already: rebuild into an empty store")
            session.add(Run(id=run_id, experiment_id=experiment_id(session, experiment), **values))
            session.flush()
            for table, rows in ((RunConfig, configs), (RunParam, params), (RunInput, inputs), (RunTag, tags)):
                if rows:
                    session.execute(insert(table), rows)
            store.keep_ids_after(session, "run")
    except (StatementError, OverflowError) as error:
        raise RunError(
            f"run {run_id}: its manifest has a value of the wrong kind: take it from a backup"
        ) from error
    return run_id


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _fitting(name: str, value: Any) -> Any:
    """SQLite would keep a word in a column of numbers."""
    column = inspect(Run).columns[name]
    kinds = (int, float) if column.type.python_type is float else column.type.python_type
    if value is None and column.nullable:
        return None
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
        raise ValueError(f"the field `{name}` has a value of the wrong kind")
    return value


def _read(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
