"""Which process is which: a pid and the moment it started, so that a reused pid is never taken for ours."""

import os
import signal
from contextlib import suppress
from typing import NamedTuple

import psutil


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


def _started(process: psutil.Process) -> float:
    return round(float(process.create_time()) - float(psutil.boot_time()), 2)
