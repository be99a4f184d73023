"""What a failed run says: the cause in one line, and what to do about it."""

import errno
import os

import pytest

from engine.errors import DataError
from engine.failure_text import failure_text

WORKER = """Caught OSError in DataLoader worker process 0.
Original Traceback (most recent call last):
  File "worker.py", line 1, in fetch
OSError: [Errno 24] Too many open files: 'a.zip'
"""


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE), "x"), ("Too many open files: 'x'", "ulimit -n")),
        (OSError(errno.ENFILE, os.strerror(errno.ENFILE)), ("Too many open files in system", "ulimit -n")),
        (RuntimeError("unable to mmap: Too many open files (24)"), ("mmap", "ulimit -n")),
        (OSError(WORKER), ("OSError: [Errno 24] Too many open files: 'a.zip'", "data.workers")),
        (
            BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)),
            ("Resource temporarily unavailable", "ulimit -u"),
        ),
        (RuntimeError("can't start new thread"), ("can't start new thread", "ulimit -u")),
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "),
            ("out of memory", "data.workers"),
        ),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), ("Cannot allocate memory", "batch size")),
    ],
)
def test_the_cause_is_named_and_what_to_do(error: Exception, parts: tuple[str, str]) -> None:
    text = failure_text(error)
    assert "\n" not in text
    assert text.startswith(f"{type(error).__name__}: ")
    for part in parts:
        assert part in text


def test_what_is_meant_for_a_person_is_left_as_it_is() -> None:
    assert failure_text(DataError("x: mend it")) == "x: mend it"


def test_an_error_without_words_is_its_name() -> None:
    assert failure_text(KeyError()) == "KeyError"
