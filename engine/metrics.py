"""Hierarchical F1: micro and macro F1 of every level of the taxonomy, and their mean, the challenge's score."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.data.taxonomy import Taxonomy
from engine.records import ClassScores, LevelScores


@dataclass(frozen=True)
class HierarchicalScores:
    """Scores of one pass over a labelled split.

    Attributes:
        f1_mean: mean over levels of (micro F1 + macro F1) / 2.
        levels: coarsest first.
        classes: classes that occur in truth or prediction, coarsest level first, by code.
    """

    f1_mean: float
    levels: tuple[LevelScores, ...]
    classes: tuple[ClassScores, ...]


def hierarchical_scores(taxonomy: Taxonomy, y_true: ArrayLike, y_pred: ArrayLike) -> HierarchicalScores:
    """Score leaf predictions at every level.

    Macro F1 averages over classes present in truth or prediction, as scikit-learn's `f1_score` does.

    Args:
        y_true: leaf indices, int [n], n > 0.
        y_pred: leaf indices, int [n].

    Raises:
        ValueError: empty or unequal arrays, or an index that is no leaf.
    """
    leaves = len(taxonomy.codes)
    true = _leaf_indices(y_true, leaves, "y_true")
    predicted = _leaf_indices(y_pred, leaves, "y_pred")
    if true.shape != predicted.shape or not len(true):
        raise ValueError(f"cannot score {len(predicted)} predictions against {len(true)} truths")
    levels: list[LevelScores] = []
    classes: list[ClassScores] = []
    for level in range(1, taxonomy.levels + 1):
        to_level = taxonomy.leaf_to_level(level)
        level_scores, class_scores = _score_level(
            level, taxonomy.level_codes(level), to_level[true], to_level[predicted]
        )
        levels.append(level_scores)
        classes += class_scores
    f1_mean = sum((scores.f1_micro + scores.f1_macro) / 2 for scores in levels) / len(levels)
    return HierarchicalScores(f1_mean, tuple(levels), tuple(classes))


def confusion(
    taxonomy: Taxonomy, y_true: ArrayLike, y_pred: ArrayLike
) -> dict[int, list[tuple[str, str, int]]]:
    """Number of items by level, true and predicted class, those that occur only, most frequent first.

    Args:
        y_true: leaf indices, int [n].
        y_pred: leaf indices, int [n].

    Raises:
        ValueError: an index is no leaf.
    """
    leaves = len(taxonomy.codes)
    true, predicted = _leaf_indices(y_true, leaves, "y_true"), _leaf_indices(y_pred, leaves, "y_pred")
    counts: dict[int, list[tuple[str, str, int]]] = {}
    for level in range(1, taxonomy.levels + 1):
        codes, to_level = taxonomy.level_codes(level), taxonomy.leaf_to_level(level)
        pairs, numbers = np.unique(to_level[true] * len(codes) + to_level[predicted], return_counts=True)
        order = np.argsort(-numbers, kind="stable")
        counts[level] = [
            (codes[pair // len(codes)], codes[pair % len(codes)], int(number))
            for pair, number in zip(pairs[order], numbers[order], strict=True)
        ]
    return counts


def _score_level(
    level: int, codes: tuple[str, ...], true: NDArray[np.int64], predicted: NDArray[np.int64]
) -> tuple[LevelScores, list[ClassScores]]:
    # F1 needs no more of the confusion matrix than its diagonal and its two margins.
    support = np.bincount(true, minlength=len(codes))
    claimed = np.bincount(predicted, minlength=len(codes))
    hits = np.bincount(true[true == predicted], minlength=len(codes))
    present = np.flatnonzero(support + claimed)
    f1 = 2 * hits / np.maximum(support + claimed, 1)
    precision = hits / np.maximum(claimed, 1)
    recall = hits / np.maximum(support, 1)
    # With one label an item, every error is one false positive and one false negative: micro F1 is the accuracy.
    accuracy = float(hits.sum() / len(true))
    level_scores = LevelScores(
        level=level, f1_micro=accuracy, f1_macro=float(f1[present].mean()), accuracy=accuracy
    )
    class_scores = [
        ClassScores(
            level=level,
            category=codes[index],
            precision=float(precision[index]),
            recall=float(recall[index]),
            f1=float(f1[index]),
            support=int(support[index]),
        )
        for index in present
    ]
    return level_scores, class_scores


def _leaf_indices(values: ArrayLike, leaves: int, name: str) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or not (np.issubdtype(array.dtype, np.integer) or not array.size):
        raise ValueError(f"{name}: want a flat array of integers, not {array.dtype} of shape {array.shape}")
    array = array.astype(np.int64, copy=False)
    if array.size and not (int(array.min()) >= 0 and int(array.max()) < leaves):
        raise ValueError(f"{name}: holds an index outside the {leaves} leaves")
    return array
