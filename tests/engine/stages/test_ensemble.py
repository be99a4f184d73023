"""ensemble: members are found, grouped and classified once; what it reports is honest; what cannot be is told."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stage_world import NewRun, Run

from engine.data.predictions import Predictions, write_predictions
from engine.data.videos import DecodedFrames
from engine.errors import ConfigError, DataError
from engine.records import Artifact, Evaluation

SMALL = {"epochs": 2, "batch_size": 16, "lr": {"text": 1e-3, "other": 3e-3}}
MODEL = {"text": "models/sample/bert", "vision": "models/sample/clip"}


def deep(new_run: NewRun, features: str | None, fold: int | str = 0, seed: int = 1) -> Run:
    data = {"folds": 3, "fold": fold, "max_frames": 3, "max_tokens": 32}
    return new_run(
        "finetune", model=MODEL, data=data, training=SMALL, inputs={"features": features}, seed=seed
    ).go()


def linear(new_run: NewRun, fold: int | str = 0) -> Run:
    return new_run("baseline", data={"folds": 3, "fold": fold}).go()


def member(run: Run) -> str:
    if (run.directory / "checkpoints").exists():
        return str(max((run.directory / "checkpoints").iterdir()))
    return str(run.directory / "artifacts" / "predictions")


def best_member(run: Run) -> str:
    meta = Predictions.open(run.directory / "artifacts" / "predictions-val").meta
    return str(run.directory / "checkpoints" / str(meta["checkpoint"]))


def ensemble(new_run: NewRun, members: list[str], **settings: Any) -> Run:
    return new_run("ensemble", inputs={"members": members}, **({"bootstrap": 20} | settings)).go()


def report(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.directory / "artifacts" / "ensemble.json").read_text())
    return found


def test_given_weights_average_the_members_probabilities(new_run: NewRun, features: str, world: Path) -> None:
    one, two = deep(new_run, features), linear(new_run)
    run = ensemble(new_run, [best_member(one), member(two)], weights={"kind": "given", "values": [1, 0.5]})
    alone = new_run("predict", inputs={"model": best_member(one), "features": features}).go()
    parts = [Predictions.open(each.directory / "artifacts" / "predictions") for each in (alone, two)]
    mixed = (parts[0].probabilities.astype(float) + 0.5 * parts[1].probabilities.astype(float)) / 1.5
    got = Predictions.open(run.directory / "artifacts" / "predictions")
    np.testing.assert_allclose(got.probabilities.astype(float), mixed, atol=2e-3)
    with (run.directory / "artifacts" / "submission.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["category_id"] for row in rows] == [
        got.taxonomy.codes[leaf] for leaf in got.probabilities.argmax(axis=1)
    ]
    assert [record.kind for record in run.records if isinstance(record, Artifact)] == [
        "report",
        "validation",
        "predictions",
        "submission",
    ]
    members = report(run)["members"]
    scores = [next(r for r in each.records if isinstance(r, Evaluation)) for each in (two,)]
    assert members[1]["f1_mean"] == pytest.approx(scores[0].f1_mean, abs=1e-9)
    assert [each["weight"] for each in members] == [1, 0.5]


def test_folds_of_one_model_are_one_member_out_of_fold_and_their_mean_on_the_test_split(
    new_run: NewRun, features: str
) -> None:
    folds = [deep(new_run, features, fold) for fold in range(3)]
    lines = [linear(new_run, fold) for fold in range(3)]
    run = ensemble(new_run, [*map(best_member, folds), *map(member, lines)], weights={"kind": "coordinate"})
    found = report(run)
    assert [len(each["runs"]) for each in found["members"]] == [3, 3]
    assert (found["videos"], found["folds"]) == (60, 3)
    out_of_fold = [Predictions.open(each.directory / "artifacts" / "predictions-val") for each in lines]
    predicted = {
        video: part.taxonomy.codes[leaf]
        for part in out_of_fold
        for video, leaf in zip(part.ids, part.probabilities.argmax(axis=1), strict=True)
    }
    assert len(predicted) == 60
    parts = [
        Predictions.open(each.directory / "artifacts" / "predictions").probabilities.astype(float)
        for each in lines
    ]
    only = ensemble(new_run, [*map(member, lines)], weights={"kind": "equal"})
    got = Predictions.open(only.directory / "artifacts" / "predictions").probabilities
    np.testing.assert_allclose(got.astype(float), np.mean(parts, axis=0), atol=1e-3)
    splits = [record.split for record in run.records if isinstance(record, Evaluation)]
    assert splits == ["in-sample", "val"]
    honest = Predictions.open(run.directory / "artifacts" / "predictions-val")
    assert honest.labels is not None
    right = (honest.probabilities.argmax(axis=1) == honest.labels).mean()
    assert right == pytest.approx(found["ensemble"]["levels"][-1][0], abs=0.02)


def test_two_models_of_the_same_fold_stay_two_members(new_run: NewRun, features: str) -> None:
    runs = [deep(new_run, features, seed=seed) for seed in (1, 2)]
    assert len(report(ensemble(new_run, [*map(best_member, runs)]))["members"]) == 2


def test_the_second_ensemble_of_the_same_members_needs_no_forward_pass(
    new_run: NewRun, features: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = deep(new_run, features)
    first = ensemble(new_run, [best_member(one)], weights={"kind": "equal"})
    monkeypatch.setattr(
        "engine.ensemble.predictions.classify", lambda *_, **__: pytest.fail("classified again")
    )
    second = ensemble(new_run, [best_member(one)], weights={"kind": "equal"})
    a, b = (Predictions.open(run.directory / "artifacts" / "predictions") for run in (first, second))
    np.testing.assert_array_equal(a.probabilities, b.probabilities)


def test_members_that_look_at_the_same_frames_have_them_decoded_once(
    new_run: NewRun, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [deep(new_run, None, seed=seed) for seed in (1, 2)]
    read: list[str] = []
    plain = DecodedFrames.read

    def counted(self: DecodedFrames, video: str, rng: Any) -> Any:
        read.append(video)
        return plain(self, video, rng)

    monkeypatch.setattr(DecodedFrames, "read", counted)
    together = ensemble(new_run, [*map(best_member, runs)], weights={"kind": "equal"})
    videos = len(Predictions.open(together.directory / "artifacts" / "predictions").ids)
    assert len(read) == len(set(read)) == videos
    singles = [
        Predictions.open(
            new_run("predict", inputs={"model": best_member(run)}).go().directory
            / "artifacts"
            / "predictions"
        ).probabilities.astype(float)
        for run in runs
    ]
    got = Predictions.open(together.directory / "artifacts" / "predictions").probabilities
    np.testing.assert_allclose(got.astype(float), np.mean(singles, axis=0), atol=2e-3)


def test_predictions_of_another_checkpoint_are_made_where_the_run_has_only_the_best_ones(
    new_run: NewRun, features: str
) -> None:
    one = deep(new_run, features)
    folder = one.directory / "artifacts" / "predictions-val"
    kept = Predictions.open(folder)
    expected = np.array(kept.probabilities, float)
    checkpoint = best_member(one)
    shutil.rmtree(folder)
    run = ensemble(new_run, [checkpoint], weights={"kind": "equal"}, data={"split": None})
    again = Predictions.open(run.directory / "artifacts" / "predictions-val")
    order = [again.ids.index(video) for video in kept.ids]
    np.testing.assert_allclose(again.probabilities[order].astype(float), expected, atol=2e-3)


def test_predictions_that_another_checkpoint_made_are_not_taken_for_the_members(
    new_run: NewRun, features: str
) -> None:
    one = deep(new_run, features)
    folder = one.directory / "artifacts" / "predictions-val"
    kept = Predictions.open(folder)
    expected, checkpoint = np.array(kept.probabilities, float), best_member(one)
    write_predictions(
        folder, kept.ids, 1 - expected, kept.taxonomy, labels=kept.labels, fold=0, checkpoint="step-00000000"
    )
    run = ensemble(new_run, [checkpoint], weights={"kind": "equal"}, data={"split": None})
    again = Predictions.open(run.directory / "artifacts" / "predictions-val")
    order = [again.ids.index(video) for video in kept.ids]
    np.testing.assert_allclose(again.probabilities[order].astype(float), expected, atol=2e-3)


def test_members_trained_on_everything_can_be_averaged_but_not_weighed(
    new_run: NewRun, features: str
) -> None:
    full = deep(new_run, features, "full")
    with pytest.raises(ConfigError, match=r"coordinate needs validation predictions and finetune has none"):
        ensemble(new_run, [member(full)], weights={"kind": "coordinate"})
    line = linear(new_run, "full")
    run = ensemble(new_run, [member(full), member(line)], weights={"kind": "equal", "values": [1, 0]})
    assert not any(isinstance(record, Evaluation) for record in run.records)
    assert (run.directory / "artifacts" / "submission.csv").exists()
    assert report(run)["ensemble"] is None
    assert [each["weight"] for each in report(run)["members"]] == [1, 1]


def test_what_does_not_go_together_is_told(new_run: NewRun, features: str, world: Path) -> None:
    one, other = deep(new_run, features, 0), linear(new_run, 1)
    with pytest.raises(DataError, match="no video is in the validation folds of all members"):
        ensemble(new_run, [best_member(one), member(other)])
    with pytest.raises(ConfigError, match=r"weights.values: 1 weights for 2 members"):
        ensemble(new_run, [best_member(one), member(other)], weights={"kind": "given", "values": [1]})
    with pytest.raises(DataError, match="is in no run's directory"):
        ensemble(new_run, [str(world / "data" / "sample")])


def test_a_member_of_another_fold_than_the_first_is_reported_as_of_its_fold(
    new_run: NewRun, features: str
) -> None:
    one, two = deep(new_run, features, 2), linear(new_run, 2)
    run = ensemble(new_run, [best_member(one), member(two)], data={"split": None})
    assert {record.fold for record in run.records if isinstance(record, Evaluation)} == {2}
    assert Predictions.open(run.directory / "artifacts" / "predictions-val").meta == {"fold": 2}


def test_folds_that_each_start_from_a_run_of_their_own_fold_are_still_one_member(
    new_run: NewRun, features: str
) -> None:
    firsts = [deep(new_run, features, fold) for fold in range(2)]
    data = {"folds": 3, "max_frames": 3, "max_tokens": 32}
    thens = [
        new_run(
            "finetune",
            model=MODEL,
            data=data | {"fold": fold},
            training=SMALL,
            inputs={"features": features, "init": best_member(first)},
        ).go()
        for fold, first in enumerate(firsts)
    ]
    settings: dict[str, Any] = {"weights": {"kind": "equal"}, "data": {"split": None}}
    found = report(ensemble(new_run, [*map(best_member, firsts), *map(best_member, thens)], **settings))
    assert [each["runs"] for each in found["members"]] == [
        [run.directory.name for run in runs] for runs in (firsts, thens)
    ]
    assert len({each["name"] for each in found["members"]}) == 2


def test_a_predict_run_is_weighed_by_what_its_classifier_did_on_its_validation_fold(
    new_run: NewRun, features: str
) -> None:
    one, two = deep(new_run, features), linear(new_run)
    predict = new_run("predict", inputs={"model": best_member(one), "features": features}).go()
    direct = ensemble(new_run, [best_member(one), member(two)])
    by_predict = ensemble(new_run, [str(predict.directory / "artifacts" / "predictions"), member(two)])
    assert report(by_predict)["in_sample"] == report(direct)["in_sample"]
    a, b = (Predictions.open(run.directory / "artifacts" / "predictions") for run in (direct, by_predict))
    np.testing.assert_allclose(a.probabilities.astype(float), b.probabilities.astype(float), atol=2e-3)


def test_last_checkpoints_of_one_fold_read_its_frames_once_for_all(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [deep(new_run, None, seed=seed) for seed in (1, 2)]
    for run in runs:
        shutil.rmtree(run.directory / "artifacts" / "predictions-val")
    read: list[str] = []
    plain = DecodedFrames.read

    def counted(self: DecodedFrames, video: str, rng: Any) -> Any:
        read.append(video)
        return plain(self, video, rng)

    monkeypatch.setattr(DecodedFrames, "read", counted)
    together = ensemble(new_run, [*map(member, runs)], weights={"kind": "equal"}, data={"split": None})
    assert len(read) == len(set(read)) == report(together)["videos"] == 20


def test_models_of_other_classes_are_never_averaged(
    new_run: NewRun, world: Path, tmp_path: Path, features: str
) -> None:
    other = tmp_path / "other"
    shutil.copytree(world / "data" / "sample", other)
    labeled = other / "annotations" / "labeled.json"
    items = json.loads(labeled.read_text())
    gone = items[0]["category_id"]
    labeled.write_text(json.dumps([item for item in items if item["category_id"] != gone]))
    (other / "categories.json").unlink(missing_ok=True)
    ours = linear(new_run, "full")
    theirs = new_run("baseline", data={"root": str(other), "fold": "full"}).go()
    for kind in ("equal", "given"):
        values = [1, 1] if kind == "given" else []
        with pytest.raises(DataError, match="knows other classes than"):
            ensemble(new_run, [member(ours), member(theirs)], weights={"kind": kind, "values": values})
