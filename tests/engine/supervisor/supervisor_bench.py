"""What the tests of the supervisor share: queueing, stepping, looking at the outcome."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from engine.runlock import read_holder
from engine.store.database import Store
from engine.store.queries import metric_summaries, run_row, series
from engine.store.runs import create_runs, transition
from engine.store.views import NewInput, NewRun, RunRow, Status
from engine.supervisor.client import supervisor_alive
from engine.supervisor.supervisor import Supervisor
from engine.workspace import Workspace

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def wait_until(
    condition: Callable[[], Any], seconds: float = 20.0, step: Callable[[], Any] | None = None
) -> None:
    """Wait for a condition, doing `step` meanwhile; fails the test when it does not come."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for did not come"
        if step is not None:
            step()
        pause.wait(0.02)


VARIABLES = ("CUDA_VISIBLE_DEVICES", "REELTOP_CPU_SLOTS", "REELTOP_STORE", "REELTOP_WORKSPACE")


@contextmanager
def bench_in(folder: Path) -> Iterator["Bench"]:
    """A bench with a store of its own in a folder; whatever it has started is ended."""
    workspace = Workspace.open(folder)
    bench = Bench(workspace, Store.open(workspace.store_url))
    try:
        yield bench
    finally:
        bench.end_everything()
        bench.store.close()


@contextmanager
def living_stranger() -> Iterator[psutil.Process]:
    """A living process that is none of ours."""
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


class Bench:
    """What a test needs to queue runs, step the supervisor and look at the outcome."""

    def __init__(self, workspace: Workspace, store: Store) -> None:
        self.workspace = workspace
        self.store = store
        self.processes: list[subprocess.Popen[bytes]] = []

    def supervisor(self, **options: Any) -> Supervisor:
        options.setdefault("command", self.command)
        return Supervisor(self.workspace, self.store, **options)

    @staticmethod
    def command(run_dir: Path) -> list[str]:
        return [sys.executable, str(HERE / "stage_script.py"), str(run_dir)]

    def supervisor_process(self, idle: float = 60.0) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, str(HERE / "supervisor_script.py"), str(self.workspace.root), str(idle)],
            stderr=subprocess.PIPE,
        )
        self.processes.append(process)
        wait_until(lambda: supervisor_alive(self.workspace) or process.poll() is not None)
        return process

    def queue(self, name: str = "run", *, config: dict[str, Any] | None = None, **fields: Any) -> int:
        (run_id,) = create_runs(self.store, [self.new(name, config=config, **fields)])
        return run_id

    @staticmethod
    def new(
        name: str, *, config: dict[str, Any] | None = None, needs: list[int] | None = None, **fields: Any
    ) -> NewRun:
        inputs = tuple(NewInput("init", source) for source in needs or [])
        fields.setdefault("inputs", inputs)
        settings = {"stage": "test", "inputs": {}} | (config or {})
        return NewRun(stage="test", name=name, config=settings, config_hash="0", params={}, seed=1, **fields)

    def take_for_running(self, run_id: int, pid: int, pid_started: float) -> None:
        """The store says that the run goes on in such a process."""
        transition(self.store, run_id, from_={Status.QUEUED}, to=Status.STARTING)
        transition(
            self.store,
            run_id,
            from_={Status.STARTING},
            to=Status.RUNNING,
            pid=pid,
            pid_started=pid_started,
        )

    def row(self, run_id: int) -> RunRow:
        return run_row(self.store, run_id)

    def status(self, run_id: int) -> Status:
        return self.row(run_id).status

    def run_dir(self, run_id: int) -> Path:
        return self.workspace.root / self.row(run_id).directory

    def pid(self, run_id: int) -> int:
        holder = read_holder(self.run_dir(run_id))
        assert holder is not None
        return holder.pid

    def drive(self, supervisor: Supervisor, condition: Callable[[], Any], seconds: float = 20.0) -> None:
        wait_until(condition, seconds, supervisor.tick)

    def go(self, run_id: int) -> None:
        """Let a run pass the step that its config names as `gate`."""
        (self.run_dir(run_id) / "go").touch()

    def until_ended(self, supervisor: Supervisor, *run_ids: int, seconds: float = 20.0) -> None:
        self.drive(supervisor, lambda: all(self.status(run_id).ended for run_id in run_ids), seconds)

    def until_training(self, supervisor: Supervisor | None, run_id: int, points: int = 3) -> None:
        """Until the run has reported some points and they are in the store."""
        wait_until(
            lambda: (
                (status := self.status(run_id)).ended
                or (status is Status.RUNNING and len(self.points(run_id)) >= points)
            ),
            step=supervisor.tick if supervisor else None,
        )
        assert self.status(run_id) is Status.RUNNING, self.row(run_id).error

    def points(self, run_id: int, key: str = "train/loss") -> list[tuple[int, float | None]]:
        if not any(summary.key == key for summary in metric_summaries(self.store, run_id)):
            return []
        found = series(self.store, run_id, key, max_points=1_000_000)
        return [(point.step, point.value) for point in found.points]

    def end_everything(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
            if process.stderr:
                process.stderr.close()
        for holder in filter(None, (read_holder(folder) for folder in self.workspace.runs.glob("*"))):
            if holder.alive() and holder.pid != os.getpid():
                os.kill(holder.pid, signal.SIGKILL)
