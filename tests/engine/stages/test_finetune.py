"""finetune: it learns, resumes to the same bits, attacks only the words, and says what it did."""

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from stage_world import NewRun, Run
from torch.nn import functional as F

from engine.errors import ConfigError, DataError
from engine.models.checkpoint import load_classifier
from engine.recorder import StopRequested
from engine.records import (
    RECORDS_FILE,
    AnyRecord,
    Checkpoint,
    CheckpointDeleted,
    Evaluation,
    Metrics,
    Resumed,
    read_records,
)
from engine.stages.finetune import make_task
from engine.training.device import choose_compute

DATA = {"folds": 3, "max_frames": 3, "max_tokens": 48}
TRAINING = {
    "epochs": 3,
    "batch_size": 8,
    "lr": {"text": 1e-3, "vision": 1e-3, "other": 3e-3},
    "ema": 0.9,
    "adversarial": {"kind": "fgm"},
}
MODEL = {"text": "models/sample/bert", "vision": "models/sample/clip"}


def settings(features: str | None, **changes: Any) -> dict[str, Any]:
    return {"model": MODEL, "data": DATA, "training": TRAINING, "inputs": {"features": features}} | changes


def final_weights(run: Run) -> Path:
    return max((run.directory / "checkpoints").iterdir()) / "model.safetensors"


def valid_records(records: list[AnyRecord]) -> list[AnyRecord]:
    """What is left of a run's reports once each resumption has voided what came after its checkpoint."""
    kept: list[AnyRecord] = []
    for record in records:
        if isinstance(record, Resumed):
            kept = [one for one in kept if getattr(one, "step", 0) <= record.step]
        else:
            kept.append(record)
    return kept


def losses(records: list[AnyRecord]) -> list[tuple[int, float, float]]:
    return [
        (record.step, record.values["train/loss"], record.values["train/grad_norm"])
        for record in valid_records(records)
        if isinstance(record, Metrics) and "train/loss" in record.values
    ]


def scores(records: list[AnyRecord]) -> list[tuple[int, float | None, float]]:
    return [
        (record.step, record.loss, record.f1_mean)
        for record in valid_records(records)
        if isinstance(record, Evaluation)
    ]


def assert_same_run(run: Run, whole: Run) -> None:
    assert losses(run.records) == losses(whole.records)
    assert scores(run.records) == scores(whole.records)
    assert final_weights(run).read_bytes() == final_weights(whole).read_bytes()


def test_a_few_epochs_report_losses_scores_at_both_levels_and_checkpoints(
    new_run: NewRun, features: str
) -> None:
    training = TRAINING | {"epochs": 16, "lr": {"text": 3e-3, "other": 5e-3}, "adversarial": {"kind": "none"}}
    run = new_run("finetune", **settings(features, training=training)).go()
    curve = [loss for _, loss, _ in losses(run.records)]
    assert np.mean(curve[-5:]) < 0.5 * np.mean(curve[:5])
    evaluations = [record for record in run.records if isinstance(record, Evaluation)]
    assert [evaluation.epoch for evaluation in evaluations] == list(range(1, 17))
    assert [level.level for level in evaluations[-1].levels] == [1, 2]
    assert {scored.level for scored in evaluations[-1].classes} == {1, 2}
    saved = [record for record in run.records if isinstance(record, Checkpoint)]
    best = max(evaluations, key=lambda evaluation: evaluation.f1_mean)
    assert [record.step for record in saved if record.kind == "best"][-1] == best.step
    deleted = {record.path for record in run.records if isinstance(record, CheckpointDeleted)}
    for record in saved:
        assert (run.directory / record.path).exists() == (record.path not in deleted)


@pytest.mark.parametrize("source", ["features", "frames"])
@pytest.mark.parametrize("ema", [0.9, None])
def test_stopping_in_the_middle_of_an_epoch_and_resuming_changes_no_bit(
    new_run: NewRun, features: str, source: str, ema: float | None
) -> None:
    given = settings(
        features if source == "features" else None, training=TRAINING | {"ema": ema, "epochs": 2}
    )
    whole = new_run("finetune", **given).go()
    run = new_run("finetune", **given)
    with pytest.raises(StopRequested):
        run.go(stop_after=3)
    with pytest.raises(StopRequested):
        run.go(resumed=True, stop_after=7)
    run.go(resumed=True)
    assert_same_run(run, whole)


def test_a_stop_while_an_epoch_is_evaluated_loses_nothing(new_run: NewRun, features: str) -> None:
    given = settings(features)
    whole = new_run("finetune", **given).go()
    run = new_run("finetune", **given)
    with pytest.raises(StopRequested):
        run.go(stop_after=5)
    assert scores(run.records) == []
    run.go(resumed=True)
    assert_same_run(run, whole)


def test_the_best_epoch_is_saved_even_between_the_regular_checkpoints(new_run: NewRun, features: str) -> None:
    training = TRAINING | {"epochs": 4}
    run = new_run("finetune", **settings(features, checkpoints={"every_epochs": 100}, training=training)).go()
    best = max(scores(run.records), key=lambda score: (score[2], -score[0]))
    saved = [record for record in run.records if isinstance(record, Checkpoint) and record.kind == "best"]
    assert (saved[-1].step, saved[-1].f1_mean) == (best[0], best[2])
    assert (run.directory / saved[-1].path).is_dir()


def test_weights_that_are_no_longer_numbers_are_never_saved(
    new_run: NewRun, features: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run("finetune", **settings(features, checkpoints={"every_steps": 2, "keep": 1}))
    monkeypatch.setattr(
        torch.optim.AdamW, "step", lambda self, *_: self.param_groups[0]["params"][0].data.fill_(np.nan)
    )
    with pytest.raises(FloatingPointError, match=r"NaN at step 2: lower training.lr"):
        run.go()
    assert not list((run.directory / "checkpoints").iterdir())


def test_a_killed_run_resumes_to_the_same_bits(new_run: NewRun, features: str) -> None:
    given = settings(
        features, checkpoints={"every_steps": 3, "every_epochs": 5}, training=TRAINING | {"epochs": 30}
    )
    whole = new_run("finetune", **given).go()
    run = new_run("finetune", **given)
    command = [sys.executable, "-m", "engine.run", str(run.directory)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    records = run.directory / RECORDS_FILE
    while not (records.exists() and len(losses(run.records)) >= 9):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.02)
            pytest.fail("the run ended before it was killed")
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 9 <= len(losses(run.records)) < len(losses(whole.records))
    (run.directory / "run.json").write_text(json.dumps({"attempt": 2}))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert any(
        isinstance(record, Resumed) and record.step >= 3 for record in read_records(records, 0).records
    )
    assert_same_run(run, whole)


def test_a_run_is_not_resumed_on_other_folds_than_it_began_with(
    new_run: NewRun, features: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run("finetune", **settings(features))
    with pytest.raises(StopRequested):
        run.go(stop_after=3)
    monkeypatch.setattr(
        "engine.data.splits.stratified_folds", lambda labels, folds, _seed: np.arange(len(labels)) % folds
    )
    with pytest.raises(DataError, match="not those that this run began with"):
        run.go(resumed=True)


def test_a_state_of_training_that_lacks_something_is_named_when_a_run_is_resumed(
    new_run: NewRun, features: str
) -> None:
    run = new_run("finetune", **settings(features))
    with pytest.raises(StopRequested):
        run.go(stop_after=3)
    (folder,) = (run.directory / "checkpoints").iterdir()
    state = torch.load(folder / "trainer.pt", weights_only=True)
    del state["schedule"]
    torch.save(state, folder / "trainer.pt")
    with pytest.raises(DataError, match=r"trainer\.pt is not of this run \(KeyError: 'schedule'\)"):
        run.go(resumed=True)


def test_worker_processes_change_no_bit(new_run: NewRun, features: str) -> None:
    one = TRAINING | {"epochs": 1}
    alone = new_run("finetune", **settings(None, training=one)).go()
    helped = new_run("finetune", **settings(None, training=one, data=DATA | {"workers": 2})).go()
    assert_same_run(helped, alone)


def test_all_labelled_videos_train_a_full_run_and_it_reports_no_score(new_run: NewRun, features: str) -> None:
    run = new_run("finetune", **settings(features, data=DATA | {"fold": "full"})).go()
    assert not any(isinstance(record, Evaluation) for record in run.records)
    assert all(record.f1_mean is None for record in run.records if isinstance(record, Checkpoint))


def test_a_checkpoint_is_the_evaluated_average_and_needs_nothing_else(
    new_run: NewRun, features: str, world: Path
) -> None:
    run = new_run("finetune", **settings(features)).go()
    folder = max((run.directory / "checkpoints").iterdir())
    model, spec, tokenizer = load_classifier(folder)
    assert spec.frame_size == 32
    assert len(tokenizer) == model.word_embeddings.num_embeddings
    state = torch.load(folder / "trainer.pt", weights_only=True)
    averaged, raw = load_file(folder / "model.safetensors"), state["model"]
    assert any(not torch.equal(averaged[name], raw[name]) for name in averaged)


def test_the_attack_sends_one_gradient_through_the_vision_backbone_equal_to_two_full_passes(
    new_run: NewRun,
) -> None:
    from engine.recorder import Recorder
    from engine.stages.context import RunContext

    run = new_run("finetune", **settings(None))
    compute = choose_compute(0, "fp32")
    with Recorder(run.directory) as recorder:
        context = RunContext(run.directory, run.workspace, recorder, False)
        torch.manual_seed(0)
        task = make_task(run.config, context, compute)
        model = task.model.eval()
        step = next(iter(task.batches(0, 0)))
        (batch,) = step.parts
        assert model.vision is not None
        passes: list[int] = []
        model.vision.register_forward_hook(lambda *_: passes.append(1))
        task.backward(step, compute.grad_scaler())
    assert len(passes) == 1
    own = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}

    model.zero_grad()
    F.cross_entropy(model(batch), batch.labels_B).backward()
    table = model.word_embeddings.weight
    assert table.grad is not None
    with torch.no_grad():
        moved = table.grad / table.grad.norm()
        table.add_(moved)
    F.cross_entropy(model(batch), batch.labels_B).backward()
    assert set(own) == {name for name, weight in model.named_parameters() if weight.grad is not None}
    for name, weight in model.named_parameters():
        torch.testing.assert_close(own[name], weight.grad, atol=1e-6, rtol=1e-4)


def test_a_run_can_start_from_anothers_weights_and_only_from_those_that_fit(
    new_run: NewRun, features: str, world: Path
) -> None:
    first = new_run("finetune", **settings(features)).go()
    folder = final_weights(first).parent.relative_to(world).as_posix()
    frozen = TRAINING | {"epochs": 1, "lr": {"text": 0, "vision": 0, "other": 0}, "ema": None}
    given = {"features": features, "init": folder}
    second = new_run("finetune", **settings(features, inputs=given, training=frozen)).go()
    assert scores(second.records)[0][1:] == scores(first.records)[-1][1:]
    with pytest.raises(DataError, match="weights do not fit"):
        new_run("finetune", **settings(None, inputs={"features": None, "init": folder})).go()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"data": DATA | {"fold": 3}}, "data.fold: 3 is out of range"),
        ({"data": DATA | {"max_tokens": 4000}}, "positions"),
        ({"model": {"text": "models/sample/bert"}, "inputs": {"features": None}}, "model.vision: missing"),
    ],
)
def test_settings_that_do_not_fit_together_are_told(
    new_run: NewRun, features: str, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        new_run("finetune", **settings(features, **changes)).go()
