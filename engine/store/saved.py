"""Checkpoints in the store: kept, given up, and made true to what lies on the disk."""

from pathlib import Path

from sqlalchemy import select

from engine.errors import RunError
from engine.format import printable
from engine.pins import is_pinned
from engine.store.database import Store
from engine.store.models import Checkpoint, Run, RunInput
from engine.store.runs import now
from engine.store.views import Status


def set_pinned(store: Store, run_id: int, path: str, pinned: bool) -> None:
    """Note that a checkpoint is kept, or no longer; one saved state may be `best` and `epoch` at once.

    Raises:
        RunError: there is no such checkpoint.
    """
    with store.write() as session:
        found = select(Checkpoint).where(
            Checkpoint.run_id == run_id, Checkpoint.path == path, Checkpoint.deleted_at.is_(None)
        )
        rows = session.scalars(found).all()
        if not rows:
            raise RunError(f"run {run_id} has no checkpoint {printable(path)} any more")
        for row in rows:
            row.pinned = pinned


def mark_deleted(store: Store, run_id: int, path: str) -> None:
    """Note that a checkpoint of an ended run is given up.

    Raises:
        RunError: there is none, it is pinned, the run has not ended, or a run that has not ended builds on it.
    """
    with store.write() as session:
        run = session.get(Run, run_id)
        if run is None or run.deleted_at is not None:
            raise RunError(f"no run {run_id}: see `reeltop ls`")
        named = f"run {run.id} ({printable(run.name)})"
        if not Status(run.status).ended:
            raise RunError(f"{named} is {run.status}: its checkpoints are its own until it has ended")
        found = select(Checkpoint).where(
            Checkpoint.run_id == run_id, Checkpoint.path == path, Checkpoint.deleted_at.is_(None)
        )
        rows = session.scalars(found).all()
        if not rows:
            raise RunError(f"{named} has no checkpoint {printable(path)} any more")
        if any(row.pinned for row in rows):
            raise RunError(f"{named}: {printable(path)} is pinned: p takes the pin away")
        unended = [status.value for status in Status if not status.ended]
        needs = (
            select(Run)
            .join(RunInput, RunInput.run_id == Run.id)
            .where(RunInput.source_run_id == run_id, Run.deleted_at.is_(None), Run.status.in_(unended))
        )
        if (other := session.scalars(needs).first()) is not None:
            raise RunError(
                f"{named} is an input of run {other.id} ({printable(other.name)}), which is {other.status}: "
                "stop that first"
            )
        for row in rows:
            row.deleted_at = now()


def match_disk(store: Store, run_id: int, folder: Path) -> None:
    """After a store was made again: checkpoints that a person removed or pinned are so in the store as well."""
    with store.write() as session:
        rows = session.scalars(
            select(Checkpoint).where(Checkpoint.run_id == run_id, Checkpoint.deleted_at.is_(None))
        )
        for row in rows:
            if not (folder / row.path).exists():
                row.deleted_at = now()
            row.pinned = is_pinned(folder / row.path)
