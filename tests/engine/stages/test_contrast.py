"""contrast: titles find their frames, runs resume to the same bits, and the vision tower can be taken on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from stage_world import NewRun
from test_finetune import assert_same_run, final_weights, losses
from test_pretrain import curves

from engine.errors import ConfigError, DataError
from engine.models.checkpoint import load_vision_tower
from engine.recorder import Recorder, StopRequested
from engine.records import Resumed
from engine.stages.context import RunContext
from engine.stages.contrast import make_task
from engine.training.device import choose_compute


def settings(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "data": {"max_frames": 2, "max_tokens": 16, "splits": ["labeled", "unlabeled"]},
        "model": {"text": "models/sample/bert", "vision": "models/sample/clip"},
        "training": {
            "epochs": 2,
            "batch_size": 32,
            "lr": {"text": 2e-3, "vision": 1e-3, "scale": 1e-3, "other": 2e-3},
        },
    }
    return {name: given.get(name, {}) | changes.get(name, {}) for name in given | changes}


def test_titles_find_their_frames(new_run: NewRun) -> None:
    run = new_run(
        "contrast", **settings(data={"splits": ["labeled"]}, training={"epochs": 30, "batch_size": 64})
    ).go()
    found = curves(run)
    assert found.keys() >= {"loss", "accuracy", "logit_scale"}
    assert np.mean(found["loss"][-3:]) < 0.6 * np.mean(found["loss"][:3])
    assert np.mean(found["accuracy"][-3:]) > 5 * np.mean(found["accuracy"][:3])


@pytest.mark.parametrize("changes", [{}, {"accumulate": 2, "ema": 0.9}])
def test_stopping_in_the_middle_of_an_epoch_and_resuming_changes_no_bit(
    new_run: NewRun, changes: dict[str, Any]
) -> None:
    given = settings(training=changes)
    whole = new_run("contrast", **given).go()
    run = new_run("contrast", **given)
    with pytest.raises(StopRequested):
        run.go(stop_after=2)
    with pytest.raises(StopRequested):
        run.go(resumed=True, stop_after=7)
    run.go(resumed=True)
    assert [record.step for record in run.records if isinstance(record, Resumed)] == [2, 7]
    assert_same_run(run, whole)
    assert len(losses(whole.records)) > 7


def test_worker_processes_change_no_bit(new_run: NewRun) -> None:
    one = {"epochs": 1}
    alone = new_run("contrast", **settings(training=one)).go()
    helped = new_run("contrast", **settings(training=one, data={"workers": 2})).go()
    assert_same_run(helped, alone)


def test_each_tower_has_its_rate_and_only_videos_with_titles_are_used(new_run: NewRun) -> None:
    run = new_run("contrast", **settings())
    with Recorder(run.directory) as recorder:
        context = RunContext(run.directory, run.workspace, recorder, False)
        task = make_task(run.config, context, choose_compute(0, "fp32"))
    parts = {task.part_of(name): name for name, _ in task.model.named_parameters()}
    assert parts.keys() == {"text", "vision", "scale"}
    assert task.part_of("text_projection.weight") == task.part_of("video_projection.weight") == "other"
    assert (task.pool.segment_lengths()[:, 0] > 0).all()
    steps = list(task.batches(0, 0))
    assert sum(step.videos for step in steps) == len(task.pool)
    without = sum(int((~step.parts[0].frame_mask_BF.any(dim=1)).sum()) for step in steps)
    assert 0 < without < len(task.pool)


def test_the_vision_tower_of_a_run_is_the_one_that_it_trained(new_run: NewRun, world: Path) -> None:
    run = new_run("contrast", **settings(training={"epochs": 1})).go()
    folder = final_weights(run).parent
    backbone, preprocess = load_vision_tower(folder)
    trained = load_file(folder / "model.safetensors")
    first = load_file(world / "models" / "sample" / "clip" / "model.safetensors")
    assert preprocess.crop == backbone.config.image_size
    moved = 0
    for name, weight in backbone.state_dict().items():
        assert torch.equal(weight, trained[f"vision.backbone.{name}"])
        moved += name in first and not torch.equal(weight, first[name])
    assert moved > 0
    features = new_run(
        "extract",
        model={"vision": "models/sample/clip"},
        inputs={"vision": folder.relative_to(world).as_posix()},
        data={"splits": ["labeled"], "max_frames": 2},
    ).go()
    assert (features.directory / "artifacts" / "features" / "index.json").exists()


def test_a_run_is_not_resumed_on_other_videos_than_it_began_with(new_run: NewRun) -> None:
    run = new_run("contrast", **settings())
    with pytest.raises(StopRequested):
        run.go(stop_after=2)
    other = new_run("contrast", **settings(data={"splits": ["labeled"]}))
    (run.directory / "checkpoints").rename(other.directory / "checkpoints")
    with pytest.raises(DataError, match="not those that this run began with"):
        other.go(resumed=True)


def test_settings_that_do_not_fit_are_told(new_run: NewRun) -> None:
    with pytest.raises(ConfigError, match="positions"):
        new_run("contrast", **settings(data={"max_tokens": 4000})).go()
    with pytest.raises(ConfigError, match="cannot be cut"):
        new_run("contrast", **settings(training={"accumulate": 3})).go()
