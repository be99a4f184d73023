"""Queueing runs and waiting for them."""

import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.output import note, print_json, print_runs, run_json
from engine.format import duration, printable, score
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.store.database import Store
    from engine.store.views import RunRow

_POLL_SECONDS = 0.25
_LINE_SECONDS = 10.0


def queue(
    workspace: Workspace,
    config: Path,
    overrides: Sequence[str],
    name: str | None,
    *,
    wait: bool,
    dry_run: bool,
    fresh: bool,
    as_json: bool,
) -> int:
    """Queue what a config file describes; the exit code."""
    from engine.planning.submit import plan_file, submit
    from engine.store.database import Store
    from engine.store.queries import run_row

    store = Store.open(workspace.store_url)
    planned = plan_file(workspace, store, config, overrides, name, fresh=fresh)
    if dry_run:
        from app.verbs.dry_run import show_plan

        show_plan(workspace, store, planned, as_json=as_json)
        return 0
    ids = submit(workspace, store, planned)
    reused = {run.reuses for run in planned if run.reuses is not None}
    if wait:
        return wait_for(workspace, ids, as_json=as_json, reused=reused)
    runs = [run_row(store, run_id) for run_id in ids]
    if as_json:
        print_json([run_json(run) | {"reused": run.id in reused} for run in runs])
        return 0
    for new, run in zip(planned, runs, strict=True):
        if run.id in reused:
            print(f"reuses run {run.id}  {printable(run.name)}" + _for(new.name, run.name))
        else:
            print(f"queued run {run.id}  {printable(run.name)}")
    if len(reused) == len(set(ids)):
        print("nothing to run: all of it is finished and unchanged; --fresh runs it again")
    else:
        print("watch with `reeltop`, `reeltop ls` or `reeltop logs RUN -f`")
    return 0


def _for(planned: str, found: str) -> str:
    return "" if planned == found else f" for {printable(planned)}"


def wait_for(workspace: Workspace, ids: Sequence[int], *, as_json: bool, reused: Collection[int] = ()) -> int:
    """Tell on stderr how the runs go until all have ended; 0 where all finished, 1 otherwise.

    Args:
        reused: ids of the runs that were not queued, as they had finished before.
    """
    from engine.store.database import Store
    from engine.store.queries import run_row
    from engine.store.views import Status
    from engine.supervisor.client import ensure_supervisor

    store = Store.open(workspace.store_url)
    teller = _Teller(reused)
    if ids and set(ids) <= set(reused):
        print("nothing to run: all of it is finished and unchanged; --fresh runs it again", file=sys.stderr)
    try:
        while True:
            runs = [run_row(store, run_id) for run_id in ids]
            teller.tell(runs)
            if all(run.status.ended for run in runs):
                break
            if stuck := _stuck(store, runs):
                print(
                    f"the rest cannot go on: run {stuck.id} {printable(stuck.name)} {note(stuck)}",
                    file=sys.stderr,
                )
                break
            ensure_supervisor(workspace)
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        print("\nthe runs go on; `reeltop` shows them, `reeltop stop RUN` stops one", file=sys.stderr)
        return 1
    if as_json:
        print_json([run_json(run) | {"reused": run.id in reused} for run in runs])
    else:
        print_runs(runs, reused=reused)
        for run in runs:
            if run.status is not Status.FINISHED and run.error:
                print(
                    f"run {run.id} {printable(run.name)}: {printable(run.error, keep_newlines=True)}",
                    file=sys.stderr,
                )
    return 0 if all(run.status is Status.FINISHED for run in runs) else 1


def quiet_wait(workspace: Workspace, ids: Sequence[int], *, as_json: bool) -> int:
    """`wait_for` without a word on standard output: what a verb prints besides is JSON."""
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()):
        return wait_for(workspace, ids, as_json=as_json)


def _stuck(store: "Store", runs: Sequence["RunRow"]) -> "RunRow | None":
    """A queued run, where all that is left are queued runs that wait for stopped or crashed ones."""
    from engine.store.queries import run_detail
    from engine.store.views import Status

    waiting = [run for run in runs if not run.status.ended]
    if any(run.status is not Status.QUEUED for run in waiting):
        return None
    stuck: dict[int, RunRow] = {}
    for run in waiting:
        sources = run_detail(store, run.id).inputs
        if any(
            one.source_status in (Status.STOPPED, Status.CRASHED) or one.source_run in stuck
            for one in sources
        ):
            stuck[run.id] = run
    return waiting[0] if len(stuck) == len(waiting) else None


class _Teller:
    """One line when a run changes its state, and one every ten seconds while it works."""

    def __init__(self, reused: Collection[int] = ()) -> None:
        self._reused = reused
        self._states: dict[int, str] = {}
        self._began: dict[int, tuple[float, int]] = {}
        self._told = 0.0

    def tell(self, runs: Sequence["RunRow"]) -> None:
        now = time.monotonic()
        due = now - self._told >= _LINE_SECONDS
        for run in runs:
            changed = self._states.get(run.id) != run.status
            if changed or (due and run.status.live and run.progress is not None):
                self._told = now
                print(self._line(run, now), file=sys.stderr, flush=True)
            self._states[run.id] = run.status

    def _line(self, run: "RunRow", now: float) -> str:
        line = (
            f"run {run.id} {printable(run.name)}: {'reused, ' if run.id in self._reused else ''}{run.status}"
        )
        if run.status.live and run.progress is not None:
            progress = run.progress
            line += f" {progress.share:.0%} ({progress.done}/{progress.total} {progress.unit}s)"
            began, done = self._began.setdefault(run.id, (now, progress.done))
            if progress.done > done:
                line += f" ETA {duration((progress.total - progress.done) * (now - began) / (progress.done - done))}"
        if run.f1_mean is not None:
            line += f" f1_mean {score(run.f1_mean)}"
        return f"{line} {note(run)}".rstrip()
