"""What a person does to the queue: its order, priorities, runs held back; each in one transaction."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.errors import RunError
from engine.format import printable
from engine.store.database import Store
from engine.store.models import Run
from engine.store.views import Status

LOWEST, HIGHEST = -1000, 1000
HELD = "held: nothing starts it until it is released"


def hold_run(store: Store, run_id: int) -> None:
    """Keep a queued run from being started until it is released.

    Raises:
        RunError: no such run, or it is not queued.
    """
    with store.write() as session:
        run = _queued(session, run_id, "held")
        run.held, run.waiting_for = True, HELD


def release_run(store: Store, run_id: int) -> None:
    """Let a held run start when its turn comes.

    Raises:
        RunError: no such run, it is not queued, or it is not held.
    """
    with store.write() as session:
        run = _queued(session, run_id, "released")
        if not run.held:
            raise RunError(f"run {run.id} ({printable(run.name)}) is not held")
        run.held, run.waiting_for = False, None


def set_priority(store: Store, run_id: int, priority: int) -> None:
    """Change when a queued run leaves the queue: higher first, then the older.

    Raises:
        RunError: no such run, it is not queued, or the priority is out of range.
    """
    if not LOWEST <= priority <= HIGHEST:
        raise RunError(f"priority {priority} is out of range: give one from {LOWEST} to {HIGHEST}")
    with store.write() as session:
        _queued(session, run_id, "given another priority").priority = priority


def move_run(store: Store, run_id: int, by: int) -> tuple[int, ...]:
    """Let a queued run change places with the one before (`by` -1) or after it (1); ids of the changed ones.

    Only priorities of the two and of runs before them are raised, so that what is queued later still comes last.

    Raises:
        RunError: no such run, it is not queued, is the first or the last, or priorities would get out of range.
    """
    with store.write() as session:
        moved = _queued(session, run_id, "moved")
        queue = list(
            session.scalars(
                select(Run)
                .where(Run.status == Status.QUEUED.value, Run.deleted_at.is_(None))
                .order_by(Run.priority.desc(), Run.id)
            )
        )
        place = queue.index(moved)
        other = place + by
        if not 0 <= other < len(queue):
            raise RunError(
                f"run {moved.id} ({printable(moved.name)}) is the {'first' if by < 0 else 'last'} of the queue"
            )
        queue[place], queue[other] = queue[other], queue[place]
        return _raise_priorities(queue, max(place, other))


def _raise_priorities(queue: Sequence[Run], last: int) -> tuple[int, ...]:
    """Give the runs before `last` the least priorities with which they stand in this order."""
    changed = []
    for place in range(last - 1, -1, -1):
        run, after = queue[place], queue[place + 1]
        least = after.priority if run.id < after.id else after.priority + 1
        if run.priority >= least:
            continue
        if least > HIGHEST:
            raise RunError(
                f"run {run.id} ({printable(run.name)}) would need a priority above {HIGHEST}: "
                f"lower that of run {after.id} ({printable(after.name)}) first"
            )
        run.priority = least
        changed.append(run.id)
    return tuple(changed)


def _queued(session: Session, run_id: int, what: str) -> Run:
    run = session.get(Run, run_id)
    if run is None or run.deleted_at is not None:
        raise RunError(f"no run {run_id}: see `reeltop ls`")
    if run.status != Status.QUEUED.value:
        raise RunError(
            f"run {run.id} ({printable(run.name)}) is {run.status}: only a queued run can be {what}"
        )
    return run
