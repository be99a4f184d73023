"""`reeltop rebuild`: the store made again from the run directories, which hold all that was ever reported."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import ReeltopError, RunError, StoreError
from engine.store.database import Store, shown_url
from engine.store.manifest import restore_run
from engine.store.models import Run
from engine.store.saved import match_disk
from engine.supervisor.intake import Intake
from engine.supervisor.launch import MANIFEST_FILE
from engine.workspace import Workspace

_SQLITE_PREFIX = "sqlite:///"
_SIDE_FILES = ("", "-wal", "-shm")
_PATIENCE_SECONDS = 10.0  # a supervisor whose store was deleted ends by itself within this time


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What was taken in; `problems` names the directories that could not be, one line each."""

    runs: int
    records: int
    bad_records: int
    problems: tuple[str, ...]


def rebuild(workspace: Workspace, progress: Callable[[int, int], None] | None = None) -> RebuildReport:
    """Make the workspace's store again from `runs/*/run.json` and the record files beside them.

    A SQLite store appears when it is complete; `progress` is told of (directories done, of all). Runs that still run
    go on, and the next supervisor finds them.

    Raises:
        StoreError: the store holds runs already, or cannot be made.
        RunError: a supervisor is at work.
    """
    lock = FileLock(workspace.supervisor_lock)
    try:
        lock.acquire(timeout=_PATIENCE_SECONDS)
    except Timeout:
        raise RunError(
            f"a supervisor works on store {shown_url(workspace.store_url)}: end it first "
            f"(its log: {workspace.supervisor_log})"
        ) from None
    try:
        target = _sqlite_file(workspace.store_url)
        if target is None:
            return _fill(workspace, workspace.store_url, progress)
        _refuse_unless_empty(workspace.store_url, target)
        partial = target.with_name(f"{target.name}.rebuilding")
        _remove(partial)
        try:
            report = _fill(workspace, f"{_SQLITE_PREFIX}{partial}", progress)
            _remove(target)
            partial.replace(target)
        finally:
            _remove(partial)
        return report
    finally:
        lock.release()


def _fill(workspace: Workspace, url: str, progress: Callable[[int, int], None] | None) -> RebuildReport:
    store = Store.open(url)
    try:
        with store.connection() as connection:
            if connection.scalar(select(func.count()).select_from(Run)):
                raise StoreError(f"store {shown_url(url)} holds runs already: name an empty one with --store")
        manifests, problems = _manifests(workspace)
        runs = records = bad_records = 0
        for done, (folder, manifest) in enumerate(manifests, 1):
            try:
                run_id = restore_run(store, manifest)
            except (ReeltopError, OSError) as error:
                problems.append(f"{folder.name}: {error}: left out")
                continue
            intake = Intake(run_id, folder, 0)
            try:
                intake.take_all(store)
                match_disk(store, run_id, folder)
            except (ReeltopError, SQLAlchemyError, OSError) as error:
                first_line = str(error).partition("\n")[0]
                problems.append(f"{folder.name}: its records are only partly taken in ({first_line})")
            runs, records, bad_records = runs + 1, records + intake.records, bad_records + intake.bad_records
            if progress is not None:
                progress(done, len(manifests))
        return RebuildReport(runs, records, bad_records, tuple(problems))
    finally:
        store.close()


def _manifests(workspace: Workspace) -> tuple[list[tuple[Path, Mapping[str, Any]]], list[str]]:
    """Manifests by run id, each with its folder, which may have been moved or renamed since."""
    found: list[tuple[Path, Mapping[str, Any]]] = []
    problems: list[str] = []
    folders = sorted(workspace.runs.iterdir()) if workspace.runs.is_dir() else []
    for folder in folders:
        if not folder.is_dir():
            continue
        try:
            manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
            int(manifest["id"])
        except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            problems.append(f"{folder.name}: no usable {MANIFEST_FILE} ({reason}): left out")
            continue
        found.append((folder, manifest | {"directory": folder.relative_to(workspace.root).as_posix()}))
    return sorted(found, key=lambda pair: int(pair[1]["id"])), problems


def _refuse_unless_empty(url: str, path: Path) -> None:
    if not path.exists() or path.stat().st_size == 0:
        return
    store = Store.open(url)
    try:
        with store.connection() as connection:
            runs = connection.scalar(select(func.count()).select_from(Run))
    finally:
        store.close()
    if runs:
        raise StoreError(f"store {path} holds {runs} runs: move it away first, nothing is overwritten")


def _sqlite_file(url: str) -> Path | None:
    return Path(url.removeprefix(_SQLITE_PREFIX)) if url.startswith(_SQLITE_PREFIX) else None


def _remove(path: Path) -> None:
    for suffix in _SIDE_FILES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
