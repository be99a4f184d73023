"""A workspace with a real store, and a supervisor stepped by the test whose runs are real processes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from supervisor_bench import ROOT, Bench

from engine.store.database import Store
from engine.workspace import Workspace


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("REELTOP_SYSTEM_INTERVAL", "0.2")
    for name in ("CUDA_VISIBLE_DEVICES", "REELTOP_CPU_SLOTS", "REELTOP_STORE", "REELTOP_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    workspace = Workspace.open(tmp_path)
    bench = Bench(workspace, Store.open(workspace.store_url))
    try:
        yield bench
    finally:
        bench.end_everything()
        bench.store.close()


@pytest.fixture
def stranger() -> Iterator[psutil.Process]:
    """A living process that is none of ours."""
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()
