"""The supervisor's bench again, and a small disk of its own where the machine lets a test mount one."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "engine" / "supervisor"))

from supervisor_bench import ROOT, VARIABLES, Bench, bench_in, living_stranger


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as bench:
        yield bench


@pytest.fixture
def stranger() -> Iterator[psutil.Process]:
    """A living process that is none of ours."""
    with living_stranger() as process:
        yield process


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        # Only root may mount; everything else of full disks is tried by limits and refusing writes elsewhere.
        pytest.skip("this machine does not let a test mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def disk_bench(small_disk: Path) -> Iterator[Bench]:
    """A workspace, store and all, on that disk."""
    with bench_in(small_disk) as bench:
        yield bench
