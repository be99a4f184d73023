"""Killing the interface with its terminal leaves the runs that it started alone."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from engine.data.sample import make_sample
from engine.data.tiny_models import make_tiny_models
from engine.planning.submit import plan_file
from engine.store.database import Store
from engine.store.queries import run_row
from engine.store.runs import create_runs
from engine.store.views import Status
from engine.workspace import Workspace

CONFIG = """\
stage: extract
gpus: 0
model: {vision: models/clip}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    make_sample(tmp_path / "data" / "sample", videos=60, classes=6, seed=5)
    make_tiny_models(tmp_path / "data" / "sample", tmp_path / "models", hidden=32, layers=1, image_size=32)
    (tmp_path / "extract.yaml").write_text(CONFIG)
    return Workspace.open(tmp_path)


def wait_until(condition: Callable[[], bool], terminal: int, seconds: float = 90.0) -> None:
    """Wait, reading away what the interface draws so that it never blocks."""
    deadline = time.monotonic() + seconds
    while not condition():
        if select.select([terminal], [], [], 0.05)[0]:
            with contextlib.suppress(OSError):  # nobody is at the other end any more
                os.read(terminal, 1 << 16)
        assert time.monotonic() < deadline


def test_runs_survive_the_interface_and_its_terminal_being_killed(workspace: Workspace) -> None:
    store = Store.open(workspace.store_url)
    (run_id,) = create_runs(store, plan_file(workspace, store, workspace.root / "extract.yaml"))
    terminal, inside = pty.openpty()
    interface = subprocess.Popen(
        [sys.executable, "-m", "app.cli"],
        cwd=workspace.root,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
        env=os.environ | {"TERM": "xterm-256color"},
    )
    try:
        wait_until(lambda: run_row(store, run_id).status in (Status.STARTING, Status.RUNNING), terminal)
        os.killpg(interface.pid, signal.SIGKILL)
        assert interface.wait() == -signal.SIGKILL
        os.close(inside)
        wait_until(lambda: run_row(store, run_id).status.ended, terminal)
        assert run_row(store, run_id).status is Status.FINISHED
    finally:
        os.close(terminal)
        for process in psutil.process_iter(["cmdline"]):
            if str(workspace.root) in " ".join(process.info["cmdline"] or ()):
                process.terminate()
