"""What a run was made from, and what was made from it: the part of the graph of runs around one of them."""

from dataclasses import dataclass

from sqlalchemy import select

from engine.errors import RunError
from engine.store.database import Store
from engine.store.models import Run, RunInput
from engine.store.views import Status

MOST_RUNS = 300


@dataclass(frozen=True, slots=True)
class LineageRun:
    """A run of the graph; `status` is None where the store does not have it, `deleted` where it is in no list."""

    id: int
    name: str
    stage: str
    status: Status | None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class LineageEdge:
    """`run` builds on `source`, as which `role`, from which checkpoint."""

    source: int
    run: int
    role: str
    which: str | None


@dataclass(frozen=True, slots=True)
class Lineage:
    """All that `run` builds on, and all that builds on it, at any distance; `cut` when there is more than is shown."""

    run: int
    runs: dict[int, LineageRun]
    edges: tuple[LineageEdge, ...]
    cut: bool = False

    def inputs(self, run_id: int) -> list[LineageEdge]:
        """What a run builds on."""
        return [edge for edge in self.edges if edge.run == run_id]

    def dependants(self, run_id: int) -> list[LineageEdge]:
        """What builds on a run."""
        return [edge for edge in self.edges if edge.source == run_id]


def lineage(store: Store, run_id: int) -> Lineage:
    """The graph around a run.

    Raises:
        RunError: there is no such run.
    """
    edges: dict[LineageEdge, None] = {}
    known = {run_id}
    cut = False
    with store.read() as session:
        for upwards in (True, False):
            level = {run_id}
            while level:
                here = RunInput.run_id if upwards else RunInput.source_run_id
                query = (
                    select(RunInput.source_run_id, RunInput.run_id, RunInput.role, RunInput.which)
                    .join(Run, Run.id == RunInput.run_id)
                    .where(here.in_(level))
                    .order_by(RunInput.id)
                )
                if not upwards:  # a deleted run counts as an input of others, not as their dependant
                    query = query.where(Run.deleted_at.is_(None))
                found = [LineageEdge(*row) for row in session.execute(query)]
                level = {edge.source if upwards else edge.run for edge in found} - known
                cut = cut or len(known) + len(level) > MOST_RUNS
                level = set(sorted(level)[: MOST_RUNS - len(known)])
                known |= level
                edges |= dict.fromkeys(edge for edge in found if edge.source in known and edge.run in known)
        rows = session.execute(
            select(Run.id, Run.name, Run.stage, Run.status, Run.deleted_at).where(Run.id.in_(known))
        ).all()
    runs = {
        row.id: LineageRun(row.id, row.name, row.stage, Status(row.status), row.deleted_at is not None)
        for row in rows
    }
    if run_id not in runs:
        raise RunError(f"no run {run_id}: see `reeltop ls`")
    for missing in known - runs.keys():
        runs[missing] = LineageRun(missing, "?", "", None)
    return Lineage(run_id, runs, tuple(edges), cut)
