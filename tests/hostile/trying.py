"""Trying inputs of a kind in a test: as many examples as a suite has time for, the same ones each time."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings

from benchmarks.hostile.holding import Kind


def try_inputs(kind: Kind, base: Path, examples: int) -> None:
    """Probe so many inputs, each in a folder of its own below `base`; `benchmarks.fuzz` tries many more."""

    def probe(data: Any) -> None:
        kind.probe(data, Path(tempfile.mkdtemp(dir=base)))

    several = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    several(given(kind.inputs)(probe))()


def named(kinds: tuple[Kind, ...], name: str) -> Kind:
    """The kind of that name."""
    return next(kind for kind in kinds if kind.name == name)
