"""The supervisor: launches what is queued, watches and ends what runs, takes in what is reported."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from engine.errors import ReeltopError, RunError, StoreError
from engine.format import printable
from engine.process import ProcessId
from engine.runlock import take_lock
from engine.store.database import Store
from engine.store.queries import change_counter
from engine.store.queueing import HELD
from engine.store.runs import set_waiting, transition
from engine.store.views import Intent, Status
from engine.supervisor.intake import Intake
from engine.supervisor.launch import run_command, spawn, write_config, write_manifest
from engine.supervisor.needs import judge, resolve_inputs, stuck
from engine.supervisor.rows import (
    HOST,
    LIVE,
    LiveRow,
    QueuedRow,
    Source,
    config_of,
    live_rows,
    queued_rows,
    report_of,
    sources_of_queued,
)
from engine.supervisor.slots import Placement, Slots
from engine.supervisor.watch import Ending, LiveRun, configured_grace
from engine.telemetry import Telemetry
from engine.workspace import Workspace

_LOOK_SECONDS = 2.0  # between looks when nothing changed: GPUs that others free, grace periods
_RETRY_SECONDS = 5.0  # before a run that could not be launched is tried again
_TAKE_IN_SECONDS = 0.5  # of a tick for one run, so that a large backlog does not keep the others waiting
log = logging.getLogger("reeltop.supervisor")


class Supervisor:
    """Works in steps (`tick`), so that whoever drives it decides about time. Owns no run: they outlive it."""

    def __init__(
        self,
        workspace: Workspace,
        store: Store,
        *,
        command: Callable[[Path], list[str]] = run_command,
        telemetry: Telemetry | None = None,
        cpu_slots: int | None = None,
        grace: float | None = None,
    ) -> None:
        self._workspace = workspace
        self._store = store
        self._command = command
        self._slots = Slots(telemetry or Telemetry(disk=workspace.root), cpu_slots)
        self._grace = configured_grace() if grace is None else grace
        self._live: dict[int, LiveRun] = {}
        self._not_before: dict[int, tuple[float, str]] = {}
        self._seen_changes = -1
        self._look_at = 0.0
        self._trouble: str | None = None
        self._troubled: list[Exception] = []
        self.idle = False
        """Nothing was live at the last look, and nothing in the queue could move."""

    def tick(self) -> None:
        """Take in new records; when anything has changed, act on it. Trouble is told once and outlived."""
        self._troubled.clear()
        try:
            for run in self._live.values():
                self._apart(partial(run.intake.take, self._store, _TAKE_IN_SECONDS))
            self._look_if_needed()
            if self._troubled:
                raise self._troubled.pop()
        except (ReeltopError, SQLAlchemyError, OSError) as error:
            # A locked store, a disk or a table of open files that is full: it passes, and runs must not be let down.
            message = str(error).partition("\n")[0]
            if message != self._trouble:
                log.warning("%s; trying again", message)
            self._trouble = message
            self._seen_changes = -1
        else:
            if self._trouble is not None:
                log.info("at work again")
            self._trouble = None

    def _apart(self, work: Callable[[], object]) -> None:
        """Do what concerns one run alone: trouble with it must not keep the others from being looked after."""
        try:
            work()
        except StoreError:  # everybody's
            raise
        except (SQLAlchemyError, OSError) as error:
            self._troubled.append(error)

    def _look_if_needed(self) -> None:
        changes = change_counter(self._store)
        now = time.monotonic()
        if (
            changes != self._seen_changes
            or now >= self._look_at
            or any(run.ended() for run in self._live.values())
        ):
            self._look_at = now + _LOOK_SECONDS
            self._look()
            # The count from before: what others wrote meanwhile is looked at in the next tick.
            self._seen_changes = changes

    def _look(self) -> None:
        rows = live_rows(self._store)
        for run_id in self._live.keys() - {row.id for row in rows}:
            log.warning("run %d is no longer live in the store; its process is left alone", run_id)
            self._forget(run_id)
        for row in rows:
            if row.id not in self._live:
                self._adopt(row)
            self._apart(partial(self._attend, self._live[row.id], row))
        queue = queued_rows(self._store)
        sources = sources_of_queued(self._store) if queue else {}
        self._serve_queue(queue, sources)
        self.idle = not rows and stuck(queue, sources)

    def _adopt(self, row: LiveRow) -> None:
        known = row.pid is not None and row.pid_started is not None
        run = LiveRun(
            id=row.id,
            name=row.name,
            run_dir=self._workspace.root / row.directory,
            intake=Intake(row.id, self._workspace.root / row.directory, row.records_offset),
            identity=ProcessId(row.pid or 0, row.pid_started or 0.0) if known else None,
        )
        self._live[row.id] = run
        self._slots.hold(row.id, row.name, Placement.of(row.devices))
        log.info("%s: adopted (%s)", _named(row), "gone" if run.ended() else f"process {row.pid}")

    def _attend(self, run: LiveRun, row: LiveRow) -> None:
        if run.ended():
            self._conclude(run, row)
            return
        if row.status is Status.STARTING and run.identity is not None:
            pid, started = run.identity
            transition(
                self._store, row.id, from_={Status.STARTING}, to=Status.RUNNING, pid=pid, pid_started=started
            )
            self._write_manifest(row.id)
        done = run.pursue(row.intent, self._grace)
        if done is not None:
            log.info("%s: %s", _named(row), done)

    def _conclude(self, run: LiveRun, row: LiveRow) -> None:
        """Take in the last records of a run whose process is gone, then set its final state."""
        if row.status is Status.STARTING and row.intent is Intent.RUN and run.never_began():
            log.info("%s: was never started, goes back into the queue", _named(row))
            transition(self._store, row.id, from_={Status.STARTING}, to=Status.QUEUED)
            self._forget(row.id)
            return
        run.kill()
        run.intake.take_all(self._store)
        report = report_of(self._store, run.id)
        if report is None:
            self._forget(run.id)
            return
        ending = run.ending(report, row.intent)
        self._end(row, ending)
        self._forget(run.id)

    def _end(self, row: LiveRow, ending: Ending) -> None:
        first_line = (ending.error or "").partition("\n")[0]
        log.info("%s: %s%s", _named(row), ending.status, f": {printable(first_line)}" if first_line else "")
        transition(
            self._store, row.id, from_=LIVE, to=ending.status, error=ending.error, exit_code=ending.exit_code
        )
        self._write_manifest(row.id)

    def _forget(self, run_id: int) -> None:
        self._live.pop(run_id, None)
        self._slots.release(run_id)

    def _serve_queue(self, queue: list[QueuedRow], sources: Mapping[int, list[Source]]) -> None:
        if not queue:
            return
        waiting: dict[int, str | None] = {}
        self._slots.begin_round()
        for row in queue:
            if row.intent is not Intent.RUN:
                self._leave_queue(row, Status.CANCELLED, None)
                continue
            verdict = judge(sources.get(row.id, ()))
            if verdict.lost is not None:
                self._leave_queue(row, Status.SKIPPED, verdict.lost)
                continue
            if row.held:
                waiting[row.id] = HELD
                continue
            reason = verdict.wait or self._held_back(row) or self._launch(row, sources.get(row.id, []))
            if reason is not None:
                waiting[row.id] = reason
        set_waiting(self._store, waiting)

    def _leave_queue(self, row: QueuedRow, status: Status, error: str | None) -> None:
        if row.attempt > 1:  # it has something to go on from: resuming must stay possible
            status, error = Status.STOPPED, error or "stopped while it waited in the queue"
        if transition(self._store, row.id, from_={Status.QUEUED}, to=status, error=error):
            log.info("%s: %s%s", _named(row), status, f": {error}" if error else "")
            self._write_manifest(row.id)

    def _held_back(self, row: QueuedRow) -> str | None:
        until, reason = self._not_before.get(row.id, (0.0, ""))
        if time.monotonic() < until:
            return reason
        self._not_before.pop(row.id, None)
        return None

    def _launch(self, row: QueuedRow, sources: list[Source]) -> str | None:
        """Start a run if there is a slot for it; otherwise the reason why it still waits."""
        placement = self._slots.place(row.id, row.name, row.gpus)
        if isinstance(placement, str):
            return placement
        run_dir = self._workspace.root / row.directory
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            lock_fd = take_lock(run_dir)
        except (RunError, OSError) as error:
            return self._hold_back(row, str(error))
        try:
            where = {"devices": placement.devices, "host": HOST}
            if not transition(self._store, row.id, from_={Status.QUEUED}, to=Status.STARTING, **where):
                return None
            offset = self._prepare(row, run_dir, sources)
            if offset is None:
                return None
            try:
                process, identity = spawn(self._workspace, run_dir, lock_fd, placement, self._command)
            except OSError as error:
                transition(self._store, row.id, from_={Status.STARTING}, to=Status.QUEUED)
                return self._hold_back(row, f"no process could be started ({error.strerror}): trying again")
        finally:
            os.close(lock_fd)
        self._live[row.id] = LiveRun(
            row.id, row.name, run_dir, Intake(row.id, run_dir, offset), process, identity
        )
        self._slots.hold(row.id, row.name, placement)
        log.info("%s: started as process %d on %s", _named(row), process.pid, placement.devices)
        return None

    def _prepare(self, row: QueuedRow, run_dir: Path, sources: list[Source]) -> int | None:
        """Fill the run's directory; where its records go on, or None when the run has failed right here."""
        try:
            given = config_of(self._store, row.id).get("inputs", {})
            write_config(self._store, row.id, run_dir, resolve_inputs(self._store, sources, given))
            write_manifest(self._workspace, self._store, row.id)
            report = report_of(self._store, row.id)
            return report.offset if report else 0
        except StoreError:
            raise
        except (ReeltopError, OSError) as error:
            log.warning("%s: failed: %s", _named(row), error)
            transition(self._store, row.id, from_={Status.STARTING}, to=Status.FAILED, error=str(error))
            self._write_manifest(row.id)
            return None

    def _hold_back(self, row: QueuedRow, reason: str) -> str:
        log.warning("%s: %s", _named(row), reason)
        self._not_before[row.id] = (time.monotonic() + _RETRY_SECONDS, reason)
        return reason

    def _write_manifest(self, run_id: int) -> None:
        try:
            write_manifest(self._workspace, self._store, run_id)
        except OSError as error:
            log.warning("run %d: its manifest cannot be written: %s", run_id, error)


def _named(row: LiveRow | QueuedRow) -> str:
    return f"run {row.id} ({printable(row.name)})"
