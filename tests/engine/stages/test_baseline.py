"""baseline: it learns from texts and frames, is calibrated, survives rare classes, and reads back without pickle."""

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from stage_world import NewRun

from engine.config.stages import LinearModel
from engine.data.predictions import Predictions
from engine.errors import ConfigError
from engine.linear_baseline import Encoder, TextClassifier, VideoFeatures
from engine.linear_saving import load_text_classifier, save_text_classifier
from engine.recorder import StopRequested
from engine.records import Artifact, Evaluation, Resumed

EMOJI = Path(__file__).parents[4] / "shared" / "data" / "emoji.tar"


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
    classifier = TextClassifier.fit(train, labels, LinearModel(), 0)
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
    classifier = TextClassifier.fit(VideoFeatures(texts), np.array([0, 0, 1, 1, 3, 5]), LinearModel(), 0)
    probabilities = classifier.probabilities(VideoFeatures(["dog", ""]), 7)
    assert np.isfinite(probabilities).all()
    assert probabilities[0].argmax() == 1
    assert (probabilities[:, [2, 4, 6]] == 0).all()


@pytest.mark.parametrize("kind", ["linear_svm", "logistic_regression"])
def test_it_finds_what_there_is_to_find(kind: str) -> None:
    train, labels = noisy_texts(600, 1)
    classifier = TextClassifier.fit(train, labels, LinearModel.model_validate({"kind": kind}), 0)
    fresh, truth = noisy_texts(2000, 2)
    # The word tells the class in 0.7 + 0.3 / 4 of the texts: more cannot be known.
    assert (classifier.probabilities(fresh, 4).argmax(axis=1) == truth).mean() > 0.74


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 0], [2, 2, 1]])
def test_one_class_or_two_are_enough(labels: list[int]) -> None:
    classifier = TextClassifier.fit(
        VideoFeatures(["cat", "dog", "cat cat"]), np.array(labels), LinearModel(), 0
    )
    probabilities = classifier.probabilities(VideoFeatures(["cat", "dog"]), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert probabilities[0].argmax() == labels[0]


def with_frames(videos: int, seed: int) -> tuple[VideoFeatures, np.ndarray]:
    """Texts and mean frames that both tell something; every fifth video has no frames."""
    given, labels = noisy_texts(videos, seed)
    frames = np.random.default_rng(seed).normal(labels[:, None], 1.0, (videos, 3)).astype(np.float32)
    frames[::5] = np.nan
    return VideoFeatures(given.texts, frames), labels


@pytest.mark.parametrize("make", [noisy_texts, with_frames])
def test_a_saved_model_needs_no_pickle_and_says_the_same(tmp_path: Path, make: Any) -> None:
    train, labels = make(60, 1)
    classifier = TextClassifier.fit(train, labels, LinearModel(), 0)
    save_text_classifier(classifier, tmp_path / "model")
    fresh, _ = make(20, 2)
    expected = classifier.probabilities(fresh, 4)
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(load_text_classifier(tmp_path / "model").probabilities(fresh, 4), expected)


def test_features_are_scikit_learns_tf_idf_of_characters_and_words() -> None:
    given, labels = noisy_texts(80, 1)
    train = VideoFeatures([*given.texts[1:], "a lone zebra, a ZEBRA"])
    fresh = VideoFeatures([*noisy_texts(30, 2)[0].texts, "zebra unseen", ""])
    classifier = TextClassifier.fit(train, labels, LinearModel(characters=2, words=2), 0)
    counts = [vocabulary.count(fresh.texts) for vocabulary in classifier.vocabularies]
    theirs = [
        TfidfVectorizer(analyzer=analyzer, ngram_range=(1, 2), sublinear_tf=True)
        .fit(train.texts)
        .transform(fresh.texts)
        .toarray()
        for analyzer in ("char", "word")
    ]
    np.testing.assert_allclose(classifier.encoder(counts, None).toarray(), np.hstack(theirs), atol=1e-12)


def test_only_the_most_frequent_terms_are_kept() -> None:
    texts = ["aa ab", "aa ac", "aa ad", "ab ae"]
    settings = LinearModel(characters=0, max_features=2)
    classifier = TextClassifier.fit(VideoFeatures(texts), np.array([0, 0, 1, 1]), settings, 0)
    assert [vocabulary.terms for vocabulary in classifier.vocabularies] == [["aa", "ab"]]
    assert classifier.linear.weights_KC.shape == (2, 2)


def test_no_part_that_calibrates_has_seen_the_texts_it_is_calibrated_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train, labels = with_frames(60, 1)
    seen: list[tuple[int, int]] = []
    plain = Encoder.fit

    def spying(counts: Any, frames_NV: Any, settings: Any) -> Encoder:
        seen.append((counts[0].shape[0], len(frames_NV)))
        return plain(counts, frames_NV, settings)

    monkeypatch.setattr(Encoder, "fit", spying)
    TextClassifier.fit(train, labels, LinearModel(), 0)
    assert seen == [(40, 40)] * 3 + [(60, 60)]


def test_texts_that_hold_nothing_leave_it_at_how_frequent_classes_are() -> None:
    classifier = TextClassifier.fit(VideoFeatures(["", "", "", ""]), np.array([0, 0, 0, 1]), LinearModel(), 0)
    probabilities = classifier.probabilities(VideoFeatures(["cat", ""]), 2)
    assert (probabilities.argmax(axis=1) == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_a_stopped_run_starts_again_to_the_same_result(new_run: NewRun) -> None:
    whole = new_run("baseline", data={"folds": 3}).go()
    run = new_run("baseline", data={"folds": 3})
    with pytest.raises(StopRequested):
        run.go(stop_after=0)
    run.go(resumed=True)
    assert [record.step for record in run.records if isinstance(record, Resumed)] == [-1]
    one, other = (
        (each.directory / "artifacts" / "predictions" / "probabilities.npy").read_bytes()
        for each in (whole, run)
    )
    assert one == other


def test_every_split_that_is_asked_for_is_classified_the_test_split_last(new_run: NewRun) -> None:
    data = {"folds": 3, "predict": ["test", "labeled", "unlabeled"]}
    run = new_run("baseline", data=data).go()
    made = [record for record in run.records if isinstance(record, Artifact) and record.kind == "predictions"]
    assert [record.meta["split"] for record in made] == ["labeled", "unlabeled", "test"]
    assert [Path(record.path).name for record in made] == [
        "predictions-labeled",
        "predictions-unlabeled",
        "predictions",
    ]


def test_videos_are_classified_the_same_however_many_at_once(
    new_run: NewRun, features: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"data": {"folds": 3}, "inputs": {"features": features}}
    at_once = new_run("baseline", **settings).go()
    monkeypatch.setattr("engine.stages.baseline._TOGETHER", 7)
    in_parts = new_run("baseline", **settings).go()
    one, other = (
        Predictions.open(run.directory / "artifacts" / "predictions") for run in (at_once, in_parts)
    )
    np.testing.assert_allclose(one.probabilities.astype(float), other.probabilities.astype(float), atol=1e-3)


def test_it_reaches_the_classical_score_on_real_items(new_run: NewRun, tmp_path: Path) -> None:
    if not EMOJI.exists():
        pytest.skip(f"{EMOJI} is not there: it lies beside the project, not in it")
    with tarfile.open(EMOJI) as archive:
        archive.extractall(tmp_path, filter="data")
    run = new_run("baseline", data={"root": str(tmp_path / "emoji")}).go()
    (evaluation,) = (record for record in run.records if isinstance(record, Evaluation))
    assert evaluation.f1_mean > 0.75
