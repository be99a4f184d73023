"""What people say about runs: names, tags, notes, pins; and deleted runs brought back."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.output import print_json, run_json
from app.verbs.runs import open_store
from engine.edits import edit
from engine.errors import ReeltopError
from engine.format import printable
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.store.database import Store
    from engine.store.edits import Before


def split_tags(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tags to give (`+best`, `best`) and tags to take away (`-old`).

    Raises:
        ReeltopError: there is none.
    """
    add = [word.removeprefix("+") for word in words if not word.startswith("-")]
    remove = [word[1:] for word in words if word.startswith("-")]
    if not all((*add, *remove)) or not (add or remove):
        raise ReeltopError("write +best to give a tag, -old to take one away")
    return add, remove


def tag_run(workspace: Workspace, reference: str, words: Sequence[str], *, as_json: bool) -> None:
    """Give and take away tags."""
    from engine.store.edits import tag_runs

    add, remove = split_tags(words)
    _edited(
        workspace,
        reference,
        lambda store, run_id: tag_runs(store, [run_id], add, remove),
        "tagged",
        as_json=as_json,
    )


def rename_run(workspace: Workspace, reference: str, name: str, *, as_json: bool) -> None:
    """Another name."""
    from engine.store import edits

    _edited(
        workspace,
        reference,
        lambda store, run_id: edits.rename_run(store, run_id, name),
        "renamed",
        as_json=as_json,
    )


def note_run(workspace: Workspace, reference: str, text: str, *, as_json: bool) -> None:
    """Another note; `-` reads it from standard input."""
    from engine.store.edits import set_notes

    note = sys.stdin.read().rstrip() if text == "-" else text
    _edited(
        workspace, reference, lambda store, run_id: set_notes(store, [run_id], note), "noted", as_json=as_json
    )


def pin_run(workspace: Workspace, reference: str, *, pinned: bool, as_json: bool) -> None:
    """A pin, or none."""
    from engine.store.edits import pin_runs

    _edited(
        workspace,
        reference,
        lambda store, run_id: pin_runs(store, [run_id], pinned=pinned),
        "pinned" if pinned else "no longer pinned",
        as_json=as_json,
    )


def restore_run(workspace: Workspace, reference: str, *, as_json: bool) -> None:
    """A deleted run in the lists again."""
    from engine.store.edits import find_deleted, restore_runs

    _edited(
        workspace,
        reference,
        lambda store, run_id: restore_runs(store, [run_id]),
        "restored",
        find=find_deleted,
        as_json=as_json,
    )


def _edited(
    workspace: Workspace,
    reference: str,
    change: "Callable[[Store, int], tuple[Before, ...]]",
    done: str,
    *,
    find: "Callable[[Store, str], int] | None" = None,
    as_json: bool,
) -> None:
    from engine.store.queries import run_row
    from engine.store.runs import find_run

    store = open_store(workspace)
    run_id = (find or find_run)(store, reference)
    edit(workspace, store, lambda opened: change(opened, run_id))
    row = run_row(store, run_id)
    if as_json:
        print_json(run_json(row))
        return
    tags = f"  tags: {' '.join(printable(tag) for tag in row.tags) or 'none'}" if done == "tagged" else ""
    print(f"run {run_id} {printable(row.name)} is {done}{tags}")
