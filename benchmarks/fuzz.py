"""Hostile and broken input of every kind, as the tests of `tests/hostile` try it, with many more examples.

    python -m benchmarks.fuzz [--seconds 60] [--only WORD ...] [--seed 0]

The seconds are shared out among the kinds. Printed is how many inputs of each were tried, how many of them failed,
how many ways of failing there are, and the slowest; an example of each way below. Memory is bounded to 12 GiB, so that
what asks for more than it should is seen. Exit code 1 where anything failed.
"""

import argparse
import logging
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks.hostile.file_kinds import FILE_KINDS, LEARNED_KINDS
from benchmarks.hostile.holding import Kind
from benchmarks.hostile.text_kinds import TEXT_KINDS

_MEMORY = 12 << 30
_ROUND = 100
_ROOT = str(Path(__file__).parent.parent)


@dataclass
class Outcome:
    """What came of the inputs of one kind."""

    tried: int = 0
    slowest: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)


def fuzz(kind: Kind, seconds: float, first_seed: int) -> Outcome:
    """Try inputs of a kind in rounds, each from a seed of its own, until the time is over."""
    outcome = Outcome()
    until = time.monotonic() + seconds
    base = Path(tempfile.mkdtemp(prefix="reeltop-fuzz-"))

    def one(data: Any) -> None:
        if time.monotonic() > until:
            return
        folder = Path(tempfile.mkdtemp(dir=base))
        begin = time.monotonic()
        try:
            kind.probe(data, folder)
        except Exception as error:  # whatever else comes out is what is looked for
            way = _way(error)
            outcome.failures[way] += 1
            outcome.examples.setdefault(way, f"{str(error)[:200]!r} of {data!r:.300}")
        outcome.tried += 1
        outcome.slowest = max(outcome.slowest, time.monotonic() - begin)
        rmtree(folder, ignore_errors=True)

    number = first_seed
    try:
        while time.monotonic() < until:
            rounds = settings(
                max_examples=_ROUND,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],
            )
            seed(number)(rounds(given(kind.inputs)(one)))()
            number += 1
    finally:
        rmtree(base, ignore_errors=True)
    return outcome


def _way(error: Exception) -> str:
    """Type of an error, and the last place of ours that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith((f"{_ROOT}/engine", f"{_ROOT}/app"))]
    last = (ours or frames)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0, help="for all kinds together")
    parser.add_argument("--only", nargs="*", default=[], help="kinds whose name has one of these words")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    kinds = [
        kind
        for kind in (*TEXT_KINDS, *FILE_KINDS, *LEARNED_KINDS)
        if not arguments.only or any(word in kind.name for word in arguments.only)
    ]
    print(f"{'kind':<26} {'tried':>8} {'failed':>8} {'ways':>5} {'slowest':>9}")
    failed = False
    if set(kinds) & set(LEARNED_KINDS):
        import engine.models.checkpoint  # noqa: F401 - takes longer than all inputs of a kind
    for kind in kinds:
        outcome = fuzz(kind, arguments.seconds / len(kinds), arguments.seed)
        print(
            f"{kind.name:<26} {outcome.tried:>8} {sum(outcome.failures.values()):>8} {len(outcome.failures):>5} "
            f"{outcome.slowest:>7.2f} s",
            flush=True,
        )
        for way, times in outcome.failures.most_common():
            failed = True
            print(f"    {times} x {way}: {outcome.examples[way]}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
