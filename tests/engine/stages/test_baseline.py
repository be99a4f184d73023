"""baseline: it learns from texts and frames, is calibrated, survives rare classes, and reads back without pickle."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stage_world import NewRun

from engine.config.stages import LinearModel
from engine.data.predictions import Predictions
from engine.errors import ConfigError
from engine.linear_baseline import TextClassifier, VideoFeatures
from engine.records import Artifact, Evaluation


@pytest.mark.parametrize("kind", ["linear_svm", "logistic_regression"])
def test_it_scores_its_fold_and_classifies_the_test_split(new_run: NewRun, world: Path, kind: str) -> None:
    run = new_run("baseline", data={"folds": 3}, model={"kind": kind, "regularization": 10}).go()
    (evaluation,) = (record for record in run.records if isinstance(record, Evaluation))
    assert (evaluation.split, evaluation.fold) == ("val", 0)
    found = Predictions.open(run.directory / "artifacts" / "predictions-val")
    assert found.labels is not None
    accuracy = (found.probabilities.argmax(axis=1) == found.labels).mean()
    assert evaluation.levels[-1].accuracy == pytest.approx(accuracy)
    ids = [r["id"] for r in json.loads((world / "data/sample/annotations/test.json").read_text())]
    assert Predictions.open(run.directory / "artifacts" / "predictions").ids == ids
    kinds = [record.kind for record in run.records if isinstance(record, Artifact)]
    assert kinds == ["model", "validation", "predictions", "submission"]


def test_it_is_the_same_fold_as_finetunes(new_run: NewRun, features: str) -> None:
    data: dict[str, Any] = {"folds": 3, "fold": 1}
    baseline = new_run("baseline", data=data).go()
    deep = new_run(
        "finetune",
        model={"text": "models/sample/bert"},
        data=data | {"max_tokens": 32},
        inputs={"features": features},
        training={"epochs": 1},
    ).go()
    one, other = (
        Predictions.open(run.directory / "artifacts" / "predictions-val") for run in (baseline, deep)
    )
    assert one.ids == other.ids
    np.testing.assert_array_equal(one.labels, other.labels)


def test_mean_frames_beside_the_text_can_be_given_and_count(new_run: NewRun, features: str) -> None:
    text = new_run("baseline", data={"folds": 3}).go()
    both = new_run("baseline", data={"folds": 3}, inputs={"features": features}).go()
    unheard = new_run("baseline", data={"folds": 3}, inputs={"features": features}, model={"frames": 0}).go()
    probabilities = [
        Predictions.open(run.directory / "artifacts" / "predictions").probabilities
        for run in (text, both, unheard)
    ]
    np.testing.assert_array_equal(probabilities[2], probabilities[0])
    assert np.abs(probabilities[1].astype(float) - probabilities[0]).max() > 0.01


def test_all_data_trains_a_full_run_without_a_score(new_run: NewRun) -> None:
    run = new_run("baseline", data={"fold": "full"}).go()
    assert not any(isinstance(record, Evaluation) for record in run.records)
    assert not (run.directory / "artifacts" / "predictions-val").exists()


def test_nothing_to_read_is_told(new_run: NewRun) -> None:
    with pytest.raises(ConfigError, match=r"model.characters and model.words: both are 0"):
        new_run("baseline", model={"characters": 0, "words": 0}).go()


WORDS = ["cat", "dog", "fish", "bird"]


def noisy_texts(videos: int, seed: int) -> tuple[VideoFeatures, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=videos)
    shown = np.where(rng.random(videos) < 0.7, labels, rng.integers(4, size=videos))
    return VideoFeatures([f"{WORDS[one]} {rng.integers(9)}" for one in shown]), labels


def test_probabilities_are_calibrated() -> None:
    train, labels = noisy_texts(600, 1)
    classifier = TextClassifier(LinearModel(), seed=0).fit(train, labels)
    fresh, truth = noisy_texts(4000, 2)
    probabilities = classifier.probabilities(fresh, 4)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    assert abs(sure.mean() - right.mean()) < 0.06
    raw = np.exp(classifier.scores(fresh) / 0.02)
    assert abs((raw.max(axis=1) / raw.sum(axis=1)).mean() - right.mean()) > 0.1, "scores alone are not"


def test_classes_of_one_video_and_classes_never_seen_break_nothing() -> None:
    texts = ["cat", "cat big", "dog", "dog big", "fish", "a lonely bird"]
    classifier = TextClassifier(LinearModel(), seed=0).fit(VideoFeatures(texts), np.array([0, 0, 1, 1, 3, 5]))
    probabilities = classifier.probabilities(VideoFeatures(["dog", ""]), 7)
    assert np.isfinite(probabilities).all()
    assert probabilities[0].argmax() == 1
    assert (probabilities[:, [2, 4, 6]] == 0).all()


@pytest.mark.parametrize("kind", ["linear_svm", "logistic_regression"])
def test_it_finds_what_there_is_to_find(kind: str) -> None:
    train, labels = noisy_texts(600, 1)
    classifier = TextClassifier(LinearModel.model_validate({"kind": kind}), seed=0).fit(train, labels)
    fresh, truth = noisy_texts(2000, 2)
    # The word tells the class in 0.7 + 0.3 / 4 of the texts: more cannot be known.
    assert (classifier.probabilities(fresh, 4).argmax(axis=1) == truth).mean() > 0.74


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 0], [2, 2, 1]])
def test_one_class_or_two_are_enough(labels: list[int]) -> None:
    classifier = TextClassifier(LinearModel(), seed=0).fit(
        VideoFeatures(["cat", "dog", "cat cat"]), np.array(labels)
    )
    probabilities = classifier.probabilities(VideoFeatures(["cat", "dog"]), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert probabilities[0].argmax() == labels[0]


def test_a_saved_model_needs_no_pickle(tmp_path: Path) -> None:
    train, labels = noisy_texts(60, 1)
    classifier = TextClassifier(LinearModel(), seed=0).fit(train, labels)
    classifier.save(tmp_path / "model")
    arrays = np.load(tmp_path / "model" / "model.npz", allow_pickle=False)
    description = json.loads((tmp_path / "model" / "config.json").read_text())
    assert arrays["weights"].shape == (sum(map(len, description["vocabularies"])), 4)
    np.testing.assert_array_equal(arrays["classes"], [0, 1, 2, 3])
