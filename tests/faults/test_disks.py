"""A disk that is full or fails under the store, the records or a checkpoint: the cause is named, nothing is lost."""

import contextlib
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from sqlalchemy import event
from supervisor_bench import Bench

from engine.errors import StoreError
from engine.failure_text import failure_text
from engine.recorder import Recorder
from engine.records import RECORDS_FILE, State, read_records
from engine.runlock import read_holder
from engine.store.database import Store
from engine.store.views import Status
from engine.supervisor.supervisor import Supervisor
from engine.training.checkpoints import CheckpointFolder

STEPS = 400


def fill(disk: Path) -> Path:
    """Leave no byte free; what is returned gives the space back when it is removed."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 10, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass
    return ballast


def test_on_a_full_disk_a_run_trains_on_and_its_points_come_when_there_is_space(disk_bench: Bench) -> None:
    bench = disk_bench
    run_id = bench.queue(config={"steps": STEPS, "gate": 10})
    supervisor = bench.supervisor()
    bench.until_training(supervisor, run_id)
    bench.drive(supervisor, lambda: len(bench.points(run_id)) == 11)
    (bench.run_dir(run_id) / "go").touch()
    ballast = fill(bench.workspace.root)
    process = psutil.Process(bench.pid(run_id))
    tried = process.io_counters().write_count
    bench.drive(supervisor, lambda: process.io_counters().write_count > tried + 40)
    with pytest.raises(StoreError, match="disk is full"):
        bench.queue(notes="x" * 4_000_000)
    assert bench.status(run_id) is Status.RUNNING
    stored = len(bench.points(run_id))
    assert stored < STEPS / 2
    ballast.unlink()
    bench.until_ended(supervisor, run_id)
    assert bench.status(run_id) is Status.FINISHED
    assert bench.points(run_id) == [(step, float(step)) for step in range(STEPS)]


def test_while_the_store_is_read_only_a_run_trains_on_and_its_points_come_when_it_is_writable(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = bench.queue(config={"steps": STEPS, "gate": 10, "pause": 0})
    store = Store.open(bench.workspace.store_url)
    supervisor = Supervisor(bench.workspace, store, command=bench.command)
    bench.until_training(supervisor, run_id)
    shut = True

    def shut_or_open(connection: Any, *_: Any) -> None:
        connection.execute(f"PRAGMA query_only = {int(shut)}")

    event.listen(store._reader, "checkout", shut_or_open)
    holder = read_holder(bench.run_dir(run_id))
    assert holder is not None
    bench.go(run_id)
    bench.drive(supervisor, lambda: not holder.alive())
    bench.drive(supervisor, lambda: "it cannot be written: make it writable" in caplog.text)
    assert bench.status(run_id) is Status.RUNNING
    shut = False
    bench.until_ended(supervisor, run_id)
    assert bench.status(run_id) is Status.FINISHED
    assert bench.points(run_id) == [(step, float(step)) for step in range(STEPS)]
    store.close()


def test_a_store_that_cannot_be_opened_on_a_full_disk_is_not_called_damaged(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk / 'experiments.db'}"
    Store.open(url).close()
    ballast = fill(small_disk)
    with pytest.raises(StoreError, match="disk is full"):
        Store.open(url)
    ballast.unlink()
    Store.open(url).close()


@pytest.mark.parametrize("large", ["weights", "state"])
def test_a_checkpoint_that_does_not_fit_names_the_full_disk_and_leaves_those_before_it(
    small_disk: Path, large: str
) -> None:
    recorder = Recorder(small_disk)
    saved = CheckpointFolder(small_disk / "checkpoints", recorder, keep=2)

    def save(step: int, megabytes: int) -> None:
        weights = torch.zeros(megabytes << 18)
        state: dict[str, Any] = {"step": step, "epoch": step, "kind": "epoch", "f1_mean": None}
        state |= {"best_step": None, "best_f1_mean": None}
        if large == "state":
            state["optimizer"], weights = weights, torch.zeros(1)
        saved.save(
            lambda folder: save_file({"w": weights}, folder / "model.safetensors"),
            state,
            step=step,
            epoch=step,
            kind="epoch",
        )

    save(1, 1)
    with pytest.raises((OSError, SafetensorError)) as stopped:
        save(2, 4)
    assert "No space left on device" in failure_text(stopped.value)
    assert failure_text(stopped.value).endswith("free some space, then resume the run")
    assert [path.name for path in saved.folder.iterdir()] == ["step-00000001"]
    recorder.state("failed", "told")
    assert isinstance(read_records(small_disk / RECORDS_FILE).records[-1], State)
    save(2, 1)
    assert [one.step for one in saved.saved()] == [1, 2]
    recorder.close()
