"""What a person does to a run, the same from the command line and from the interface."""

import time
from typing import TYPE_CHECKING, Literal

from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.store.database import Store

_SETTLE_SECONDS = 5.0
_POLL_SECONDS = 0.1
Verb = Literal["stop", "kill", "resume", "delete", "hold", "release"]


def act(workspace: Workspace, store: "Store", run_id: int, verb: Verb) -> None:
    """Write the wish, keep the run's manifest true, and see to it that a supervisor is there to act.

    Raises:
        RunError: the run is not in a state for it.
    """
    from engine.store import queueing, runs
    from engine.supervisor.client import ensure_supervisor
    from engine.supervisor.launch import write_manifest

    do = {
        "stop": runs.request_stop,
        "kill": runs.request_kill,
        "resume": runs.resume_run,
        "delete": runs.delete_run,
        "hold": queueing.hold_run,
        "release": queueing.release_run,
    }[verb]
    if verb == "resume":
        _settle(workspace, store, run_id)
    do(store, run_id)
    write_manifest(workspace, store, run_id)
    if verb not in ("delete", "hold"):
        ensure_supervisor(workspace)


def prioritize(workspace: Workspace, store: "Store", run_id: int, priority: int) -> None:
    """Give a queued run another priority, and keep its manifest true.

    Raises:
        RunError: it is not queued, or the priority is out of range.
    """
    from engine.store.queueing import set_priority
    from engine.supervisor.launch import write_manifest

    set_priority(store, run_id, priority)
    write_manifest(workspace, store, run_id)


def move(workspace: Workspace, store: "Store", run_id: int, by: int) -> None:
    """Let a queued run change places with the one before or after it, and keep the manifests true.

    Raises:
        RunError: it is not queued, or there is no place further.
    """
    from engine.store.queueing import move_run
    from engine.supervisor.launch import write_manifest

    for changed in move_run(store, run_id, by):
        write_manifest(workspace, store, changed)


def watch(workspace: Workspace, store: "Store") -> None:
    """Whoever looks at live runs sees to it that a supervisor does too: a dead one must not leave them `running`."""
    from engine.store.queries import live_runs
    from engine.supervisor.client import ensure_supervisor

    if live_runs(store):
        ensure_supervisor(workspace)


def _settle(workspace: Workspace, store: "Store", run_id: int) -> None:
    """Give a supervisor the time to notice that a run which says it is live is dead."""
    from engine.store.queries import run_row
    from engine.supervisor.client import ensure_supervisor, supervisor_alive

    if not run_row(store, run_id).status.live or supervisor_alive(workspace):
        return
    ensure_supervisor(workspace)
    deadline = time.monotonic() + _SETTLE_SECONDS
    while run_row(store, run_id).status.live and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
