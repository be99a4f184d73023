"""pretrain: it learns, resumes to the same bits, and hands its encoder on."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from stage_world import NewRun, Run
from test_finetune import DATA, TRAINING, assert_same_run, final_weights, losses

from engine.errors import ConfigError, DataError
from engine.models.checkpoint import load_description
from engine.ranks import CPU_PROCESSES_VARIABLE
from engine.recorder import Recorder, StopRequested
from engine.records import RECORDS_FILE, Evaluation, Metrics, Resumed, read_records
from engine.stages.context import RunContext
from engine.stages.pretrain import make_task
from engine.training.device import choose_compute

TASKS = ("mlm", "mfm", "ftm", "ftc", "mmm")
NAMES = ("loss", "mlm", "mfm", "ftm", "ftc", "mmm_text", "mmm_frames")


def settings(features: str, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "data": {"max_frames": 3, "max_tokens": 48},
        "model": {"text": "models/sample/bert"},
        "inputs": {"features": features},
        "training": {"epochs": 1, "batch_size": 32, "lr": {"text": 1e-3, "other": 3e-3}},
    }
    return {name: given.get(name, {}) | changes.get(name, {}) for name in given | changes}


def curves(run: Run) -> dict[str, list[float]]:
    metrics = [record.values for record in run.records if isinstance(record, Metrics)]
    names = {name for values in metrics for name in values if name.startswith("train/")}
    return {
        name.removeprefix("train/"): [values[name] for values in metrics if name in values] for name in names
    }


def test_every_task_has_a_metric_of_its_own_and_the_losses_fall(new_run: NewRun, features: str) -> None:
    run = new_run("pretrain", **settings(features, training={"epochs": 12})).go()
    found = curves(run)
    assert found.keys() >= set(NAMES)
    assert all(np.isfinite(curve).all() for curve in found.values())
    # Frames of an untrained backbone tell little: what is learnt of them shows in the tests of the model.
    for name in ("loss", "mlm", "ftc", "mmm_text"):
        assert np.mean(found[name][-6:]) < 0.95 * np.mean(found[name][:6]), name
    assert not any(isinstance(record, Evaluation) for record in run.records)
    description = load_description(final_weights(run).parent)
    assert (description["kind"], description["frame_size"], description["max_frames"]) == ("pretrain", 32, 3)


@pytest.mark.parametrize("task", TASKS)
def test_each_task_trains_alone(new_run: NewRun, features: str, task: str) -> None:
    off: dict[str, Any] = {name: {"weight": 0} for name in TASKS if name != task}
    run = new_run("pretrain", **settings(features, tasks=off)).go()
    found = curves(run)
    own = {"mmm": {"mmm_text", "mmm_frames"}}.get(task, {task})
    assert found.keys() & set(NAMES) == {"loss", *own}
    assert np.isfinite(found["loss"]).all()
    assert np.mean(found["loss"]) > 0


@pytest.mark.parametrize("changes", [{}, {"accumulate": 2, "ema": 0.9}])
def test_stopping_in_the_middle_of_an_epoch_and_resuming_changes_no_bit(
    new_run: NewRun, features: str, changes: dict[str, Any]
) -> None:
    given = settings(features, training={"epochs": 2} | changes)
    whole = new_run("pretrain", **given).go()
    run = new_run("pretrain", **given)
    with pytest.raises(StopRequested):
        run.go(stop_after=2)
    with pytest.raises(StopRequested):
        run.go(resumed=True, stop_after=7)
    run.go(resumed=True)
    assert [record.step for record in run.records if isinstance(record, Resumed)] == [2, 7]
    assert_same_run(run, whole)
    assert len(losses(whole.records)) > 9


def test_worker_processes_change_no_bit(new_run: NewRun, features: str) -> None:
    alone = new_run("pretrain", **settings(features)).go()
    helped = new_run("pretrain", **settings(features, data={"workers": 2})).go()
    assert_same_run(helped, alone)


def test_a_run_is_not_resumed_on_other_videos_than_it_began_with(
    new_run: NewRun, features: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run("pretrain", **settings(features))
    with pytest.raises(StopRequested):
        run.go(stop_after=2)
    monkeypatch.setattr(
        "engine.data.pool.VideoPool.frame_counts", lambda pool: np.full(len(pool), 1, np.int64)
    )
    with pytest.raises(DataError, match="not those that this run began with"):
        run.go(resumed=True)


def test_encoder_and_heads_learn_at_their_own_rates_and_all_videos_count(
    new_run: NewRun, features: str, world: Path
) -> None:
    run = new_run("pretrain", **settings(features, data={"splits": ["unlabeled", "test", "labeled"]}))
    with Recorder(run.directory) as recorder:
        context = RunContext(run.directory, run.workspace, recorder, False)
        task = make_task(run.config, context, choose_compute(0, "fp32"))
    parts = {name: task.part_of(name) for name, _ in task.model.named_parameters()}
    assert {part for name, part in parts.items() if name.startswith("text.")} == {"text"}
    assert {part for name, part in parts.items() if not name.startswith("text.")} == {"other"}
    annotations = world / "data" / "sample" / "annotations"
    ids = [
        record["id"]
        for split in ("unlabeled", "test", "labeled")
        for record in json.loads((annotations / f"{split}.json").read_text())
    ]
    assert sorted(task.pool.ids) == sorted(ids)
    steps = list(task.batches(0, 0))
    assert len(steps) == task.steps_per_epoch() == -(-len(ids) // 32)
    assert sum(step.videos for step in steps) == len(ids)


def test_parts_of_a_step_are_of_equal_size_and_the_rest_is_left_out(new_run: NewRun, features: str) -> None:
    run = new_run("pretrain", **settings(features, training={"accumulate": 4}))
    with Recorder(run.directory) as recorder:
        context = RunContext(run.directory, run.workspace, recorder, False)
        task = make_task(run.config, context, choose_compute(0, "fp32"))
    steps = list(task.batches(0, 0))
    assert len(steps) == task.steps_per_epoch()
    for step in steps:
        assert len({size.videos for size in step.sizes}) == 1
        assert len(step.parts) == 4
    assert 0 <= len(task.pool) - sum(step.videos for step in steps) < 4
    with pytest.raises(ConfigError, match="cannot be cut into 5 equal parts"):
        new_run("pretrain", **settings(features, training={"accumulate": 5})).go()


def test_a_run_can_start_from_anothers_weights_and_all_must_fit(
    new_run: NewRun, features: str, world: Path
) -> None:
    first = new_run("pretrain", **settings(features)).go()
    folder = final_weights(first).parent.relative_to(world).as_posix()
    still = {"epochs": 1, "lr": {"text": 0, "other": 0}}
    tasks = {"ftc": {"temperature": "none"}}
    second = new_run(
        "pretrain", **settings(features, inputs={"init": folder}, training=still, tasks=tasks)
    ).go()
    one, two = load_file(final_weights(first)), load_file(final_weights(second))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    classifier = new_run(
        "finetune",
        data=DATA,
        model={"text": "models/sample/bert"},
        inputs={"features": features},
        training=TRAINING | {"epochs": 1},
    ).go()
    other = final_weights(classifier).parent.relative_to(world).as_posix()
    with pytest.raises(DataError, match="weights do not fit"):
        new_run("pretrain", **settings(features, inputs={"init": other})).go()


def test_a_classifier_starts_from_the_pretrained_encoder(new_run: NewRun, features: str, world: Path) -> None:
    first = new_run("pretrain", **settings(features)).go()
    folder = final_weights(first).parent.relative_to(world).as_posix()
    still = TRAINING | {"epochs": 1, "lr": {"text": 0, "vision": 0, "other": 0}, "ema": None}
    second = new_run(
        "finetune",
        data=DATA,
        model={"text": "models/sample/bert", "init_parts": ["text", "frames"]},
        inputs={"features": features, "init": folder},
        training=still,
    ).go()
    one, two = load_file(final_weights(first)), load_file(final_weights(second))
    taken = [name for name in two if not name.startswith("classifier.")]
    assert any(name.startswith("frame_projection") for name in taken)
    assert "text.embeddings.word_embeddings.weight" in taken
    assert all(torch.equal(one[name], two[name]) for name in taken)


def test_two_processes_train_together_and_report_once(new_run: NewRun, features: str) -> None:
    run = new_run("pretrain", **settings(features))
    environment = os.environ | {CPU_PROCESSES_VARIABLE: "2", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "engine.run", str(run.directory)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    records = list(read_records(run.directory / RECORDS_FILE, 0).records)
    alone = new_run("pretrain", **settings(features)).go()
    steps = [step for step, _, _ in losses(records)]
    assert steps == [step for step, _, _ in losses(alone.records)]
    # Other random choices, the same negatives: the first losses are of untrained heads, equal but for chance.
    assert losses(records)[0][1] == pytest.approx(losses(alone.records)[0][1], rel=0.1)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"data": {"max_tokens": 4000}}, "positions"),
        ({"data": {"splits": ["test"], "root": "nowhere"}}, "no videos in test"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_told(
    new_run: NewRun, features: str, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises((ConfigError, DataError), match=told):
        new_run("pretrain", **settings(features, **changes)).go()


def test_at_least_one_task_is_on(new_run: NewRun, features: str) -> None:
    off: dict[str, Any] = {name: {"weight": 0} for name in TASKS}
    with pytest.raises(ValueError, match="switched off"):
        new_run("pretrain", **settings(features, tasks=off))
