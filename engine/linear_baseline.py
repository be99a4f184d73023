"""TF-IDF of all text, optionally a video's mean frame embedding, and a calibrated linear classifier over both.

Shapes: N videos, T terms that were counted, K features, C classes that occur in training, V frame embedding size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from engine.config.stages import LinearModel
from engine.data.splits import stratified_folds

_CALIBRATION_FOLDS = 3
_ENOUGH = 20_000  # videos of which one fold is plenty to find one number
_TOLERANCE = 1e-1
_TEMPERATURES = np.geomspace(0.02, 20, 121)


@dataclass(frozen=True)
class VideoFeatures:
    """What the classifier sees of videos: their texts joined, and mean frame embeddings [N, V] where there are any."""

    texts: Sequence[str]
    frames_NV: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Encoder:
    """Counts and frames to features: each kind of term a unit vector of TF-IDF, frames a unit vector times a weight.

    Attributes:
        columns: of each kind of term, those that are kept, int [K of the kind].
        idf: their inverse document frequencies.
        frame_mean, frame_deviation: of mean frames [V]; None where frames are not looked at.
        frame_weight: length of the frames' vector.
    """

    columns: list[NDArray[np.int64]]
    idf: list[NDArray[np.float64]]
    frame_mean: NDArray[np.float32] | None
    frame_deviation: NDArray[np.float32] | None
    frame_weight: float

    @classmethod
    def fit(
        cls, counts: Sequence[Any], frames_NV: NDArray[np.float32] | None, settings: LinearModel
    ) -> "Encoder":
        """Learn from counts, sparse [N, T] of each kind of term, and mean frames, NaN where a video has none."""
        columns, idf = [], []
        for counts_NT in counts:
            videos, terms = counts_NT.shape
            frequency_T = np.bincount(counts_NT.indices, minlength=terms)
            kept = np.argsort(-frequency_T, kind="stable")[: settings.max_features]
            kept = np.sort(kept[frequency_T[kept] > 0])
            columns.append(kept)
            idf.append(np.log((1 + videos) / (1 + frequency_T[kept])) + 1)
        if frames_NV is None or not settings.frames:
            return cls(columns, idf, None, None, 0.0)
        seen = frames_NV[np.isfinite(frames_NV).all(axis=1)]
        mean = seen.mean(axis=0) if len(seen) else np.zeros(frames_NV.shape[1], np.float32)
        deviation = seen.std(axis=0) + 1e-6 if len(seen) else np.ones_like(mean)
        return cls(columns, idf, mean, deviation, settings.frames)

    def __call__(self, counts: Sequence[Any], frames_NV: NDArray[np.float32] | None) -> Any:
        """Sparse features [N, K]."""
        blocks = []
        for counts_NT, columns_K, idf_K in zip(counts, self.columns, self.idf, strict=True):
            if not len(columns_K):
                blocks.append(sp.csr_matrix((counts_NT.shape[0], 0)))
                continue
            terms_NK = counts_NT[:, columns_K].astype(np.float64)
            terms_NK.data = (1 + np.log(terms_NK.data)) * idf_K[terms_NK.indices]
            blocks.append(normalize(terms_NK, copy=False))
        if frames_NV is not None and self.frame_mean is not None and self.frame_deviation is not None:
            standard_NV = (frames_NV - self.frame_mean) / self.frame_deviation
            # A video without frames is the mean of all: it says nothing.
            standard_NV[~np.isfinite(standard_NV).all(axis=1)] = 0
            blocks.append(sp.csr_matrix(normalize(standard_NV) * self.frame_weight))
        return sp.hstack(blocks, format="csr")

    def of_kept(self) -> "Encoder":
        """The same for counts of the kept terms alone."""
        return replace(self, columns=[np.arange(len(columns)) for columns in self.columns])


@dataclass(frozen=True)
class Linear:
    """Scores of the classes that occurred in training, leaf indices `classes` [C]: features @ weights + bias."""

    classes: NDArray[np.int64]
    weights_KC: NDArray[np.float32]
    bias_C: NDArray[np.float32]

    @classmethod
    def fit(cls, features_NK: Any, labels_N: NDArray[np.int64], settings: LinearModel, seed: int) -> "Linear":
        """Train scikit-learn's classifier, one class against the rest or all at once."""
        classes, sizes = np.unique(labels_N, return_counts=True)
        features = features_NK.shape[1]
        if len(classes) == 1 or not features:  # nothing to learn but how frequent they are
            frequency_C = np.log(sizes / len(labels_N)).astype(np.float32)
            return cls(classes, np.zeros((features, len(classes)), np.float32), frequency_C)
        if settings.kind == "linear_svm":
            # LIBLINEAR's own tolerance; scikit-learn's takes several times as long for the same scores.
            model = LinearSVC(C=settings.regularization, dual=True, tol=_TOLERANCE, random_state=seed)
        else:
            model = LogisticRegression(C=settings.regularization, max_iter=1000)
        model.fit(features_NK, labels_N)
        weights_CK, bias_C = model.coef_.astype(np.float32), model.intercept_.astype(np.float32)
        if len(classes) == 2:  # scikit-learn keeps one row for two classes
            weights_CK, bias_C = np.concatenate([-weights_CK, weights_CK]), np.concatenate([-bias_C, bias_C])
        return cls(classes, np.ascontiguousarray(weights_CK.T), bias_C)

    def scores(self, features_NK: Any) -> NDArray[np.float64]:
        """Decision scores [N, C]."""
        scores_NC: NDArray[np.float64] = features_NK @ self.weights_KC + self.bias_C
        return scores_NC


@dataclass(frozen=True)
class Vocabulary:
    """Terms of one kind, in the order of their columns: `char` or `word`, of up to `longest` in a row."""

    analyzer: Literal["char", "word"]
    longest: Annotated[int, msgspec.Meta(ge=1, le=16)]
    terms: list[str]

    def count(self, texts: Sequence[str]) -> Any:
        """Sparse counts [N, T]."""
        if not self.terms:
            return sp.csr_matrix((len(texts), 0), dtype=np.float32)
        counter = _counter(self.analyzer, self.longest)
        counter.set_params(vocabulary={term: column for column, term in enumerate(self.terms)})
        return counter.transform(texts)


@dataclass(frozen=True)
class TextClassifier:
    """A linear classifier over texts and mean frames, with probabilities softmax(scores / temperature).

    The temperature minimises the log loss of scores that were made out of fold (temperature scaling, Guo et al.
    2017): one number, so that classes of one or two videos cannot break it.
    """

    vocabularies: list[Vocabulary]
    encoder: Encoder
    linear: Linear
    temperature: float

    @classmethod
    def fit(
        cls, videos: VideoFeatures, labels_N: NDArray[np.int64], settings: LinearModel, seed: int
    ) -> "TextClassifier":
        """Fit to labelled videos; the temperature by folds within them."""
        vocabularies, counts = _counted(videos.texts, settings)
        scored = []
        folds = stratified_folds(labels_N, _CALIBRATION_FOLDS, seed)
        for fold in range(_CALIBRATION_FOLDS if len(labels_N) < _ENOUGH else 1):
            inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            # What a fold has never seen it cannot be calibrated on.
            outside = outside[np.isin(labels_N[outside], labels_N[inside])]
            if len(outside) and len(np.unique(labels_N[inside])) > 1:
                encoder, linear = _trained(counts, videos, labels_N, inside, settings, seed)
                scores_NC = linear.scores(_features(encoder, counts, videos, outside))
                scored.append((scores_NC, np.searchsorted(linear.classes, labels_N[outside])))
        temperature = _best_temperature(scored) if scored else 1.0
        encoder, linear = _trained(counts, videos, labels_N, np.arange(len(labels_N)), settings, seed)
        return cls(
            [
                Vocabulary(one.analyzer, one.longest, [one.terms[column] for column in columns])
                for one, columns in zip(vocabularies, encoder.columns, strict=True)
            ],
            encoder.of_kept(),
            linear,
            temperature,
        )

    def scores(self, videos: VideoFeatures) -> NDArray[np.float64]:
        """Decision scores of the classes that occurred in training [N, C]."""
        counts = [vocabulary.count(videos.texts) for vocabulary in self.vocabularies]
        return self.linear.scores(self.encoder(counts, videos.frames_NV))

    def probabilities(self, videos: VideoFeatures, classes: int) -> NDArray[np.float32]:
        """Calibrated probabilities of all `classes` leaves; zero for those that never occurred in training."""
        probabilities = np.zeros((len(videos.texts), classes), np.float32)
        probabilities[:, self.linear.classes] = _softmax(self.scores(videos) / self.temperature)
        return probabilities


def _counter(analyzer: str, longest: int) -> CountVectorizer:
    return CountVectorizer(analyzer=analyzer, ngram_range=(1, longest), dtype=np.float32)


def _counted(texts: Sequence[str], settings: LinearModel) -> tuple[list[Vocabulary], list[Any]]:
    """All terms of the texts, and counts [N, T] of each kind."""
    vocabularies, counts = [], []
    kinds: tuple[tuple[Literal["char", "word"], int], ...]
    kinds = (("char", settings.characters), ("word", settings.words))
    for analyzer, longest in kinds:
        if not longest:
            continue
        counter = _counter(analyzer, longest)
        terms: list[str] = []
        try:
            counts.append(counter.fit_transform(texts))
            terms = counter.get_feature_names_out().tolist()
        except ValueError:  # nothing in the texts counts
            counts.append(sp.csr_matrix((len(texts), 0), dtype=np.float32))
        vocabularies.append(Vocabulary(analyzer, longest, terms))
    return vocabularies, counts


def _features(encoder: Encoder, counts: Sequence[Any], videos: VideoFeatures, rows: NDArray[np.int64]) -> Any:
    frames_NV = None if videos.frames_NV is None else videos.frames_NV[rows]
    return encoder([counts_NT[rows] for counts_NT in counts], frames_NV)


def _trained(
    counts: Sequence[Any],
    videos: VideoFeatures,
    labels_N: NDArray[np.int64],
    rows: NDArray[np.int64],
    settings: LinearModel,
    seed: int,
) -> tuple[Encoder, Linear]:
    """Encoder and classifier of some of the videos, which know nothing of the others."""
    frames_NV = None if videos.frames_NV is None else videos.frames_NV[rows]
    encoder = Encoder.fit([counts_NT[rows] for counts_NT in counts], frames_NV, settings)
    return encoder, Linear.fit(_features(encoder, counts, videos, rows), labels_N[rows], settings, seed)


def _best_temperature(scored: Sequence[tuple[NDArray[np.float64], NDArray[np.int64]]]) -> float:
    losses = [
        sum(
            -float(np.log(_softmax(scores / temperature)[np.arange(len(truth)), truth] + 1e-12).sum())
            for scores, truth in scored
        )
        for temperature in _TEMPERATURES
    ]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def _softmax(scores_NC: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = np.exp(scores_NC - scores_NC.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return probabilities
