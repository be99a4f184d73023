"""Sees to it, while the interface is open, that runs which live or wait have a supervisor."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.tui import troubles
from engine.errors import StoreError
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.store.database import Store

CHECK_SECONDS = 5.0


class Supervision:
    """A supervisor may have been killed, or have left when it had nothing to do: then another one is started.

    Args:
        store: gives the open store, or raises a StoreError.
        on_trouble: called in the thread with why none can be started, once for each new reason.
    """

    def __init__(
        self, workspace: Workspace, store: "Callable[[], Store]", on_trouble: Callable[[str], None]
    ) -> None:
        self._workspace = workspace
        self._store = store
        self._on_trouble = on_trouble
        self._ended = threading.Event()

    def close(self) -> None:
        """Let `run` return."""
        self._ended.set()

    def run(self) -> None:
        """The thread: until `close`."""
        told: str | None = None
        while not self._ended.is_set():
            trouble: str | None = None
            try:
                self._check()
            except StoreError:
                pass  # the feed says so, on every screen
            except troubles.expected() as error:
                trouble = troubles.one_line(error)
            if trouble is not None and trouble != told:
                self._on_trouble(trouble)
            told = trouble
            self._ended.wait(CHECK_SECONDS)

    def _check(self) -> None:
        from engine.store.queries import live_runs, waiting_runs
        from engine.supervisor import client

        if client.supervisor_alive(self._workspace):
            return
        store = self._store()
        if live_runs(store) or waiting_runs(store, limit=0).total:
            client.ensure_supervisor(self._workspace)
