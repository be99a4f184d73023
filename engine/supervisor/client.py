"""How others reach the supervisor: ask whether one is at work, start one, detached, where none is."""

import subprocess
import sys
import threading
import time

from engine.errors import RunError
from engine.format import printable
from engine.process import environment_of_child
from engine.runlock import is_flocked
from engine.workspace import STORE_VARIABLE, Workspace

_START_SECONDS = 20.0
_LOG_BYTES = 4 << 20


def supervisor_alive(workspace: Workspace) -> bool:
    """Whether a supervisor of this store is at work."""
    return is_flocked(workspace.supervisor_lock)


def ensure_supervisor(workspace: Workspace, *, idle: float | None = None) -> None:
    """See to it that a supervisor is at work; it outlives the caller, its terminal and its session.

    Raises:
        RunError: it could not be started, with the last line of its log.
    """
    if supervisor_alive(workspace):
        return
    command = [sys.executable, "-P", "-m", "engine.supervisor"]
    command += ["--workspace", str(workspace.root)]
    if idle is not None:
        command += ["--idle", str(idle)]
    path = workspace.supervisor_log
    try:
        # What it said weeks ago is of no use to anybody.
        mode = "wb" if path.exists() and path.stat().st_size > _LOG_BYTES else "ab"
        with path.open(mode) as log:
            process = subprocess.Popen(
                command,
                cwd=workspace.root,
                # Not on the command line, which everybody on the machine may read: it may hold a password.
                env=environment_of_child() | {STORE_VARIABLE: workspace.store_url},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    except OSError as error:
        raise RunError(f"the supervisor cannot be started: {error}") from error
    # Reaped when it ends before the caller does; nobody waits for it.
    threading.Thread(target=process.wait, name="supervisor-reaper", daemon=True).start()
    deadline = time.monotonic() + _START_SECONDS
    while not supervisor_alive(workspace):
        if process.poll() is not None and not supervisor_alive(workspace):
            raise RunError(f"the supervisor ended at once: {_last_line(workspace)}")
        if time.monotonic() > deadline:
            raise RunError(f"the supervisor does not get to work: see {path}")
        time.sleep(0.02)


def _last_line(workspace: Workspace) -> str:
    try:
        text = workspace.supervisor_log.read_bytes()[-4096:].decode("utf-8", "replace")
    except OSError as error:
        return str(error)
    lines = [line for line in text.splitlines() if line.strip()]
    return printable(lines[-1]) if lines else f"see {workspace.supervisor_log}"
