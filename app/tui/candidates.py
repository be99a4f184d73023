"""Which runs can be an input: those of fitting stages, finished ones first, with the checkpoints that they have."""

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.store.views import RunRow, Status

if TYPE_CHECKING:
    from engine.store.database import Store

_MOST = 300
_HOPEFUL = (Status.FINISHED, Status.RUNNING, Status.STARTING, Status.QUEUED, Status.STOPPED)
_WITHOUT_CHECKPOINT = ("features",)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run, and one of its checkpoints (None: what fits, the best or else the last); `reference` is what is typed."""

    run: RunRow
    which: str | None
    reference: str


def candidates(store: "Store", role: str) -> tuple[Candidate, ...]:
    """What can be given in a role: the newest finished runs first, then those that have not ended."""
    from engine.planning.pipeline import stages_of_role
    from engine.planning.relaunch import reference_to
    from engine.store.queries import list_runs

    found: list[RunRow] = []
    for stage in stages_of_role(role):
        found += list_runs(store, f"stage={stage}", "-created", _MOST).runs
    chosen = [run for run in found if run.status in _HOPEFUL]
    chosen.sort(key=lambda run: (_HOPEFUL.index(run.status), -run.id))
    chosen = chosen[:_MOST]
    saved = {} if role in _WITHOUT_CHECKPOINT else _checkpoints(store, [run.id for run in chosen])
    made: list[Candidate] = []
    for run in chosen:
        reference = reference_to(store, run)
        made.append(Candidate(run, None, reference))
        made += [Candidate(run, which, f"{reference}@{which}") for which in saved.get(run.id, ())]
    return tuple(made)


def _checkpoints(store: "Store", run_ids: list[int]) -> dict[int, list[str]]:
    """`best`, `last`, then the epochs, the newest first, as far as they were saved and are there."""
    from sqlalchemy import select

    from engine.store.models import Checkpoint

    query = select(Checkpoint.run_id, Checkpoint.kind, Checkpoint.epoch).where(
        Checkpoint.run_id.in_(run_ids), Checkpoint.deleted_at.is_(None)
    )
    kinds: dict[int, set[str]] = defaultdict(set)
    epochs: dict[int, set[int]] = defaultdict(set)
    with store.connection() as connection:
        for run_id, kind, epoch in connection.execute(query):
            if kind == "ema":
                continue
            kinds[run_id] |= {"last", kind}
            if epoch is not None:
                epochs[run_id].add(epoch)
    return {
        run_id: [
            *(word for word in ("best", "last") if word in kinds[run_id]),
            *(f"epoch-{epoch}" for epoch in sorted(epochs[run_id], reverse=True)),
        ]
        for run_id in kinds
    }
