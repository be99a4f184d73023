"""What must hold whatever comes in: an answer or one line for a person, soon, and nothing else."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from engine.errors import ReeltopError

LIMIT_SECONDS = 20.0  # no budget, but what tells a slow machine from a hang
MOST_CHARACTERS = 2000


@dataclass(frozen=True)
class Kind:
    """Inputs of one kind: how they are made, and what is done with one in an empty folder.

    `probe` raises whatever the product raised that is not meant for a person, or AssertionError.
    """

    name: str
    inputs: st.SearchStrategy[Any]
    probe: Callable[[Any, Path], None]


@contextmanager
def held() -> Iterator[None]:
    """The block ends in time, at most with an error whose message is one line of bounded length."""
    begin = time.monotonic()
    text: str | None = None
    try:
        yield
    except ReeltopError as error:
        text = str(error)
    if text is not None:
        assert text.strip(), "an error that says nothing"
        assert "\n" not in text, f"more than one line: {text[:300]!r}"
        assert len(text) <= MOST_CHARACTERS, f"{len(text)} characters: {text[:300]!r}"
    took = time.monotonic() - begin
    assert took < LIMIT_SECONDS, f"took {took:.1f} s"
