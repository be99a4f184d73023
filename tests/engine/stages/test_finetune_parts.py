"""finetune's parts: accumulation, PGD, weights of other runs, freezing, both model families, several processes."""

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
from test_finetune import DATA, MODEL, TRAINING, assert_same_run, final_weights, losses, scores, settings
from torch.nn import functional as F

from engine.data.predictions import Predictions
from engine.errors import ConfigError, DataError
from engine.metrics import hierarchical_scores
from engine.models.checkpoint import load_classifier
from engine.ranks import CPU_PROCESSES_VARIABLE
from engine.recorder import Recorder, StopRequested
from engine.records import RECORDS_FILE, Artifact, Checkpoint, Evaluation, read_records
from engine.stages.context import RunContext
from engine.stages.finetune import make_task
from engine.training.classification import ClassificationTask
from engine.training.device import choose_compute

TWO_STREAM = MODEL | {"kind": "two_stream", "video_layers": 1, "cross_layers": 1}


def task_of(run: Run, recorder: Recorder) -> ClassificationTask:
    torch.manual_seed(0)
    context = RunContext(run.directory, run.workspace, recorder, False)
    task = make_task(run.config, context, choose_compute(0, "fp32"))
    task.model.eval()  # without dropout, gradients can be compared
    return task


def gradients(run: Run) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """Gradients of the first step, and its losses."""
    with Recorder(run.directory) as recorder:
        task = task_of(run, recorder)
        step = next(task.batches(0, 0))
        told = task.backward(step, choose_compute(0, "fp32").grad_scaler())
    found = {name: w.grad for name, w in task.model.named_parameters() if w.grad is not None}
    return found, {name: float(loss) for name, loss in told.items()}


def assert_close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], atol=2e-6, rtol=1e-3, msg=name)


@pytest.mark.parametrize("kind", ["none", "fgm", "pgd"])
@pytest.mark.parametrize("source", ["features", "frames"])
def test_a_step_in_several_passes_has_the_gradients_of_one_pass(
    new_run: NewRun, features: str, kind: str, source: str
) -> None:
    given = features if source == "features" else None
    attack = TRAINING | {"adversarial": {"kind": kind}}
    whole = gradients(new_run("finetune", **settings(given, training=attack)))
    parts = gradients(new_run("finetune", **settings(given, training=attack | {"accumulate": 3})))
    assert_close(parts[0], whole[0])
    assert parts[1] == pytest.approx(whole[1], rel=1e-4)


def test_pgd_sends_one_gradient_through_the_backbone_equal_to_full_passes_at_its_last_point(
    new_run: NewRun,
) -> None:
    eps, alpha, steps = 0.5, 0.3, 3
    attack = {"kind": "pgd", "eps": eps, "alpha": alpha, "steps": steps}
    run = new_run("finetune", **settings(None, training=TRAINING | {"adversarial": attack}))
    own, _ = gradients(run)
    with Recorder(run.directory) as recorder:
        task = task_of(run, recorder)
    model = task.model
    (batch,) = next(task.batches(0, 0)).parts

    def backward() -> None:
        F.cross_entropy(model(batch), batch.labels_B).backward()

    table = model.word_embeddings.weight
    start = table.detach().clone()
    backward()
    clean = {name: w.grad.clone() for name, w in model.named_parameters() if w.grad is not None}
    moved = torch.zeros_like(start)
    for _ in range(steps):
        assert table.grad is not None
        moved = moved + alpha * table.grad / table.grad.norm()
        moved *= min(1.0, eps / float(moved.norm()))
        table.data.copy_(start + moved)
        model.zero_grad()
        backward()
    expected = {name: clean[name] + w.grad for name, w in model.named_parameters() if w.grad is not None}
    assert_close(own, expected)


@pytest.mark.parametrize("kind", ["pgd", "awp"])
@pytest.mark.parametrize("model", [MODEL, TWO_STREAM], ids=["single", "two"])
def test_attacked_models_of_both_families_resume_to_the_same_bits(
    new_run: NewRun, features: str, kind: str, model: dict[str, Any]
) -> None:
    attack = {"kind": kind, "eps": 0.05}
    given = settings(
        features,
        model=model,
        training=TRAINING | {"adversarial": attack, "epochs": 2, "accumulate": 2, "schedule": "linear"},
    )
    whole = new_run("finetune", **given).go()
    run = new_run("finetune", **given)
    with pytest.raises(StopRequested):
        run.go(stop_after=7)
    run.go(resumed=True)
    assert_same_run(run, whole)


def test_a_two_stream_model_is_saved_and_loaded_as_what_it_is(new_run: NewRun) -> None:
    run = new_run(
        "finetune",
        **settings(
            None, model=TWO_STREAM | {"trainable_vision_layers": 1}, training=TRAINING | {"epochs": 1}
        ),
    ).go()
    model, spec, _ = load_classifier(final_weights(run).parent)
    assert (spec.kind, spec.video_layers, spec.cross_layers) == ("two_stream", 1, 1)
    assert len(model.cross) == 1


@pytest.mark.parametrize("model", [MODEL, TWO_STREAM], ids=["single", "two"])
@pytest.mark.parametrize("source", ["features", "frames"])
def test_each_model_overfits_32_videos(
    new_run: NewRun, features: str, model: dict[str, Any], source: str
) -> None:
    # Half of the 60 labelled videos train, which is what "32 videos" can be in this world.
    training = {
        "epochs": 80,
        "batch_size": 10,
        "lr": {"text": 2e-3, "vision": 1e-3, "other": 5e-3},
        "ema": None,
        "warmup": 0.05,
        "weight_decay": 0,
    }
    data = DATA | {"folds": 2, "max_frames": 8}
    given = settings(features if source == "features" else None, model=model, data=data, training=training)
    run = new_run("finetune", **given)
    text = run.workspace.resolve("models/sample/bert")
    run = new_run("finetune", **(given | {"model": model | {"text": without_dropout(text)}})).go()
    assert losses(run.records)[-1][1] < 0.01


def without_dropout(text: Path) -> str:
    """A copy of a text encoder that drops nothing, beside it."""
    folder = text.with_name(f"{text.name}-no-dropout")
    if not folder.exists():
        folder.mkdir()
        for file in text.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        config = json.loads((folder / "config.json").read_text())
        config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def test_named_parts_start_from_another_run_and_the_rest_is_new_and_said_to_be(
    new_run: NewRun, features: str, world: Path
) -> None:
    first = new_run("finetune", **settings(features)).go()
    folder = final_weights(first).parent.relative_to(world).as_posix()
    still = TRAINING | {"epochs": 1, "lr": {"text": 0, "vision": 0, "other": 0}, "ema": None}
    second = new_run(
        "finetune",
        **settings(
            features,
            inputs={"features": features, "init": folder},
            model=MODEL | {"init_parts": ["text", "frames"]},
            training=still,
        ),
    ).go()
    before, after = load_file(final_weights(first)), load_file(final_weights(second))
    for name in after:
        assert torch.equal(after[name], before[name]) == (not name.startswith("classifier")), name
    report = json.loads((second.directory / "artifacts" / "init.json").read_text())
    assert report["new"] == ["classifier.weight", "classifier.bias"]
    assert report["left_out"] == ["classifier.bias", "classifier.weight"]
    assert len(report["loaded"]) == len(after) - 2
    assert any(record.kind == "init" for record in second.records if isinstance(record, Artifact))


def test_parts_that_do_not_fit_are_told_with_the_fix(new_run: NewRun, features: str, world: Path) -> None:
    first = new_run("finetune", **settings(features)).go()
    folder = final_weights(first).parent.relative_to(world).as_posix()
    inputs = {"features": features, "init": folder}
    with pytest.raises(DataError, match=r"cross.*is not in the checkpoint\); leave that part out"):
        new_run(
            "finetune", **settings(features, inputs=inputs, model=TWO_STREAM | {"init_parts": ["cross"]})
        ).go()
    with pytest.raises(DataError, match="this model has no part cross; it has classifier, frames, text"):
        new_run("finetune", **settings(features, inputs=inputs, model=MODEL | {"init_parts": ["cross"]})).go()
    with pytest.raises(ConfigError, match=r"model.init_parts: has no use without inputs.init"):
        new_run("finetune", **settings(features, model=MODEL | {"init_parts": ["text"]})).go()


def test_frozen_parts_and_frozen_layers_keep_their_weights(new_run: NewRun, world: Path) -> None:
    model = MODEL | {"freeze": ["text"], "trainable_vision_layers": 0}
    training = TRAINING | {"epochs": 1, "adversarial": {"kind": "none"}}
    run = new_run("finetune", **settings(None, model=model, training=training)).go()
    after = load_file(final_weights(run))
    text = load_file(world / "models" / "sample" / "bert" / "model.safetensors")
    vision = load_file(world / "models" / "sample" / "clip" / "model.safetensors")
    own = {name.removeprefix("text."): w for name, w in after.items() if name.startswith("text.")}
    for name, weight in own.items():
        assert torch.equal(weight, text.get(name, text.get(f"bert.{name}"))), name
    embedding = next(w for name, w in vision.items() if name.endswith("patch_embedding.weight"))
    assert torch.equal(after["vision.backbone.embeddings.patch_embedding.weight"], embedding)


def test_only_the_last_layers_of_the_backbone_are_trained_when_asked(new_run: NewRun) -> None:
    run = new_run("finetune", **settings(None, model=MODEL | {"trainable_vision_layers": 1}))
    with Recorder(run.directory) as recorder:
        vision = task_of(run, recorder).model.vision
    assert vision is not None
    trained = {name for name, weight in vision.named_parameters() if weight.requires_grad}
    assert any("layers.0" in name for name in trained)
    assert any("post_layernorm" in name for name in trained)
    assert not any("embeddings" in name or "pre_layrnorm" in name for name in trained)


def test_evaluations_within_an_epoch_can_be_the_best_and_change_no_bit_of_the_training(
    new_run: NewRun, features: str
) -> None:
    plain = new_run("finetune", **settings(features)).go()
    often = new_run("finetune", **settings(features, training=TRAINING | {"evaluate_every": 2})).go()
    assert losses(often.records) == losses(plain.records)
    steps = [step for step, _, _ in scores(often.records)]
    assert steps == [2, 4, 5, 6, 8, 10, 12, 14, 15]
    best = max(scores(often.records), key=lambda score: (score[2], -score[0]))
    saved = [record for record in often.records if isinstance(record, Checkpoint) and record.kind == "best"]
    assert saved[-1].step == best[0]
    run = new_run("finetune", **settings(features, training=TRAINING | {"evaluate_every": 2}))
    with pytest.raises(StopRequested):
        run.go(stop_after=4)
    run.go(resumed=True)
    assert_same_run(run, often)


def test_recomputed_activations_give_the_same_losses(new_run: NewRun, features: str) -> None:
    one = TRAINING | {"epochs": 1}
    plain = new_run("finetune", **settings(features, training=one)).go()
    saving = new_run("finetune", **settings(features, training=one | {"checkpoint_activations": True})).go()
    np.testing.assert_allclose(losses(saving.records), losses(plain.records), rtol=1e-4)


def test_the_best_checkpoints_predictions_of_the_fold_are_written_with_their_truth(
    new_run: NewRun, features: str
) -> None:
    run = new_run("finetune", **settings(features)).go()
    predictions = Predictions.open(run.directory / "artifacts" / "predictions-val")
    best = max((r for r in run.records if isinstance(r, Evaluation)), key=lambda r: (r.f1_mean, -r.step))
    again = hierarchical_scores(
        predictions.taxonomy, predictions.labels, predictions.probabilities.argmax(axis=1)
    )
    assert again.f1_mean == pytest.approx(best.f1_mean, abs=1e-9)
    assert any(record.kind == "validation" for record in run.records if isinstance(record, Artifact))


@pytest.mark.parametrize("source", ["features", "frames"])
def test_two_processes_give_the_losses_of_one_with_the_whole_batch(
    new_run: NewRun, features: str, world: Path, source: str
) -> None:
    model = MODEL | {"text": without_dropout(world / "models" / "sample" / "bert")}
    given = settings(
        features if source == "features" else None, model=model, training=TRAINING | {"epochs": 1}
    )
    one = new_run("finetune", **given).go()
    two = new_run("finetune", **given)
    environment = os.environ | {CPU_PROCESSES_VARIABLE: "2", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "engine.run", str(two.directory)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    records = list(read_records(two.directory / RECORDS_FILE, 0).records)
    # The sum over two halves rounds differently from the sum over the whole: relative 1e-4 after some steps.
    np.testing.assert_allclose(losses(records), losses(one.records), rtol=1e-4)
    np.testing.assert_allclose(
        np.array(scores(records), float), np.array(scores(one.records), float), rtol=1e-3
    )
