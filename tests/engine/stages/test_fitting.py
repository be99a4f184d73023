"""What all training stages share: precision, recomputed activations, compiling, several processes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import test_contrast
import test_finetune
import test_pretrain
from stage_world import NewRun, Run
from test_finetune import losses
from test_finetune_parts import without_dropout

from engine.ranks import CPU_PROCESSES_VARIABLE
from engine.records import RECORDS_FILE, State, read_records

STAGES = ("finetune", "pretrain", "contrast")


def settings(stage: str, features: str, **training: Any) -> dict[str, Any]:
    """Two short epochs of a stage."""
    given = {
        "finetune": lambda: test_finetune.settings(features),
        "pretrain": lambda: test_pretrain.settings(features),
        "contrast": lambda: test_contrast.settings(),
    }[stage]()
    return given | {"training": given["training"] | {"epochs": 1} | training}


def spawn(run: Run) -> "subprocess.Popen[str]":
    """The run as two processes on the CPU."""
    return subprocess.Popen(
        [sys.executable, "-m", "engine.run", str(run.directory)],
        env=os.environ | {CPU_PROCESSES_VARIABLE: "2", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("stage", ["pretrain", "contrast"])
def test_recomputed_activations_give_the_same_losses(new_run: NewRun, features: str, stage: str) -> None:
    plain = new_run(stage, **settings(stage, features)).go()
    saving = new_run(stage, **settings(stage, features, checkpoint_activations=True)).go()
    np.testing.assert_allclose(losses(saving.records), losses(plain.records), rtol=1e-4)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_sixteen_bits_train_as_thirty_two_do(
    new_run: NewRun, features: str, stage: str, precision: str
) -> None:
    whole = np.array(losses(new_run(stage, **settings(stage, features)).go().records))
    half = np.array(losses(new_run(stage, **settings(stage, features, precision=precision)).go().records))
    assert np.isfinite(half[:, 1]).all()
    assert not np.array_equal(half[:, 1], whole[:, 1])
    if precision == "bf16":
        assert np.isfinite(half).all()
        # Eight bits of a number make its first losses differ in the third digit, not in what is learned.
        np.testing.assert_allclose(half[:, 1], whole[:, 1], rtol=0.05)
    else:
        # A step whose scaled gradients overflow is left out, and the scale lowered: from then on the losses differ.
        overflown = np.flatnonzero(np.isinf(half[:, 2]))
        same = overflown[0] + 1 if len(overflown) else len(half)
        assert same > 1
        np.testing.assert_allclose(half[:same, 1], whole[:same, 1], rtol=0.05)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the CPU")
def test_a_compiled_model_gives_the_same_losses(new_run: NewRun, features: str, world: Path) -> None:
    model = test_finetune.MODEL | {"text": without_dropout(world / "models" / "sample" / "bert")}
    one = settings("finetune", features) | {"model": model}
    plain = new_run("finetune", **one).go()
    compiled = new_run("finetune", **one | {"training": one["training"] | {"compile": True}}).go()
    np.testing.assert_allclose(losses(compiled.records), losses(plain.records), rtol=1e-3)


def test_two_processes_contrast_their_videos_as_one_does(new_run: NewRun, world: Path) -> None:
    text = without_dropout(world / "models" / "sample" / "bert")
    given = test_contrast.settings(model={"text": text}, training={"epochs": 1})
    one = new_run("contrast", **given).go()
    two = new_run("contrast", **given)
    process = spawn(two)
    told, _ = process.communicate(timeout=300)
    assert process.returncode == 0, told
    records = list(read_records(two.directory / RECORDS_FILE, 0).records)
    np.testing.assert_allclose(losses(records), losses(one.records), rtol=1e-3)


def test_a_run_whose_other_process_dies_fails_and_says_so(new_run: NewRun, features: str) -> None:
    run = new_run("finetune", **settings("finetune", features, epochs=2000))
    process = spawn(run)
    try:
        companion = until_training(run, process)
        companion.send_signal(signal.SIGKILL)
        told, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1, told
    last = [one for one in read_records(run.directory / RECORDS_FILE, 0).records if isinstance(one, State)][
        -1
    ]
    assert last.status == "failed"
    assert last.error is not None
    assert "the process of GPU 1 ended with exit code -9" in last.error
    assert not companion.is_running()


def test_stopping_a_run_of_two_processes_stops_both(new_run: NewRun, features: str) -> None:
    run = new_run("finetune", **settings("finetune", features, epochs=2000))
    process = spawn(run)
    try:
        companion = until_training(run, process)
        process.send_signal(signal.SIGTERM)
        told, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 3, told
    assert not companion.is_running()
    assert list((run.directory / "checkpoints").iterdir())


def until_training(run: Run, process: "subprocess.Popen[str]") -> psutil.Process:
    """The run's other process, once the two have made some steps together."""
    end = time.monotonic() + 120
    file = run.directory / RECORDS_FILE
    while time.monotonic() < end and process.poll() is None:
        if file.exists() and len(losses(list(read_records(file, 0).records))) > 3:
            own = [
                child
                for child in psutil.Process(process.pid).children()
                if "engine.run" in " ".join(child.cmdline())
            ]
            assert len(own) == 1
            return own[0]
        time.sleep(0.2)  # it is another process's file: there is nothing to wait on
    raise AssertionError("the run did not begin to train")
