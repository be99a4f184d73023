"""A workspace to break, and what must hold in it after each fault."""

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from sqlalchemy import MetaData, create_engine, text

from benchmarks.faults.stage import ACKED, LAUNCHES, STEP
from engine.process import ProcessId, environment_of_child
from engine.runlock import read_holder
from engine.store.database import Store
from engine.store.queries import list_runs, metric_summaries, run_detail, run_row, series
from engine.store.runs import create_runs
from engine.store.views import NewRun, RunRow, Status
from engine.supervisor.client import supervisor_alive
from engine.workspace import STORE_VARIABLE, Workspace

LOG = {"kind": "log", "steps": 300, "pause": 0.004}
TRAIN = {"kind": "train", "epochs": 12, "every_steps": 5, "width": 64, "pause": 0.002, "seed": 802}
ROOT = Path(__file__).resolve().parents[2]
URL_VARIABLE = "REELTOP_TEST_STORE_URL"  # a database that is emptied for each world, as for the store's tests


class BrokenPromiseError(AssertionError):
    """Something that must hold after a fault does not."""


def held(promise: bool, message: str) -> None:
    """Raise with `message` unless the promise holds."""
    if not promise:
        raise BrokenPromiseError(message)


def wait(
    condition: Callable[[], Any], what: str, seconds: float = 60.0, step: Callable[[], Any] | None = None
) -> None:
    """Wait for a condition, doing `step` meanwhile; it not coming is a broken promise."""
    deadline = time.monotonic() + seconds
    while not condition():
        held(time.monotonic() < deadline, f"{what}: not within {seconds:g} s")
        if step is not None:
            step()
        time.sleep(0.01)


class World:
    """A workspace in a temporary folder; everything started in it is ended with it."""

    def __init__(self, slots: int = 1, environment: Mapping[str, str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="reeltop-faults-", ignore_cleanup_errors=True)
        url = os.environ.get(URL_VARIABLE)
        if url:
            _empty(url)
        self.workspace = Workspace.open(self._folder.name, url)
        self.store = Store.open(self.workspace.store_url)
        self.queued: list[int] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self._environment = environment_of_child() | {
            "REELTOP_CPU_SLOTS": str(slots),
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            STORE_VARIABLE: self.workspace.store_url,
            **(environment or {}),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        for folder in self.workspace.runs.glob("*"):
            holder = read_holder(folder)
            if holder is not None and holder.pid != os.getpid():
                holder.send(signal.SIGKILL)
        self.store.close()
        self._folder.cleanup()

    def queue(self, config: dict[str, Any], name: str = "run") -> int:
        """A new run of the faults' stage."""
        settings = {"stage": "faults", "inputs": {}} | config
        new = NewRun(stage="faults", name=name, config=settings, config_hash="0", params={}, seed=1)
        (run_id,) = create_runs(self.store, [new])
        self.queued.append(run_id)
        return run_id

    def supervisor(self) -> "subprocess.Popen[bytes]":
        """A supervisor process, at work when this returns."""
        process = self.start_supervisor()
        wait(lambda: supervisor_alive(self.workspace) or process.poll() is not None, "a supervisor at work")
        return process

    def start_supervisor(self, idle: float = 600.0) -> "subprocess.Popen[bytes]":
        """A supervisor process, just started."""
        command = [sys.executable, "-m", "benchmarks.faults.supervisor", str(self.workspace.root), str(idle)]
        with (self.workspace.root / "supervisor.txt").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stderr=log, start_new_session=True
            )
        self.processes.append(process)
        return process

    def row(self, run_id: int) -> RunRow:
        """The run's row now."""
        return run_row(self.store, run_id)

    def run_dir(self, run_id: int) -> Path:
        """The run's directory."""
        return self.workspace.root / self.row(run_id).directory

    def holder(self, run_id: int) -> ProcessId | None:
        """The process that was the run's last."""
        return read_holder(self.run_dir(run_id))

    def points(self, run_id: int, key: str = "train/loss") -> list[tuple[int, float | None]]:
        """A series as it is in the store."""
        if not any(summary.key == key for summary in metric_summaries(self.store, run_id)):
            return []
        return [
            (point.step, point.value) for point in series(self.store, run_id, key, max_points=10**7).points
        ]

    def check_store(self) -> None:
        """The store opens, is sound, and holds exactly the runs that were queued."""
        store = Store.open(self.workspace.store_url)
        try:
            with store.connection() as connection:
                sqlite = connection.dialect.name == "sqlite"
                sound = connection.execute(text("PRAGMA integrity_check")).scalar() if sqlite else "ok"
            listed = sorted(run.id for run in list_runs(store, limit=10_000).runs)
        finally:
            store.close()
        held(sound == "ok", f"integrity_check: {sound}")
        held(listed == self.queued, f"runs queued {self.queued}, in the store {listed}")

    def check_run(self, run_id: int) -> None:
        """No acknowledged point of a settled run is lost, it began once an attempt, its checkpoints are whole."""
        folder, row = self.run_dir(run_id), self.row(run_id)
        if not row.status.ended:
            holder = self.holder(run_id)
            held(
                row.status is Status.QUEUED or (holder is not None and holder.alive()),
                f"run {run_id} is {row.status} while dead",
            )
        launches = Counter(
            line.split()[0] for line in (_read(folder / LAUNCHES) or b"").decode().splitlines()
        )
        held(all(count == 1 for count in launches.values()), f"run {run_id} launched twice: {launches}")
        if row.status.ended:
            self._check_points(run_id, folder)
        self._check_checkpoints(run_id, folder)

    def _check_points(self, run_id: int, folder: Path) -> None:
        acked = _read(folder / ACKED)
        if not acked:
            return
        steps = [step for step, _ in self.points(run_id)]
        last = STEP.unpack(acked)[0]
        first = steps[0] if steps else last + 1
        held(
            first <= 1 or last < 0,
            f"run {run_id}: its first point is of step {first}, of {last} acknowledged",
        )
        held(
            steps == list(range(first, first + len(steps))), f"run {run_id}: steps are missing in the middle"
        )
        held(
            not last > (steps[-1] if steps else 0),
            f"run {run_id}: step {last} was acknowledged, {steps[-1:]} is stored",
        )

    def _check_checkpoints(self, run_id: int, folder: Path) -> None:
        listed = run_detail(self.store, run_id).checkpoints
        for checkpoint in listed:
            path = folder / checkpoint.path
            weights = _read(path / "model.safetensors")
            if weights is None and self.row(run_id).status is Status.RUNNING:
                continue  # the living run has just removed it, and its record is on the way
            held(
                weights is not None,
                f"run {run_id}: listed checkpoint {checkpoint.path} ({checkpoint.kind}) is gone",
            )
            assert weights is not None
            digest = hashlib.sha256(weights).hexdigest()
            held(digest == checkpoint.sha256, f"run {run_id}: {checkpoint.path} does not match its checksum")
            if (path / "trainer.pt").exists():
                _load(path, weights)

    def result(self, run_id: int) -> dict[str, Any]:
        """What a resumed run must share with an uninterrupted one, to the last bit."""
        detail = run_detail(self.store, run_id)
        last = max(detail.checkpoints, key=lambda checkpoint: checkpoint.step)
        return {
            "status": self.row(run_id).status.value,
            "loss": self.points(run_id),
            "grad_norm": self.points(run_id, "train/grad_norm"),
            "f1_mean": self.points(run_id, "val/f1_mean"),
            "evaluations": [(one.step, one.f1_mean) for one in detail.evaluations],
            "weights": (last.step, last.sha256),
            "checkpoints": sorted((one.step, one.kind, one.sha256) for one in detail.checkpoints),
        }


def _empty(url: str) -> None:
    engine = create_engine(url)
    metadata = MetaData()
    metadata.reflect(engine)
    metadata.drop_all(engine)
    engine.dispose()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _load(path: Path, weights: bytes) -> None:
    import torch
    from safetensors.torch import load

    held(bool(load(weights)), f"{path}: no weights in it")
    state = torch.load(path / "trainer.pt", map_location="cpu", weights_only=True)
    held(state["step"] == int(path.name.removeprefix("step-")), f"{path}: of another step")
