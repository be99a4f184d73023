"""The supervisor's bench again, and a small disk of its own where the machine lets a test mount one."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "engine" / "supervisor"))

from supervisor_bench import ROOT, Bench

from engine.store.database import Store
from engine.workspace import Workspace


def bench_in(folder: Path) -> Iterator[Bench]:
    workspace = Workspace.open(folder)
    bench = Bench(workspace, Store.open(workspace.store_url))
    try:
        yield bench
    finally:
        bench.end_everything()
        bench.store.close()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("CUDA_VISIBLE_DEVICES", "REELTOP_CPU_SLOTS", "REELTOP_STORE", "REELTOP_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from bench_in(tmp_path)


@pytest.fixture
def stranger() -> Iterator[psutil.Process]:
    """A living process that is none of ours."""
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not let a test mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def disk_bench(small_disk: Path) -> Iterator[Bench]:
    """A workspace, store and all, on that disk."""
    yield from bench_in(small_disk)
