"""Edits of runs with their manifests kept true, so that `reeltop rebuild` brings them back as they are."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.store.database import Store
    from engine.store.edits import Before

Edit = Callable[["Store"], "tuple[Before, ...]"]


def edit(workspace: Workspace, store: "Store", change: Edit) -> "tuple[Before, ...]":
    """Make one of the edits of `engine.store.edits`; returns what `undo` takes.

    Raises:
        RunError: the edit cannot be made; nothing is changed.
        OSError: a run's directory cannot be written; the store is changed, a rebuilt one would not be.
    """
    from engine.supervisor.launch import write_manifest

    befores = change(store)
    for before in befores:
        write_manifest(workspace, store, before.run_id)
    return befores


def undo(workspace: Workspace, store: "Store", befores: "tuple[Before, ...]") -> "tuple[Before, ...]":
    """Take an edit back.

    Raises:
        RunError: a run is not there any more.
        OSError: as `edit`.
    """
    from engine.store.edits import put_back

    return edit(workspace, store, lambda opened: put_back(opened, befores))
