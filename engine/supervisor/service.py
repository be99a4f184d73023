"""The supervisor as a process: the only one of its store, at work until it is idle or told to end."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import ReeltopError, RunError, StoreError
from engine.store.database import Store, shown_url
from engine.supervisor.launch import run_command
from engine.supervisor.needs import busy
from engine.supervisor.supervisor import Supervisor
from engine.workspace import Workspace

IDLE_SECONDS = 300.0
_TICK_SECONDS = 0.25
_PATIENCE_SECONDS = 5.0  # with a store that is out of sight
_ASKERS_SECONDS = 2.0  # whoever only asks whether the lock is held, holds it for a moment
_SQLITE_PREFIX = "sqlite:///"
log = logging.getLogger("reeltop.supervisor")


def serve(
    workspace: Workspace,
    idle: float | None = IDLE_SECONDS,
    *,
    command: Callable[[Path], list[str]] = run_command,
) -> None:
    """Work until nothing was to be done for `idle` seconds (None: for ever), or SIGTERM or SIGINT comes.

    A queue that waits for stopped or crashed runs alone is nothing to do: whoever resumes one starts a supervisor.
    Runs go on without it. `command` gives the command line of a run's process. To be called from the main thread.

    Raises:
        RunError: this store has a supervisor already.
        StoreError: the store cannot be opened, or was deleted or replaced meanwhile.
    """
    told_to_end = _listen_to_signals()
    store = Store.open(workspace.store_url)
    lock = FileLock(workspace.supervisor_lock)
    try:
        lock.acquire(timeout=_ASKERS_SECONDS)
    except Timeout:
        store.close()
        raise RunError(f"a supervisor is at work already: see {workspace.supervisor_log}") from None
    try:
        log.info("supervisor %d of %s at work", os.getpid(), shown_url(workspace.store_url))
        while True:
            _work(Supervisor(workspace, store, command=command), workspace, idle, told_to_end)
            lock.release()
            # Whoever queued a run just before the release saw a supervisor, and relies on it.
            if told_to_end.is_set() or not _busy(store):
                return
            try:
                lock.acquire(timeout=_ASKERS_SECONDS)
            except Timeout:
                return
    finally:
        lock.release(force=True)
        store.close()
        log.info("supervisor %d has ended", os.getpid())


def _work(
    supervisor: Supervisor, workspace: Workspace, idle: float | None, told_to_end: threading.Event
) -> None:
    file = _StoreFile(workspace.store_url)
    idle_since: float | None = None
    while not told_to_end.is_set():
        if file.is_there():
            supervisor.tick()
        now = time.monotonic()
        if not supervisor.idle:
            idle_since = None
        elif idle_since is None:
            idle_since = now
        elif idle is not None and now - idle_since >= idle:
            log.info("nothing to do for %g s", idle)
            return
        told_to_end.wait(_TICK_SECONDS)


class _StoreFile:
    """Watches that the file of a SQLite store stays the one that was opened: an open handle would not tell."""

    def __init__(self, url: str) -> None:
        self._path = Path(url.removeprefix(_SQLITE_PREFIX)) if url.startswith(_SQLITE_PREFIX) else None
        self._first = self._path.stat() if self._path else None
        self._missing_since: float | None = None

    def is_there(self) -> bool:
        """Whether it may be used now.

        Raises:
            StoreError: it is another file, or was out of sight for too long.
        """
        if self._path is None or self._first is None:
            return True
        try:
            same = os.path.samestat(self._path.stat(), self._first)
        except OSError:
            now = time.monotonic()
            self._missing_since = self._missing_since or now
            if now - self._missing_since > _PATIENCE_SECONDS:
                raise StoreError(
                    f"store {self._path} is gone: make it again with `reeltop rebuild`; runs go on"
                ) from None
            return False
        self._missing_since = None
        if not same:
            raise StoreError(f"store {self._path} was replaced by another file: a new supervisor takes over")
        return True


def _busy(store: Store) -> bool:
    try:
        return busy(store)
    except (StoreError, SQLAlchemyError) as error:
        log.warning("%s", str(error).splitlines()[0])
        return False


def _listen_to_signals() -> threading.Event:
    told_to_end = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        told_to_end.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return told_to_end


def log_to_stderr() -> None:
    """Messages with their time on standard error, which is the supervisor's log file when it is detached."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)


def serve_as_program(workspace: Workspace, idle: float | None) -> int:
    """`serve` with its errors as one line on standard error; returns the exit code."""
    log_to_stderr()
    try:
        serve(workspace, idle)
    except ReeltopError as error:
        log.error("%s", error)
        return 1
    return 0
