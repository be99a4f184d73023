"""A workspace with a real store, and a supervisor stepped by the test whose runs are real processes."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from supervisor_bench import ROOT, VARIABLES, Bench, bench_in, living_stranger


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("REELTOP_SYSTEM_INTERVAL", "0.2")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with bench_in(tmp_path) as bench:
        yield bench


@pytest.fixture
def stranger() -> Iterator[psutil.Process]:
    """A living process that is none of ours."""
    with living_stranger() as process:
        yield process
