"""A run from which descriptors or processes are taken: it trains on as far as it can, and names what it lacks."""

import errno
import gc
import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from descriptors import no_descriptors_left
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import save_file
from supervisor_bench import Bench, wait_until

from engine.data.videos import BatchSize, load_batches
from engine.failure_text import failure_text
from engine.recorder import Recorder
from engine.store.views import Status
from engine.training.checkpoints import CheckpointFolder

PROGRAM = """
import sys
from pathlib import Path
from benchmarks.faults.starving import descriptors
from engine.run import run_stage

def stage(context):
    for step in range(60):
        context.recorder.log(step, {"train/loss": float(step)})
        if step == 10:
            descriptors()
    (context.run_dir / "weights").open("wb")

sys.exit(run_stage(Path(sys.argv[1]), stage))
"""


def test_out_of_descriptors_a_run_logs_on_and_says_what_it_lacked(bench: Bench) -> None:
    run_id = bench.queue()
    supervisor = bench.supervisor(command=lambda run_dir: [sys.executable, "-c", PROGRAM, str(run_dir)])
    bench.until_ended(supervisor, run_id)
    row = bench.row(run_id)
    assert row.status is Status.FAILED
    said = (row.error or "").splitlines()[0]
    assert "Too many open files" in said
    assert "raise the limit of open files (ulimit -n)" in said
    assert bench.points(run_id) == [(step, float(step)) for step in range(60)]


def test_a_checkpoint_that_cannot_be_opened_leaves_those_before_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    saved = CheckpointFolder(tmp_path / "checkpoints", recorder, keep=2)

    def save(step: int) -> None:
        state: dict[str, Any] = {"step": step, "epoch": step, "kind": "epoch", "f1_mean": None}
        state |= {"best_step": None, "best_f1_mean": None}

        def write(folder: Path) -> None:
            save_file({"w": torch.zeros(4)}, folder / "model.safetensors")

        saved.save(write, state, step=step, epoch=step, kind="epoch")

    save(1)
    with no_descriptors_left(), pytest.raises((OSError, SafetensorError)) as stopped:
        save(2)
    assert "raise the limit of open files (ulimit -n)" in failure_text(stopped.value)
    assert [one.step for one in saved.saved()] == [1]
    save(2)
    assert [one.step for one in saved.saved()] == [1, 2]
    recorder.close()


class Maker:
    def batch(
        self, rows: NDArray[np.int64], *, seed: int, epoch: int | None
    ) -> tuple[BatchSize, int, list[str]]:
        return BatchSize(1, 1, 1, 1), int(rows[0]), []


# Torch's own clean-up stumbles over workers that were never started.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("started", [0, 1])
def test_data_workers_that_cannot_be_forked_are_named_and_those_that_were_are_ended(
    monkeypatch: pytest.MonkeyPatch, started: int
) -> None:
    fork, times = os.fork, iter(range(9))

    def refused() -> int:
        if next(times) < started:
            return fork()
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("os.fork", refused)
    with pytest.raises(BlockingIOError) as stopped:
        load_batches(Maker(), [np.array([0])], seed=0, epoch=0, workers=2, pin=False)
    text = failure_text(stopped.value)
    assert "no process could be started; raise the limit (ulimit -u) or lower data.workers" in text
    del stopped
    gc.collect()
    wait_until(lambda: not multiprocessing.active_children())
