"""References to inputs: `model-1@best` names a run and one of its checkpoints, anything else may be a folder."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from engine.errors import ConfigError
from engine.format import printable

Thing = TypeVar("Thing")
_WHICH = re.compile(r"best|last|epoch-\d+")


def split_reference(reference: str) -> tuple[str, str | None]:
    """`model-1@best` as name and checkpoint; `@best` alone names a run."""
    name, at, which = reference.rpartition("@")
    return (name, which) if at and name else (reference, None)


def parse_reference(role: str, reference: str) -> tuple[str, str | None]:
    """The same, checked.

    Raises:
        ConfigError: what stands after the @ is no checkpoint.
    """
    name, which = split_reference(reference)
    if which is not None and not _WHICH.fullmatch(which):
        raise ConfigError(
            f"inputs.{role}: {printable(reference)}: after the @ comes best, last or epoch-N, not {printable(which)!r}"
        )
    return name, which


def references_of(given: str | Sequence[str] | None) -> list[str]:
    """An input's references, of which a role has one, several or none."""
    if given is None:
        return []
    return [given] if isinstance(given, str) else list(given)


def in_order(references: Sequence[str], runs: Sequence[Thing]) -> list[str | Thing]:
    """A role's inputs in their order: a folder as its path, each other as the next of `runs`.

    Planning writes folders that stand among runs as absolute paths, which tells them from names of runs.
    """
    if len(runs) >= len(references):
        return list(runs)
    following = iter(runs)
    ordered: list[str | Thing] = []
    for reference in references:
        run = None if not runs or Path(reference).is_absolute() else next(following, None)
        ordered.append(reference if run is None else run)
    return ordered
