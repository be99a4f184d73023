"""One run with a process: whether it lives, how it is asked to end, and what its end means."""

import math
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from engine.errors import ReeltopError
from engine.process import ProcessId, identify
from engine.runlock import LOCK_FILE, is_locked, read_holder
from engine.store.views import Intent, Status
from engine.supervisor.intake import Intake
from engine.supervisor.launch import RUN_DIR_VARIABLE, log_tail
from engine.supervisor.rows import Report

GRACE_VARIABLE = "REELTOP_STOP_GRACE"
GRACE_SECONDS = 60.0
_STOPPED_EXIT = 3  # of `engine.run`


@dataclass(frozen=True, slots=True)
class Ending:
    """The final state of a run."""

    status: Status
    error: str | None
    exit_code: int | None


@dataclass(slots=True)
class LiveRun:
    """A launched run (`process` is our child) or an adopted one (known by `identity` alone)."""

    id: int
    name: str
    run_dir: Path
    intake: Intake
    process: "subprocess.Popen[bytes] | None" = None
    identity: ProcessId | None = None
    _asked: set[signal.Signals] = field(default_factory=set)
    _kill_at: float | None = None

    @property
    def exit_code(self) -> int | None:
        """Exit code of our own child once it has ended, negative for the signal that killed it."""
        return None if self.process is None else self.process.poll()

    def ended(self) -> bool:
        """Whether the run's process is gone. A child of ours is reaped by asking."""
        if self.process is not None:
            return self.process.poll() is not None
        if self.identity is not None and self.identity.alive():
            return self._let_go()
        if not is_locked(self.run_dir):
            return True
        # Locked by somebody: by a process that has not said yet who it is, by a new one, or by remains of the old one.
        holder = read_holder(self.run_dir)
        if holder is None:
            return False
        if holder != self.identity and holder.alive():
            self.identity = holder
            return False
        return self.identity is not None or not holder.alive()

    def never_began(self) -> bool:
        """Whether the last launcher died before there was a process: nobody has entered the lock file since."""
        return self.process is None and self.identity is None and read_holder(self.run_dir) is None

    def pursue(self, intent: Intent, grace: float) -> str | None:
        """Signal the process as the intent asks; returns what was done, None when there was nothing to do."""
        if intent is Intent.RUN or self.identity is None:
            return None
        now = time.monotonic()
        if intent is Intent.STOP and self._kill_at is None:
            self._kill_at = now + grace
            self._asked.add(signal.SIGTERM)
            self.identity.send(signal.SIGTERM)
            return f"asked to stop, {grace:g} s to write a checkpoint"
        overdue = self._kill_at is not None and now >= self._kill_at
        if (intent is Intent.KILL or overdue) and signal.SIGKILL not in self._asked:
            self._asked.add(signal.SIGKILL)
            self.kill()
            return "killed on request" if intent is Intent.KILL else "killed: it did not stop in time"
        return None

    def kill(self) -> None:
        """SIGKILL to the process and to whatever is left of its group."""
        if self.identity is not None:
            # Alive and a run still, the group of its number is its own.
            if self.identity.alive() and not (self.process is None and self._let_go()):
                with suppress(ProcessLookupError):
                    os.killpg(self.identity.pid, signal.SIGKILL)
            for member in _members(self.identity.pid, self.run_dir):
                member.send(signal.SIGKILL)

    def _let_go(self) -> bool:
        """Whether nobody holds the run's lock, which a run does for life.

        After a reboot its number may be a stranger's, down to the moment of start, which counts from the boot.
        """
        return (self.run_dir / LOCK_FILE).exists() and not is_locked(self.run_dir)

    def ending(self, report: Report, intent: Intent) -> Ending:
        """What the end of the process means, given all that the run reported."""
        code = self.exit_code
        if report.status in (Status.FINISHED, Status.STOPPED):
            return Ending(Status(report.status), None, code)
        if report.status == Status.FAILED:
            return Ending(Status.FAILED, self._with_log(report.error or "failed"), code)
        if intent is Intent.KILL:
            return Ending(Status.STOPPED, "killed on request", code)
        if intent is Intent.STOP and (code is None or code < 0 or code == _STOPPED_EXIT):
            how = "killed: it did not stop in time" if signal.SIGKILL in self._asked else "ended"
            return Ending(Status.STOPPED, f"{how} before it reported a checkpoint", code)
        if code is None:
            return Ending(Status.CRASHED, self._with_log("vanished: killed, or the machine went down"), code)
        if code < 0:
            return Ending(Status.CRASHED, self._with_log(f"killed by {_signal_name(-code)}"), code)
        if code > 0:
            return Ending(Status.FAILED, self._with_log(f"ended with exit code {code}"), code)
        message = "ended without its last records (was the disk full?)"
        return Ending(Status.CRASHED, self._with_log(message), code)

    def _with_log(self, message: str) -> str:
        tail = log_tail(self.run_dir)
        return f"{message}\n{tail}" if tail else message


def configured_grace() -> float:
    """Seconds between asking a run to stop and killing it.

    Raises:
        ReeltopError: the environment names something else.
    """
    value = os.environ.get(GRACE_VARIABLE, str(GRACE_SECONDS))
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ReeltopError(f"{GRACE_VARIABLE}={value!r}: give the seconds a run has to stop, 0 or more")
    return seconds


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name} (out of memory?)" if name == "SIGKILL" else name


def _members(group: int, run_dir: Path) -> list[ProcessId]:
    """Processes of the run's group, told from strangers by the run's directory in their environment."""
    members = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) != group:
                continue
            if process.environ().get(RUN_DIR_VARIABLE) == str(run_dir) and (found := identify(process.pid)):
                members.append(found)
        except (psutil.Error, OSError):
            continue
    return members
