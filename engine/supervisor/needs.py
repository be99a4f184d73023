"""Dependencies: whether what a run builds on is there, may still come, or never will."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
_ARTIFACT_KINDS = {"features": "features", "member": "predictions", "members": "predictions"}
_LIST_ROLES = {"member": "members", "members": "members"}


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
    """Whether nothing in the queue can move, as every run in it waits for stopped or crashed ones in the end."""
    halted: set[int] = set()
    rest = {row.id: sources.get(row.id, ()) for row in queue}
    if any(row.intent is not Intent.RUN or judge(rest[row.id]).lost for row in queue):
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


def resolve_inputs(store: Store, sources: Sequence[Source]) -> dict[str, str | list[str]]:
    """Where the inputs are: config key under `inputs` to a path (or paths) relative to the workspace.

    Raises:
        RunError: a source has not what is asked of it.
    """
    resolved: dict[str, str | list[str]] = {}
    for source in sources:
        path = f"{source.directory}/{_output_of(store, source)}"
        if source.role in _LIST_ROLES:
            members = resolved.setdefault(_LIST_ROLES[source.role], [])
            assert isinstance(members, list)
            members.append(path)
        else:
            resolved[source.role] = path
    return resolved


def _output_of(store: Store, source: Source) -> str:
    kind = _ARTIFACT_KINDS.get(source.role)
    if kind is not None:
        artifact = artifact_of(store, source.run_id, kind)
        if artifact is None:
            raise RunError(f"inputs.{source.role}: {source} has written no {kind}")
        return artifact.path
    for which in [source.which] if source.which else ["best", "last"]:
        checkpoint = checkpoint_of(store, source.run_id, which)
        if checkpoint is not None:
            return checkpoint.path
    wanted = f"checkpoint {source.which}" if source.which else "checkpoint"
    raise RunError(f"inputs.{source.role}: {source} has no {wanted}")
