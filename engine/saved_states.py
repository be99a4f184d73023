"""What a person does to a run's checkpoints: keep one, remove one, name one as the input of another run."""

import shutil
from pathlib import Path

from engine.errors import RunError
from engine.format import printable
from engine.pins import pin_of
from engine.store.database import Store
from engine.store.queries import checkpoint_of, run_detail, run_row
from engine.store.saved import mark_deleted, set_pinned
from engine.workspace import Workspace


def pin(workspace: Workspace, store: Store, run_id: int, path: str, pinned: bool) -> None:
    """Keep a checkpoint, or no longer: a running training then leaves it, or may remove it.

    Raises:
        RunError: there is no such run or checkpoint.
        OSError: the run's directory cannot be written.
    """
    mark = pin_of(_folder(workspace, store, run_id, path))
    set_pinned(store, run_id, path, pinned)
    if pinned:
        mark.touch()
    else:
        mark.unlink(missing_ok=True)


def remove(workspace: Workspace, store: Store, run_id: int, path: str) -> None:
    """Remove a checkpoint of an ended run from the store and from the disk; nothing brings it back.

    Raises:
        RunError: there is none, it is pinned, or its run or one that builds on it has not ended.
        OSError: its files cannot be removed.
    """
    folder = _folder(workspace, store, run_id, path)
    mark_deleted(store, run_id, path)
    if not folder.exists():
        return
    # Renamed first, to a name that a resumed run clears away: a half-removed checkpoint must not look like one.
    doomed = folder.with_name(f".partial-old-{folder.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    if doomed.is_dir():
        shutil.rmtree(doomed)
    else:
        doomed.unlink()


def reference_to(store: Store, run_id: int, path: str) -> str | None:
    """How another run names this checkpoint, such as `best` or `epoch-3`; None where nothing names it."""
    saved = [row for row in run_detail(store, run_id).checkpoints if row.path == path]
    words = [row.kind for row in saved if row.kind in ("best", "last")]
    words += [f"epoch-{row.epoch}" for row in saved if row.epoch is not None]
    for word in ("best", *words, "last"):
        named = checkpoint_of(store, run_id, word)
        if named is not None and named.path == path:
            return word
    return None


def _folder(workspace: Workspace, store: Store, run_id: int, path: str) -> Path:
    run = workspace.resolve(run_row(store, run_id).directory)
    folder = run / path
    if run not in folder.resolve().parents:
        raise RunError(
            f"run {run_id}: checkpoint {printable(path)} lies outside the run's directory: left alone"
        )
    return folder
