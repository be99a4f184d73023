"""What a person changes of runs after the fact: name, tags, notes, pin, deleted or not; one transaction each.

Every edit returns how the runs were before, which `put_back` takes: an edit and its undo touch the same columns only.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from engine.errors import RunError
from engine.format import printable
from engine.store.database import Store
from engine.store.models import Run, RunTag, storable
from engine.store.runs import mark_deleted

LONGEST_NAME, LONGEST_TAG, LONGEST_NOTE = 200, 100, 100_000
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


@dataclass(frozen=True, slots=True)
class Before:
    """A run as it was: the columns that an edit set, and its tags where it changed those."""

    run_id: int
    columns: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] | None = None


def rename_run(store: Store, run_id: int, name: str) -> tuple[Before, ...]:
    """Give a run another name; its directory keeps the old one.

    Raises:
        RunError: no such run, or no name that can be told from an id or a reference.
    """
    check_name(name)
    return _edit(store, [run_id], lambda _session, run: _set(run, name=name))


def set_notes(store: Store, run_ids: Sequence[int], text: str) -> tuple[Before, ...]:
    """Write runs' notes anew, of any number of lines; empty takes them away.

    Raises:
        RunError: no such run, or a text longer than notes may be.
    """
    if len(text) > LONGEST_NOTE:
        raise RunError(
            f"a note of {len(text):,} characters: {LONGEST_NOTE:,} at most; keep the rest in a file"
        )
    return _edit(store, run_ids, lambda _session, run: _set(run, notes=text))


def pin_runs(store: Store, run_ids: Sequence[int], *, pinned: bool = True) -> tuple[Before, ...]:
    """Pin runs, or take the pin away.

    Raises:
        RunError: no such run.
    """
    return _edit(store, run_ids, lambda _session, run: _set(run, pinned=pinned))


def tag_runs(
    store: Store, run_ids: Sequence[int], add: Iterable[str] = (), remove: Iterable[str] = ()
) -> tuple[Before, ...]:
    """Give runs tags and take others away; what a run has or lacks already stays so.

    Raises:
        RunError: no such run, or a tag that could not be typed.
    """
    new, old = [storable(tag) for tag in add], {storable(tag) for tag in remove}
    for tag in new:
        check_tag(tag)
        if tag in old:
            raise RunError(f"tag `{printable(tag)}` is both given and taken away: say one of them")

    def change(session: Session, run: Run) -> Before:
        tags = _tags(session, run.id)
        _write_tags(session, run.id, [tag for tag in dict.fromkeys((*tags, *new)) if tag not in old])
        return Before(run.id, tags=tags)

    return _edit(store, run_ids, change)


def delete_runs(store: Store, run_ids: Sequence[int]) -> tuple[Before, ...]:
    """Take ended runs out of every list, all or none of them; their rows and directories stay.

    Raises:
        RunError: no such run, one has not ended, or a run that has not ended needs it.
    """

    def change(session: Session, run: Run) -> Before:
        mark_deleted(session, run.id)
        return Before(run.id, {"deleted_at": None})

    return _edit(store, run_ids, change)


def restore_runs(store: Store, run_ids: Sequence[int]) -> tuple[Before, ...]:
    """Bring deleted runs back into the lists.

    Raises:
        RunError: no such run, or it was not deleted.
    """

    def change(_session: Session, run: Run) -> Before:
        if run.deleted_at is None:
            raise RunError(f"run {run.id} ({printable(run.name)}) is not deleted")
        return _set(run, deleted_at=None)

    return _edit(store, run_ids, change, deleted=True)


def put_back(store: Store, befores: Sequence[Before]) -> tuple[Before, ...]:
    """Take an edit back; returns what takes that back in turn.

    Raises:
        RunError: a run is not there any more.
    """
    by_id = {before.run_id: before for before in befores}

    def change(session: Session, run: Run) -> Before:
        before = by_id[run.id]
        tags = None
        if before.tags is not None:
            tags = _tags(session, run.id)
            _write_tags(session, run.id, before.tags)
        return Before(run.id, _set(run, **before.columns).columns, tags)

    return _edit(store, list(by_id), change, deleted=True)


def find_deleted(store: Store, ref: str) -> int:
    """The id of the deleted run that `ref` names: an id, or the name of one deleted run alone.

    Raises:
        RunError: none, or several of the name.
    """
    with store.read() as session:
        if ref.isascii() and ref.isdigit() and len(ref) < 10:
            run = session.get(Run, int(ref))
            if run is not None:
                return run.id
        named = session.scalars(
            select(Run.id).where(Run.name == ref, Run.deleted_at.is_not(None)).order_by(Run.id)
        ).all()
    if len(named) == 1:
        return named[0]
    shown = printable(ref)
    if named:
        ids = ", ".join(str(run_id) for run_id in named[-10:])
        raise RunError(f"{len(named)} deleted runs are named {shown}: say which by id, such as {ids}")
    raise RunError(f"no deleted run {shown}: say which by the id that `reeltop rm` told")


def check_name(name: str) -> None:
    """Names follow the rule of the configs: printable, no number, no `@`, no blank at either end.

    Raises:
        RunError: it does not.
    """
    if not name or len(name) > LONGEST_NAME:
        raise RunError(f"a name has 1 to {LONGEST_NAME} characters")
    if any(unicodedata.category(char) in _HIDDEN for char in name):
        raise RunError(f"name `{printable(name)}` has control characters in it: use printable ones")
    if name.isdecimal() or "@" in name or name != name.strip():
        raise RunError(
            f"name `{name}` would be taken for an id or a checkpoint: no number, no @, no blank at an end"
        )


def check_tag(tag: str) -> None:
    """A tag is one printable word.

    Raises:
        RunError: it is not.
    """
    if not tag or len(tag) > LONGEST_TAG:
        raise RunError(f"a tag has 1 to {LONGEST_TAG} characters")
    if any(char.isspace() or unicodedata.category(char) in _HIDDEN for char in tag):
        raise RunError(f"tag `{printable(tag)}` has a blank or a control character in it: a tag is one word")


def _edit(
    store: Store,
    run_ids: Sequence[int],
    change: Callable[[Session, Run], Before],
    *,
    deleted: bool = False,
) -> tuple[Before, ...]:
    with store.write() as session:
        befores = []
        for run_id in dict.fromkeys(run_ids):
            run = session.get(Run, run_id)
            if run is None or (run.deleted_at is not None and not deleted):
                raise RunError(f"no run {run_id}: see `reeltop ls`")
            befores.append(change(session, run))
    return tuple(befores)


def _set(run: Run, **columns: str | bool | datetime | None) -> Before:
    before = Before(run.id, {name: getattr(run, name) for name in columns})
    for name, value in columns.items():
        setattr(run, name, value)
    return before


def _tags(session: Session, run_id: int) -> tuple[str, ...]:
    return tuple(session.scalars(select(RunTag.tag).where(RunTag.run_id == run_id).order_by(RunTag.tag)))


def _write_tags(session: Session, run_id: int, tags: Sequence[str]) -> None:
    session.execute(delete(RunTag).where(RunTag.run_id == run_id))
    if tags:
        session.execute(insert(RunTag), [{"run_id": run_id, "tag": tag} for tag in tags])
