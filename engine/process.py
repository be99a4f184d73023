"""Processes of ours: told from strangers by pid and moment of start, signalled, and given an environment."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

_PACKAGE_ROOT = Path(__file__).resolve().parents[1]


class ProcessId(NamedTuple):
    """A process for good: `started` is seconds from boot to its start, which no change of the clock touches."""

    pid: int
    started: float

    def alive(self) -> bool:
        """Whether this very process exists and is more than a zombie."""
        try:
            process = psutil.Process(self.pid)
            return abs(_started(process) - self.started) < 0.05 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def send(self, number: signal.Signals) -> bool:
        """Signal this very process; False, and no signal sent, when it is gone."""
        try:
            handle = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else None
        except OSError:
            handle = None
        try:
            # With the handle open, the pid checked here and the process signalled cannot differ.
            if not self.alive():
                return False
            with suppress(ProcessLookupError):
                if handle is None:
                    os.kill(self.pid, number)
                else:
                    signal.pidfd_send_signal(handle, number)
                return True
            return False
        finally:
            if handle is not None:
                os.close(handle)


def identify(pid: int) -> ProcessId | None:
    """The process that has this pid now, None when there is none."""
    try:
        return ProcessId(pid, _started(psutil.Process(pid)))
    except psutil.Error:
        return None


def environment_of_child() -> dict[str, str]:
    """This process's environment, in which a child finds the engine even from a checkout that is not installed."""
    environment = dict(os.environ)
    if "site-packages" not in _PACKAGE_ROOT.parts:
        others = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
        environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(_PACKAGE_ROOT), *others]))
    return environment


def _started(process: psutil.Process) -> float:
    return round(float(process.create_time()) - float(psutil.boot_time()), 2)
