"""What a person does to a run, the same from the command line and from the interface."""

from typing import TYPE_CHECKING, Literal

from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.store.database import Store

Verb = Literal["stop", "kill", "resume", "delete"]


def act(workspace: Workspace, store: "Store", run_id: int, verb: Verb) -> None:
    """Write the wish, keep the run's manifest true, and see to it that a supervisor is there to act.

    Raises:
        RunError: the run is not in a state for it.
    """
    from engine.store import runs
    from engine.supervisor.client import ensure_supervisor
    from engine.supervisor.launch import write_manifest

    do = {
        "stop": runs.request_stop,
        "kill": runs.request_kill,
        "resume": runs.resume_run,
        "delete": runs.delete_run,
    }[verb]
    do(store, run_id)
    write_manifest(workspace, store, run_id)
    if verb != "delete":
        ensure_supervisor(workspace)
