"""Weighted means of members' probabilities: quick scores under any weights, searches for weights, honest estimates.

Shapes: M members, N videos, C classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.data.splits import stratified_folds
from engine.data.taxonomy import Taxonomy
from engine.metrics import HierarchicalScores, hierarchical_scores

_GRID = np.linspace(0, 2, 21)
_SWEEPS = 5
_GREEDY_ROUNDS = 25
_BAGS = 20
_BAG_ROUNDS = 10
_CROSS_FITS = 5
_EPS = 1e-12
_TOGETHER = 256


@dataclass(frozen=True)
class Rescorer:
    """Members' probabilities float32 [M, N, C] of labelled videos, ready to be scored under any weights.

    10,000 videos of 200 classes under new weights of 4 members take tens of milliseconds.
    """

    taxonomy: Taxonomy
    probabilities_MNC: NDArray[np.float32]
    labels_N: NDArray[np.int64]

    def predict(self, weights_M: ArrayLike) -> NDArray[np.int64]:
        """Leaf of every video [N]."""
        predicted: NDArray[np.int64] = self._predict(np.asarray(weights_M, np.float32)[None])[0]
        return predicted

    def predict_without(self, weights_M: ArrayLike) -> NDArray[np.int64]:
        """Leaf of every video without each member in turn [M, N]; -1 where no other has a weight."""
        others_MM = np.tile(np.asarray(weights_M, np.float32), (len(self.probabilities_MNC), 1))
        np.fill_diagonal(others_MM, 0)
        predicted = self._predict(others_MM)
        predicted[~others_MM.any(axis=1)] = -1
        return predicted

    def _predict(self, weights_KM: NDArray[np.float32]) -> NDArray[np.int64]:
        """Leaf of every video under each of K weights [K, N]; some videos at a time, whose sums stay in the cache."""
        members, videos, classes = self.probabilities_MNC.shape
        predicted = np.empty((len(weights_KM), videos), np.int64)
        for start in range(0, videos, _TOGETHER):
            part = self.probabilities_MNC[:, start : start + _TOGETHER].reshape(members, -1)
            sums_KNC = (weights_KM @ part).reshape(len(weights_KM), -1, classes)
            predicted[:, start : start + _TOGETHER] = sums_KNC.argmax(axis=2)
        return predicted

    def score(self, weights_M: ArrayLike) -> HierarchicalScores:
        """Scores at every level."""
        return self.score_of(self.predict(weights_M))

    def score_of(self, predicted_N: NDArray[np.int64]) -> HierarchicalScores:
        """Scores of predictions at every level."""
        return hierarchical_scores(self.taxonomy, self.labels_N, predicted_N)

    def f1_mean(self, weights_M: ArrayLike) -> float:
        """F1-mean alone."""
        return self.f1_mean_of(self.predict(weights_M))

    def f1_mean_of(
        self, predicted_N: NDArray[np.int64], rows: NDArray[np.int64] | slice = slice(None)
    ) -> float:
        """F1-mean of predictions; of those of `rows` alone, which may repeat."""
        total = 0.0
        predicted = predicted_N[rows]
        for to_level, true_N, codes in self._levels:
            true, claimed = true_N[rows], to_level[predicted]
            hits = np.bincount(true[true == claimed], minlength=codes)
            sizes = np.bincount(true, minlength=codes) + np.bincount(claimed, minlength=codes)
            macro = float((2 * hits / np.maximum(sizes, 1))[sizes > 0].mean())
            total += (hits.sum() / len(true) + macro) / 2
        return float(total) / len(self._levels)

    def rows(self, rows: NDArray[np.int64]) -> "Rescorer":
        """Of some videos alone."""
        # `take` leaves rows of a member side by side in memory, which indexing does not.
        return Rescorer(self.taxonomy, self.probabilities_MNC.take(rows, axis=1), self.labels_N[rows])

    @cached_property
    def _levels(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64], int]]:
        levels = range(1, self.taxonomy.levels + 1)
        return [
            (
                self.taxonomy.leaf_to_level(level),
                self.taxonomy.leaf_to_level(level)[self.labels_N],
                len(self.taxonomy.level_codes(level)),
            )
            for level in levels
        ]


# Told between two scores which share is done, 0 to 1; what it raises ends the search.
Watch = Callable[[float], None]


class Search(Protocol):
    """Finds weights [M], the largest as 1."""

    def __call__(self, scorer: Rescorer, watch: Watch = ..., /) -> NDArray[np.float64]: ...


def _unwatched(share: float) -> None:
    """Nobody looks on."""


def _share_of(watch: Watch, done: int, rounds: int, share: float) -> None:
    watch((done + share) / rounds)


def equal_weights(scorer: Rescorer, _watch: Watch = _unwatched) -> NDArray[np.float64]:
    """One for every member."""
    return np.ones(len(scorer.probabilities_MNC))


def greedy_weights(
    scorer: Rescorer, watch: Watch = _unwatched, rounds: int = _GREEDY_ROUNDS
) -> NDArray[np.float64]:
    """Forward selection with replacement (Caruana et al. 2004): add, one at a time, the member that helps most.

    Returns:
        How often each member was taken on the way to the best score [M], the largest as 1.
    """
    members = len(scorer.probabilities_MNC)
    counts = np.zeros(members)
    best_counts, best = counts, -1.0
    for taken in range(rounds):
        watch(taken / rounds)
        scores = [scorer.f1_mean(counts + one) for one in np.eye(members)]
        counts = counts + np.eye(members)[int(np.argmax(scores))]
        if max(scores) > best + _EPS:
            best_counts, best = counts, max(scores)
    weights: NDArray[np.float64] = best_counts / best_counts.max()
    return weights


def bagged_weights(scorer: Rescorer, watch: Watch = _unwatched) -> NDArray[np.float64]:
    """Forward selection on resampled videos, again and again, its shares averaged (Caruana et al. 2004, section 2.3).

    A few hundred videos tell a good weight from a lucky one badly: an average over
    bootstrap samples moves less with them.

    Returns:
        Weights [M], the largest as 1.
    """
    rng = np.random.default_rng(0)
    videos = len(scorer.labels_N)
    total = np.zeros(len(scorer.probabilities_MNC))
    for bag in range(_BAGS):
        part = scorer.rows(rng.integers(videos, size=videos))
        chosen = greedy_weights(part, partial(_share_of, watch, bag, _BAGS), _BAG_ROUNDS)
        total += chosen / chosen.sum()
    weights: NDArray[np.float64] = total / total.max()
    return weights


def coordinate_weights(scorer: Rescorer, watch: Watch = _unwatched) -> NDArray[np.float64]:
    """Each weight in turn is moved along a grid, the others as they are, until none improves the score.

    It starts from the better of equal weights and the best member alone.

    Returns:
        Weights [M], the largest as 1.
    """
    members = len(scorer.probabilities_MNC)
    starts = [np.ones(members), *np.eye(members)]
    scores = [scorer.f1_mean(weights) for weights in starts]
    weights, best = starts[int(np.argmax(scores))].copy(), max(scores)
    for sweep in range(_SWEEPS):
        before = best
        for member in range(members):
            for place, value in enumerate(_GRID):
                watch(((sweep * members + member) * len(_GRID) + place) / (_SWEEPS * members * len(_GRID)))
                trial = weights.copy()
                trial[member] = value
                if trial.any() and (found := scorer.f1_mean(trial)) > best + _EPS:
                    weights, best = trial, found
        if best <= before + _EPS:
            break
    normal: NDArray[np.float64] = weights / weights.max()
    return normal


SEARCHES: dict[str, Search] = {
    "equal": equal_weights,
    "bagged": bagged_weights,
    "greedy": greedy_weights,
    "coordinate": coordinate_weights,
}
SEARCHED = ("bagged", "greedy", "coordinate")  # their weights are chosen by the score, which flatters it


def searched(
    scorer: Rescorer, folds_N: NDArray[np.int64], kind: str, seed: int, watch: Watch = _unwatched
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Weights [M] that a search finds, and every video's mean probabilities [N, C] cross-fitted: what it is worth."""
    rounds = 1 + _cross_fits(folds_N)
    done = 0

    def search(part: Rescorer) -> NDArray[np.float64]:
        nonlocal done
        found = SEARCHES[kind](part, partial(_share_of, watch, done, rounds))
        done += 1
        watch(min(1.0, done / rounds))
        return found

    return search(scorer), cross_fitted(scorer, folds_N, search, seed)


def _cross_fits(folds_N: NDArray[np.int64]) -> int:
    """In how many rounds weights are searched without some of the videos; below 2 where there are too few videos."""
    folds = len(np.unique(folds_N))
    return folds if folds > 1 else min(_CROSS_FITS, len(folds_N))


def cross_fitted(
    scorer: Rescorer,
    folds_N: NDArray[np.int64],
    search: Callable[[Rescorer], NDArray[np.float64]],
    seed: int,
) -> NDArray[np.float32]:
    """Every video's mean probabilities [N, C] under weights that were searched without it: what the search is worth.

    The weights for a fold come from the other folds; where all videos are of one fold, from four fifths of them.
    """
    parts = folds_N
    if len(np.unique(folds_N)) < 2:
        count = _cross_fits(folds_N)
        if count < 2:
            return weighted_mean(equal_weights(scorer), scorer.probabilities_MNC)
        parts = stratified_folds(scorer.labels_N, count, seed)
    found_NC = np.zeros(scorer.probabilities_MNC.shape[1:], np.float32)
    for part in np.unique(parts):
        inside, outside = np.flatnonzero(parts != part), np.flatnonzero(parts == part)
        weights_M = search(scorer.rows(inside))
        found_NC[outside] = weighted_mean(weights_M, scorer.probabilities_MNC[:, outside])
    return found_NC


def weighted_mean(
    weights_M: NDArray[np.float64], probabilities_MNC: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Members' probabilities averaged [N, C]; the weights need not sum to one."""
    share_M = (weights_M / weights_M.sum()).astype(np.float32)
    mean_NC: NDArray[np.float32] = np.tensordot(share_M, probabilities_MNC, axes=1)
    return mean_NC


@dataclass(frozen=True)
class Interval:
    """A 95% interval."""

    low: float
    high: float


def bootstrap(
    scorer: Rescorer, predicted: Sequence[NDArray[np.int64]], resamples: int, seed: int
) -> NDArray[np.float64]:
    """F1-mean of each prediction on resampled videos [resamples, predictions]; all see the same videos."""
    rng = np.random.default_rng(seed)
    videos = len(scorer.labels_N)
    found = np.zeros((resamples, len(predicted)))
    for number in range(resamples):
        rows = rng.integers(videos, size=videos)
        found[number] = [scorer.f1_mean_of(one, rows) for one in predicted]
    return found


def interval(values: NDArray[np.float64]) -> Interval:
    """The middle 95% of resampled values (percentile bootstrap, Efron 1979)."""
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(float(low), float(high))
