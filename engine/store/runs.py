"""The life cycle of runs: made, moved from state to state by compare-and-set, stopped, resumed, deleted, found."""

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from sqlalchemy import CursorResult, bindparam, insert, select, true, update
from sqlalchemy.orm import Session, aliased

from engine.errors import RunError
from engine.format import printable
from engine.store.database import Store
from engine.store.models import (
    Experiment,
    MetricSummary,
    Run,
    RunConfig,
    RunInput,
    RunParam,
    RunTag,
    storable,
)
from engine.store.views import Intent, NewRun, Status
from engine.workspace import Workspace

BEST_METRIC = "val/f1_mean"
ParamValue = str | int | float | bool | None
_PARAM_TEXT = 1000  # characters kept for filters; the config has the whole value
_NEXT: dict[Status, frozenset[Status]] = {
    # A resumed run that leaves the queue is stopped, not cancelled or skipped: it can be resumed again.
    Status.QUEUED: frozenset(
        {Status.STARTING, Status.STOPPED, Status.FAILED, Status.CANCELLED, Status.SKIPPED}
    ),
    Status.STARTING: frozenset(
        {Status.QUEUED, Status.RUNNING, Status.FINISHED, Status.STOPPED, Status.FAILED, Status.CRASHED}
    ),
    Status.RUNNING: frozenset({Status.FINISHED, Status.STOPPED, Status.FAILED, Status.CRASHED}),
    Status.STOPPED: frozenset({Status.QUEUED}),
    Status.FAILED: frozenset({Status.QUEUED}),
    Status.CRASHED: frozenset({Status.QUEUED}),
}


def now() -> datetime:
    """The store's clock: UTC, naive."""
    return datetime.now(UTC).replace(tzinfo=None)


def create_runs(store: Store, runs: Sequence[NewRun]) -> list[int]:
    """Queue `runs` in one transaction and return their ids, in order.

    Raises:
        RunError: an input names a run that is not there.
    """
    if not runs:
        return []
    with store.write() as session:
        created = now()
        rows = [_new_row(session, run, created) for run in runs]
        session.add_all(rows)
        session.flush()
        ids = [row.id for row in rows]
        configs = [{"run_id": row.id, "config": run.config} for row, run in zip(rows, runs, strict=True)]
        session.execute(insert(RunConfig), configs)
        params: list[dict[str, Any]] = []
        tags: list[dict[str, Any]] = []
        for row, run in zip(rows, runs, strict=True):
            row.directory = run_directory(row.id, row.name)
            params += param_rows(row.id, run.params)
            tags += [{"run_id": row.id, "tag": tag} for tag in dict.fromkeys(map(storable, run.tags))]
            for item in run.inputs:
                source = ids[item.source_run] if item.in_batch else item.source_run
                if session.get(Run, source) is None:
                    raise RunError(
                        f"run {printable(run.name)}: its input `{item.role}` names run {source}, which is not there"
                    )
                session.add(RunInput(run_id=row.id, role=item.role, source_run_id=source, which=item.which))
        if params:
            session.execute(insert(RunParam), params)
        if tags:
            session.execute(insert(RunTag), tags)
    return ids


def transition(store: Store, run_id: int, *, from_: Collection[Status], to: Status, **columns: Any) -> bool:
    """Move a run to `to` if its status is one of `from_`, and set `columns` with it; false when another was first.

    Leaving the queue clears `waiting_for` and `held`; `starting` sets `started`, and no held run gets there; an end
    sets `ended` and forgets the process. `columns` go before these.

    Raises:
        ValueError: the life cycle has no such step.
    """
    for status in from_:
        if to not in _NEXT.get(status, ()):
            raise ValueError(f"no step from {status} to {to} in the life cycle of a run")
    values: dict[str, Any] = {"status": to.value}
    if to is not Status.QUEUED:
        values |= {"waiting_for": None, "held": False}
    if to is Status.STARTING:
        values["started"] = now()
    if to.ended:
        values |= {"ended": now(), "pid": None, "pid_started": None}
    with store.write() as session:
        return _set_where(session, run_id, from_, values | columns)


def set_waiting(store: Store, reasons: Mapping[int, str | None]) -> None:
    """Write why each queued run waits; unchanged reasons write nothing."""
    if not reasons:
        return
    queued = Run.status == Status.QUEUED.value
    query = select(Run.id, Run.waiting_for).where(queued)
    with store.connection() as connection:
        changed = [
            {"waiting": row.id, "reason": reasons[row.id]}
            for row in connection.execute(query)
            if row.id in reasons and row.waiting_for != reasons[row.id]
        ]
    if not changed:
        return
    statement = update(Run).where(Run.id == bindparam("waiting"), queued)
    with store.write() as session:
        session.connection().execute(statement.values(waiting_for=bindparam("reason")), changed)


def request_stop(store: Store, run_id: int) -> None:
    """Ask the supervisor to let the run write a checkpoint and end; a queued run is cancelled.

    Raises:
        RunError: no such run, or it has ended.
    """
    _request(store, run_id, Intent.STOP)


def request_kill(store: Store, run_id: int) -> None:
    """Ask the supervisor to end the run at once.

    Raises:
        RunError: no such run, or it has ended.
    """
    _request(store, run_id, Intent.KILL)


def resume_run(store: Store, run_id: int) -> None:
    """Queue a stopped, crashed or failed run again, as the same run.

    Raises:
        RunError: no such run, or its state cannot be resumed.
    """
    with store.write() as session:
        run = _existing(session, run_id)
        status = Status(run.status)
        if not status.resumable:
            state = f"already {status}" if status.ended else f"still {status}"
            raise RunError(f"{_named(run)} is {state}: only a stopped, crashed or failed run can be resumed")
        run.status, run.intent = Status.QUEUED.value, Intent.RUN.value
        run.attempt += 1
        run.ended = run.exit_code = run.error = run.waiting_for = run.pid = run.pid_started = None
        run.reported_status = run.reported_error = None
        run.held = False


def delete_run(store: Store, run_id: int) -> None:
    """Take an ended run out of every list; its rows and its directory stay.

    Raises:
        RunError: no such run, it has not ended, or a run that has not ended needs it.
    """
    with store.write() as session:
        mark_deleted(session, run_id)


def mark_deleted(session: Session, run_id: int) -> None:
    """As `delete_run`, in a transaction of the caller's."""
    run = _existing(session, run_id)
    if not Status(run.status).ended:
        raise RunError(f"{_named(run)} is {run.status}: stop it first with `reeltop stop {run_id}`")
    dependant = aliased(Run)
    needs = (
        select(dependant)
        .join(RunInput, RunInput.run_id == dependant.id)
        .where(
            RunInput.source_run_id == run_id,
            dependant.deleted_at.is_(None),
            dependant.status.in_([status.value for status in Status if not status.ended]),
        )
    )
    if other := session.scalars(needs).first():
        raise RunError(
            f"{_named(run)} is an input of {_named(other)}, which is {other.status}: stop that first"
        )
    run.deleted_at = now()


def find_run(store: Store, ref: str) -> int:
    """The id of the run that `ref` means: an id, a unique name, `@last` (newest) or `@best` (highest F1-mean).

    Raises:
        RunError: none, or several of the name.
    """
    with store.read() as session:
        if ref in ("@last", "@best"):
            found = _newest(session) if ref == "@last" else _best(session)
            if found is None:
                raise RunError(f"{ref}: no run {'yet' if ref == '@last' else 'has an F1-mean yet'}")
            return found
        listed = Run.deleted_at.is_(None)
        if ref.isascii() and ref.isdigit() and len(ref) < 10:
            by_id = session.scalar(select(Run.id).where(Run.id == int(ref), listed))
            if by_id is not None:
                return by_id
        named = list(session.scalars(select(Run.id).where(Run.name == ref, listed).order_by(Run.id.desc())))
        if len(named) == 1:
            return named[0]
        shown = printable(ref)
        if named:
            ids = ", ".join(str(run_id) for run_id in reversed(named[:10]))
            raise RunError(f"{len(named)} runs are named {shown}: say which by id, such as {ids}")
        names = session.scalars(select(Run.name).where(listed).order_by(Run.id.desc()).limit(2000))
        near = difflib.get_close_matches(ref, dict.fromkeys(names), n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(printable(name) for name in near)}?" if near else "see `reeltop ls`"
    raise RunError(f"no run {shown}: {hint}")


def run_directory(run_id: int, name: str) -> str:
    """The run's directory, relative to the workspace."""
    return Workspace(Path(), "").run_dir(run_id, name).as_posix()


def param_rows(run_id: int, params: Mapping[str, ParamValue]) -> list[dict[str, Any]]:
    """Rows of `run_param`: every value as text (`true`, `null`, `0.001`), finite numbers as numbers too."""
    return [
        {"run_id": run_id, "key": key, "text": _param_text(value), "number": _param_number(value)}
        for key, value in params.items()
    ]


def experiment_id(session: Session, name: str | None) -> int | None:
    """The id of the experiment called `name`, made where it is new."""
    if name is None:
        return None
    found = session.scalar(select(Experiment.id).where(Experiment.name == name))
    if found is not None:
        return found
    row = Experiment(name=name)
    session.add(row)
    session.flush()
    return row.id


def _new_row(session: Session, run: NewRun, created: datetime) -> Run:
    return Run(
        experiment_id=experiment_id(session, run.experiment),
        stage=run.stage,
        name=run.name,
        status=Status.QUEUED.value,
        intent=Intent.RUN.value,
        created=created,
        config_hash=run.config_hash,
        seed=run.seed,
        gpus=run.gpus,
        priority=run.priority,
        notes=run.notes,
        directory="",
    )


def _set_where(session: Session, run_id: int, from_: Collection[Status], values: dict[str, Any]) -> bool:
    statement = (
        update(Run)
        .where(
            Run.id == run_id,
            Run.status.in_([status.value for status in from_]),
            Run.held.is_(False) if values["status"] == Status.STARTING.value else true(),
        )
        .values(values)
        .execution_options(synchronize_session=False)
    )
    return cast(CursorResult[Any], session.execute(statement)).rowcount == 1


def _existing(session: Session, run_id: int) -> Run:
    run = session.get(Run, run_id)
    if run is None or run.deleted_at is not None:
        raise RunError(f"no run {run_id}: see `reeltop ls`")
    return run


def _named(run: Run) -> str:
    return f"run {run.id} ({printable(run.name)})"


def _request(store: Store, run_id: int, intent: Intent) -> None:
    with store.write() as session:
        run = _existing(session, run_id)
        if Status(run.status).ended:
            raise RunError(f"{_named(run)} is already {run.status}")
        if run.intent != Intent.KILL.value:
            run.intent = intent.value


def _newest(session: Session) -> int | None:
    return session.scalar(select(Run.id).where(Run.deleted_at.is_(None)).order_by(Run.id.desc()).limit(1))


def _best(session: Session) -> int | None:
    scored = (
        select(Run.id)
        .join(MetricSummary, MetricSummary.run_id == Run.id)
        .where(MetricSummary.key == BEST_METRIC, MetricSummary.max.is_not(None), Run.deleted_at.is_(None))
        .order_by(MetricSummary.max.desc(), MetricSummary.run_id.desc())
        .limit(1)
    )
    finished = session.scalar(scored.where(Run.status == Status.FINISHED.value))
    return finished if finished is not None else session.scalar(scored)


def _param_text(value: ParamValue) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:_PARAM_TEXT]


def _param_number(value: ParamValue) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
