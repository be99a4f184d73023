"""What a person is told when a run fails: one line about the error, with what to do where that is known."""

import errno

from engine.errors import ReeltopError

_LENGTH = 2000


def failure_text(error: BaseException) -> str:
    """One line about an error that ended a run."""
    if isinstance(error, ReeltopError):
        return str(error)
    name = type(error).__name__
    line = _line(str(error))
    advice = _advice(error, name, line)
    return ": ".join(filter(None, (name, line, advice)))[:_LENGTH]


def _line(text: str) -> str:
    """The first line; of what a data worker raised, which comes with its traceback, the last."""
    lines = text.strip().splitlines()
    if not lines:
        return ""
    return lines[-1] if lines[0].startswith("Caught ") and "Traceback" in text else lines[0]


def _advice(error: BaseException, name: str, line: str) -> str | None:
    number = error.errno if isinstance(error, OSError) else None
    # A library that writes, opens or starts for itself tells the cause in its own words alone.
    if number == errno.ENOSPC or "No space left" in line:
        return "free some space, then resume the run"
    if number in (errno.EMFILE, errno.ENFILE) or "Too many open files" in line:
        return "raise the limit of open files (ulimit -n) or lower data.workers, then resume the run"
    if isinstance(error, BlockingIOError) or "can't start new thread" in line:
        return "no process could be started; raise the limit (ulimit -u) or lower data.workers, then resume the run"
    if "DataLoader worker" in line and "Killed" in line:
        return "out of memory? lower data.workers or training.batch_size, then resume the run"
    if isinstance(error, MemoryError) or name == "OutOfMemoryError" or number == errno.ENOMEM:
        return "lower the batch size or use a device with more memory"
    return None
