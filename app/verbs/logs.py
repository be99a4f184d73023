"""Printing a run's log."""

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from engine.errors import RunError
from engine.format import printable
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.store.database import Store

_PIECE = 1 << 16
_POLL_SECONDS = 0.25


def print_log(
    workspace: Workspace, reference: str, *, follow: bool, lines: int | None, as_json: bool = False
) -> None:
    """The log of a run, control characters made visible; with `follow` until the run ends."""
    from app.verbs.runs import open_store
    from engine.store.queries import run_row
    from engine.store.runs import find_run

    store = open_store(workspace)
    run = run_row(store, find_run(store, reference))
    path = workspace.root / run.directory / "log.txt"
    if not path.exists() and not follow:
        raise RunError(f"run {run.id} ({printable(run.name)}) has no log yet: it is {run.status}")
    try:
        _print_from(workspace, path, store, run.id, follow=follow, lines=lines, as_json=as_json)
    except KeyboardInterrupt:
        return


def _print_from(
    workspace: Workspace,
    path: Path,
    store: "Store",
    run_id: int,
    *,
    follow: bool,
    lines: int | None,
    as_json: bool,
) -> None:
    from engine.store.queries import run_row
    from engine.supervisor.client import ensure_supervisor

    while follow and not path.exists() and not run_row(store, run_id).status.ended:
        ensure_supervisor(workspace)
        time.sleep(_POLL_SECONDS)
    if not path.exists():
        return
    with path.open("rb") as file:
        if lines is not None:
            _seek_last_lines(file, lines)
        while True:
            ended = run_row(store, run_id).status.ended
            while piece := file.readline(_PIECE):
                line = _shown(piece)
                sys.stdout.write(
                    json.dumps(line.rstrip("\n"), ensure_ascii=False) + "\n" if as_json else line
                )
            sys.stdout.flush()
            if not follow or ended:
                return
            # Without a supervisor nobody would notice the run's end.
            ensure_supervisor(workspace)
            time.sleep(_POLL_SECONDS)


def _seek_last_lines(file: BinaryIO, lines: int) -> None:
    """Put the file at the start of its last `lines` lines, reading backwards in pieces of which none is kept."""
    position = end = file.seek(0, os.SEEK_END)
    if not lines:
        return
    wanted = lines
    while position > 0:
        start = max(0, position - _PIECE)
        file.seek(start)
        piece = file.read(position - start)
        if position == end and not piece.endswith(b"\n"):
            wanted -= 1  # the last line has no end yet
        found = len(piece)
        while (found := piece.rfind(b"\n", 0, found)) >= 0:
            if wanted <= 0:
                file.seek(start + found + 1)
                return
            wanted -= 1
        position = start
    file.seek(0)


def _shown(piece: bytes) -> str:
    """A line as text; a progress bar that redraws itself keeps its last state only."""
    line = piece.decode("utf-8", "replace")
    ending = "\n" if line.endswith("\n") else ""
    return printable(line.rstrip("\r\n").rsplit("\r", 1)[-1]) + ending
