"""What the supervisor reads of the store: live runs, the queue, and what queued runs build on."""

import platform
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import aliased

from engine.format import printable
from engine.store.database import Store
from engine.store.models import Run, RunConfig, RunInput
from engine.store.views import Intent, Status

LIVE = (Status.STARTING, Status.RUNNING)
HOST = platform.node()
_HERE = or_(Run.host.is_(None), Run.host == HOST)  # of a pid or a lock elsewhere, nothing is known


@dataclass(frozen=True, slots=True)
class LiveRow:
    """A run that has, or is about to have, a process."""

    id: int
    name: str
    directory: str
    status: Status
    intent: Intent
    pid: int | None
    pid_started: float | None
    records_offset: int
    devices: str | None


@dataclass(frozen=True, slots=True)
class QueuedRow:
    """A run in the queue."""

    id: int
    name: str
    directory: str
    intent: Intent
    gpus: int
    attempt: int
    held: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """An input of a run; `status` is None where the source is not in the store."""

    role: str
    which: str | None
    run_id: int
    name: str
    directory: str
    status: Status | None
    deleted: bool

    def __str__(self) -> str:
        return f"run {self.run_id} ({printable(self.name)})" if self.status else f"run {self.run_id}"


@dataclass(frozen=True, slots=True)
class Report:
    """What the run itself said of its end, and how far its records are taken in."""

    status: str | None
    error: str | None
    offset: int


def live_rows(store: Store) -> list[LiveRow]:
    """Runs that are starting or running on this host; where nobody has said where, it is this one."""
    query = select(
        Run.id,
        Run.name,
        Run.directory,
        Run.status,
        Run.intent,
        Run.pid,
        Run.pid_started,
        Run.records_offset,
        Run.devices,
    ).where(Run.status.in_([status.value for status in LIVE]), _HERE)
    with store.connection() as connection:
        rows = connection.execute(query.order_by(Run.id)).all()
    return [
        LiveRow(
            id=row.id,
            name=row.name,
            directory=row.directory,
            status=Status(row.status),
            intent=Intent(row.intent),
            pid=row.pid,
            pid_started=row.pid_started,
            records_offset=row.records_offset,
            devices=row.devices,
        )
        for row in rows
    ]


def queued_rows(store: Store) -> list[QueuedRow]:
    """The queue: higher priority first, then older."""
    query = (
        select(Run.id, Run.name, Run.directory, Run.intent, Run.gpus, Run.attempt, Run.held)
        .where(Run.status == Status.QUEUED.value)
        .order_by(Run.priority.desc(), Run.id)
    )
    with store.connection() as connection:
        rows = connection.execute(query).all()
    return [
        QueuedRow(row.id, row.name, row.directory, Intent(row.intent), row.gpus, row.attempt, row.held)
        for row in rows
    ]


def sources_of_queued(store: Store) -> dict[int, list[Source]]:
    """Inputs of every queued run, in the order they were given."""
    source, dependant = aliased(Run), aliased(Run)
    query = (
        select(
            RunInput.run_id,
            RunInput.role,
            RunInput.which,
            RunInput.source_run_id,
            source.name,
            source.directory,
            source.status,
            source.deleted_at,
        )
        .join(dependant, dependant.id == RunInput.run_id)
        .outerjoin(source, source.id == RunInput.source_run_id)
        .where(dependant.status == Status.QUEUED.value)
        .order_by(RunInput.id)
    )
    found: dict[int, list[Source]] = defaultdict(list)
    with store.connection() as connection:
        for row in connection.execute(query):
            found[row.run_id].append(
                Source(
                    role=row.role,
                    which=row.which,
                    run_id=row.source_run_id,
                    name=row.name or "",
                    directory=row.directory or "",
                    status=Status(row.status) if row.status else None,
                    deleted=row.deleted_at is not None,
                )
            )
    return found


def report_of(store: Store, run_id: int) -> Report | None:
    """The run's own word on its end; None where the run is not in the store."""
    query = select(Run.reported_status, Run.reported_error, Run.records_offset).where(Run.id == run_id)
    with store.connection() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else Report(row.reported_status, row.reported_error, row.records_offset)


def config_of(store: Store, run_id: int) -> dict[str, Any]:
    """The run's config as it was queued."""
    with store.connection() as connection:
        config: dict[str, Any] = connection.execute(
            select(RunConfig.config).where(RunConfig.run_id == run_id)
        ).scalar_one()
    return config


def directory_of(store: Store, run_id: int) -> str:
    """The run's directory, relative to the workspace."""
    with store.connection() as connection:
        return str(connection.execute(select(Run.directory).where(Run.id == run_id)).scalar_one())
