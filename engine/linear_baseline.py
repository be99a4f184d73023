"""TF-IDF of all text, optionally a video's mean frame embedding, and a calibrated linear classifier over both.

Shapes: N videos, K features, C classes that occur in training, V frame embedding size.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from engine.config.stages import LinearModel
from engine.data.splits import stratified_folds

_CALIBRATION_FOLDS = 3
_TEMPERATURES = np.geomspace(0.02, 20, 121)


@dataclass(frozen=True)
class VideoFeatures:
    """What the classifier sees of videos: their texts joined, and mean frame embeddings [N, V] where there are any."""

    texts: Sequence[str]
    frames_NV: NDArray[np.float32] | None = None

    def rows(self, rows: NDArray[np.int64]) -> "VideoFeatures":
        """Those of some of the videos."""
        frames = None if self.frames_NV is None else self.frames_NV[rows]
        return VideoFeatures([self.texts[int(row)] for row in rows], frames)


class TextClassifier:
    """A linear classifier over L2-normalised TF-IDF of characters and words, and standardised mean frames.

    Probabilities are softmax(scores / T); T minimises the log loss of scores that were made out of fold (temperature
    scaling, Guo et al. 2017): one number, so that classes of one or two videos cannot break it.
    """

    def __init__(self, settings: LinearModel, seed: int) -> None:
        self.settings = settings
        self.seed = seed
        self.temperature = 1.0
        self.classes: NDArray[np.int64] = np.zeros(0, np.int64)
        self.weights_KC: NDArray[np.float64] = np.zeros((0, 0))
        self.bias_C: NDArray[np.float64] = np.zeros(0)
        self._vectorizers: list[TfidfVectorizer] = []
        self._frame_mean: NDArray[np.float32] | None = None
        self._frame_deviation: NDArray[np.float32] | None = None

    def fit(self, videos: VideoFeatures, labels_N: NDArray[np.int64]) -> "TextClassifier":
        """Fit to labelled videos; the temperature by folds within them."""
        folds = stratified_folds(labels_N, _CALIBRATION_FOLDS, self.seed)
        scores, truths = [], []
        for fold in range(_CALIBRATION_FOLDS):
            inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            # What a fold has never seen it cannot be calibrated on.
            outside = outside[np.isin(labels_N[outside], labels_N[inside])]
            if len(outside) and len(np.unique(labels_N[inside])) > 1:
                part = TextClassifier(self.settings, self.seed)
                part._fit(videos.rows(inside), labels_N[inside])
                scores.append(part.scores(videos.rows(outside)))
                truths.append(np.searchsorted(part.classes, labels_N[outside]))
        if scores:
            self.temperature = _best_temperature(scores, truths)
        self._fit(videos, labels_N)
        return self

    def scores(self, videos: VideoFeatures) -> NDArray[np.float64]:
        """Decision scores of the classes that occurred in training [N, C]."""
        scores_NC: NDArray[np.float64] = self._features(videos) @ self.weights_KC + self.bias_C
        return scores_NC

    def probabilities(self, videos: VideoFeatures, classes: int) -> NDArray[np.float32]:
        """Calibrated probabilities of all `classes` leaves; zero for those that never occurred in training."""
        probabilities = np.zeros((len(videos.texts), classes), np.float32)
        probabilities[:, self.classes] = _softmax(self.scores(videos) / self.temperature)
        return probabilities

    def save(self, folder: Path) -> None:
        """Write all that `scores` needs as JSON and plain arrays."""
        folder.mkdir(parents=True, exist_ok=True)
        description = {
            "settings": self.settings.model_dump(),
            "temperature": self.temperature,
            "vocabularies": [
                {term: int(place) for term, place in vectorizer.vocabulary_.items()}
                for vectorizer in self._vectorizers
            ],
        }
        (folder / "config.json").write_text(json.dumps(description, ensure_ascii=False), encoding="utf-8")
        arrays: dict[str, NDArray[Any]] = {
            "weights": self.weights_KC.astype(np.float32),
            "bias": self.bias_C,
            "classes": self.classes,
        }
        for number, vectorizer in enumerate(self._vectorizers):
            arrays[f"idf_{number}"] = vectorizer.idf_
        if self._frame_mean is not None and self._frame_deviation is not None:
            arrays |= {"frame_mean": self._frame_mean, "frame_deviation": self._frame_deviation}
        np.savez(folder / "model.npz", allow_pickle=False, **arrays)

    def _fit(self, videos: VideoFeatures, labels_N: NDArray[np.int64]) -> None:
        self.classes = np.unique(labels_N)
        self._vectorizers = [
            vectorizer for vectorizer in self._new_vectorizers() if _fitted(vectorizer, videos.texts)
        ]
        if videos.frames_NV is not None and self.settings.frames:
            seen = videos.frames_NV[np.isfinite(videos.frames_NV).all(axis=1)]
            self._frame_mean = (
                seen.mean(axis=0) if len(seen) else np.zeros(videos.frames_NV.shape[1], np.float32)
            )
            self._frame_deviation = seen.std(axis=0) + 1e-6 if len(seen) else np.ones_like(self._frame_mean)
        features_NK = self._features(videos)
        if len(self.classes) == 1:
            self.weights_KC, self.bias_C = np.zeros((features_NK.shape[1], 1)), np.zeros(1)
            return
        strength = self.settings.regularization
        if self.settings.kind == "linear_svm":
            model = LinearSVC(C=strength, random_state=self.seed)
        else:
            model = LogisticRegression(C=strength, max_iter=1000)
        model.fit(features_NK, labels_N)
        weights_CK, bias_C = model.coef_, model.intercept_
        if len(self.classes) == 2:  # scikit-learn keeps one row for two classes
            weights_CK, bias_C = np.concatenate([-weights_CK, weights_CK]), np.concatenate([-bias_C, bias_C])
        self.weights_KC, self.bias_C = weights_CK.T, bias_C

    def _new_vectorizers(self) -> list[TfidfVectorizer]:
        settings = self.settings
        vectorizers = []
        if settings.characters:
            vectorizers.append(
                TfidfVectorizer(analyzer="char", ngram_range=(1, settings.characters), sublinear_tf=True)
            )
        if settings.words:
            vectorizers.append(TfidfVectorizer(ngram_range=(1, settings.words), sublinear_tf=True))
        return vectorizers

    def _features(self, videos: VideoFeatures) -> Any:
        """Sparse features [N, K]: each vocabulary's row a unit vector, frames a unit vector times their weight."""
        blocks = [vectorizer.transform(videos.texts) for vectorizer in self._vectorizers]
        if (
            videos.frames_NV is not None
            and self._frame_mean is not None
            and self._frame_deviation is not None
        ):
            standard_NV = (videos.frames_NV - self._frame_mean) / self._frame_deviation
            # A video without frames is the mean of all: it says nothing.
            standard_NV[~np.isfinite(standard_NV).all(axis=1)] = 0
            blocks.append(sp.csr_matrix(normalize(standard_NV) * self.settings.frames))
        return sp.hstack(blocks).tocsr() if blocks else sp.csr_matrix((len(videos.texts), 1))


def _fitted(vectorizer: TfidfVectorizer, texts: Sequence[str]) -> bool:
    """Whether the texts hold anything to count."""
    try:
        vectorizer.fit(texts)
    except ValueError:  # an empty vocabulary
        return False
    return True


def _best_temperature(scores: Sequence[NDArray[np.float64]], truths: Sequence[NDArray[np.int64]]) -> float:
    losses = [
        sum(
            -float(np.log(_softmax(part / temperature)[np.arange(len(truth)), truth] + 1e-12).sum())
            for part, truth in zip(scores, truths, strict=True)
        )
        for temperature in _TEMPERATURES
    ]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def _softmax(scores_NC: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = np.exp(scores_NC - scores_NC.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return probabilities
