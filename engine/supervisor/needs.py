"""Dependencies: whether what a run builds on is there, may still come, or never will."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.config.references import in_order, references_of
from engine.errors import RunError
from engine.store.database import Store
from engine.store.queries import artifact_of, checkpoint_of
from engine.store.views import Intent, Status
from engine.supervisor.rows import QueuedRow, Source, live_rows, queued_rows, sources_of_queued

_LOST = {
    Status.FAILED: "which failed",
    Status.CANCELLED: "which was cancelled",
    Status.SKIPPED: "which was skipped",
}
_HALTED = (Status.STOPPED, Status.CRASHED)  # until a person resumes them
_LIST_ROLES = {"members"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Go on where both are None; else `wait` for a reason, or `lost`, for another, for good."""

    wait: str | None = None
    lost: str | None = None


def judge(sources: Sequence[Source]) -> Verdict:
    """What the states of a run's inputs mean for it."""
    coming = []
    for source in sources:
        if source.status is None or source.deleted:
            return Verdict(lost=f"needs {source}, which was deleted")
        if source.status in _LOST:
            return Verdict(lost=f"needs {source}, {_LOST[source.status]}")
    for source in sources:
        if source.status in _HALTED:
            word = "is stopped" if source.status is Status.STOPPED else "has crashed"
            return Verdict(wait=f"needs {source}, which {word}: resume it or stop this run")
        if source.status is not Status.FINISHED and str(source) not in coming:
            coming.append(str(source))
    if coming:
        return Verdict(wait=f"needs {' and '.join(coming)} to finish")
    return Verdict()


def stuck(queue: Sequence[QueuedRow], sources: Mapping[int, Sequence[Source]]) -> bool:
    """Whether nothing in the queue can move, as every run in it waits for held, stopped or crashed ones in the end."""
    halted = {row.id for row in queue if row.held}
    rest = {row.id: sources.get(row.id, ()) for row in queue if not row.held}
    if any(row.intent is not Intent.RUN or judge(sources.get(row.id, ())).lost for row in queue):
        return False
    while found := {
        run_id
        for run_id, needed in rest.items()
        if any(source.status in _HALTED or source.run_id in halted for source in needed)
    }:
        halted |= found
        rest = {run_id: needed for run_id, needed in rest.items() if run_id not in found}
    return not rest


def busy(store: Store) -> bool:
    """Whether a run is live on this host, or one in the queue can still move."""
    return bool(live_rows(store)) or not stuck(queued_rows(store), sources_of_queued(store))


def resolve_inputs(
    store: Store, sources: Sequence[Source], given: Mapping[str, Any]
) -> dict[str, str | list[str]]:
    """Where the inputs are: config key under `inputs` to a path (or paths) relative to the workspace.

    Args:
        given: the run's `inputs` as its config has them: folders among the members keep their place.

    Raises:
        RunError: a source has not what is asked of it.
    """
    paths: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        paths[source.role].append(f"{source.directory}/{output_of(store, source)}")
    return {
        role: in_order(references_of(given.get(role)), found) if role in _LIST_ROLES else found[-1]
        for role, found in paths.items()
    }


def output_of(store: Store, source: Source) -> str:
    """The folder, relative to the source's own, that holds what is asked of it.

    `features` means an extract run's store, any other role a checkpoint: the asked one, else the best, else the
    last. A member without checkpoints gives its predictions, or those of its validation fold where it has no other.

    Raises:
        RunError: the source has not what is asked of it.
    """
    if source.role == "features":
        artifact = artifact_of(store, source.run_id, "features")
        if artifact is None:
            raise RunError(f"inputs.features: {source} has written no features")
        return artifact.path
    for which in [source.which] if source.which else ["best", "last"]:
        checkpoint = checkpoint_of(store, source.run_id, which)
        if checkpoint is not None:
            return checkpoint.path
    if source.role in _LIST_ROLES and source.which is None:
        for kind in ("predictions", "validation"):
            artifact = artifact_of(store, source.run_id, kind)
            if artifact is not None:
                return artifact.path
        raise RunError(f"inputs.{source.role}: {source} has neither a checkpoint nor predictions")
    wanted = f"checkpoint {source.which}" if source.which else "checkpoint"
    raise RunError(f"inputs.{source.role}: {source} has no {wanted}")
