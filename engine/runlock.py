"""The lock file of a run's directory: one process per run, held for life, with the holder's identity inside."""

import fcntl
import os
from pathlib import Path

import msgspec

from engine.errors import RunError
from engine.process import ProcessId, identify

LOCK_FILE = "lock"
LOCK_FD_VARIABLE = "REELTOP_LOCK_FD"


def take_lock(run_dir: Path) -> int:
    """Lock the run's directory for as long as the returned descriptor, or a duplicate of it, is open.

    Raises:
        RunError: another process has it.
    """
    fd = os.open(run_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = read_holder(run_dir)
        os.close(fd)
        who = f"process {holder.pid}" if holder else "another process"
        raise RunError(f"{run_dir} is being run by {who}: stop it first") from None
    os.ftruncate(fd, 0)
    return fd


def take_or_inherit_lock(run_dir: Path) -> int:
    """The lock that the launcher passed on, else a new one; this process becomes the holder.

    Raises:
        RunError: another process has it.
    """
    fd = _inherited(run_dir)
    if fd is None:
        fd = take_lock(run_dir)
    os.set_inheritable(fd, False)
    # A forked data worker that outlives the run must not make it look alive.
    os.register_at_fork(after_in_child=lambda: os.close(fd))
    me = identify(os.getpid())
    if me is not None:
        os.pwrite(fd, msgspec.json.encode(me), 0)
    return fd


def _inherited(run_dir: Path) -> int | None:
    """The descriptor named by the launcher, if it really is this run's lock file."""
    value = os.environ.pop(LOCK_FD_VARIABLE, "")
    if not value.isdecimal():
        return None
    try:
        same = os.path.samestat(os.fstat(int(value)), (run_dir / LOCK_FILE).stat())
    except OSError:
        return None
    return int(value) if same else None


def is_locked(run_dir: Path) -> bool:
    """Whether a process holds the lock of this run now."""
    return is_flocked(run_dir / LOCK_FILE)


def is_flocked(path: Path) -> bool:
    """Whether somebody has the file locked exclusively. Asking takes a shared lock: askers do not see each other."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def read_holder(run_dir: Path) -> ProcessId | None:
    """Who held the lock last, None where nobody has written it down yet."""
    try:
        return msgspec.json.decode((run_dir / LOCK_FILE).read_bytes(), type=ProcessId)
    except (OSError, msgspec.MsgspecError):
        return None
