"""Weights of ensembles: scores equal to the slow way, searches that find, estimates that do not flatter."""

from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import f1_score

from engine.data.taxonomy import Taxonomy
from engine.ensemble.search import (
    SEARCHED,
    SEARCHES,
    Rescorer,
    bagged_weights,
    bootstrap,
    coordinate_weights,
    cross_fitted,
    equal_weights,
    greedy_weights,
    interval,
    searched,
)

TAXONOMY = Taxonomy.from_codes([f"{top:02}{leaf:02}" for top in range(3) for leaf in range(4)])
CLASSES = len(TAXONOMY.codes)


def scorer(strengths: list[float], *, videos: int = 300, seed: int = 0, noise: float = 1.0) -> Rescorer:
    """Members whose scores lean towards the truth, each with errors of its own."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(CLASSES, videos, p=rng.dirichlet(np.ones(CLASSES)))
    logits = rng.normal(0, noise, (len(strengths), videos, CLASSES))
    logits[:, np.arange(videos), labels] += np.array(strengths)[:, None]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    return Rescorer(TAXONOMY, probabilities.astype(np.float32), labels)


@pytest.mark.parametrize("seed", range(20))
def test_a_score_is_that_of_the_weighted_mean_computed_the_slow_way(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = scorer([1.0, 0.5, 2.0], videos=int(rng.integers(1, 60)), seed=seed)
    weights = rng.random(3)
    predicted = []
    for video in range(len(found.labels_N)):
        mixed = [
            sum(weights[m] * float(found.probabilities_MNC[m, video, c]) for m in range(3))
            for c in range(CLASSES)
        ]
        predicted.append(int(np.argmax(mixed)))
    parts = []
    for digits in (2, 4):
        true = [TAXONOMY.codes[leaf][:digits] for leaf in found.labels_N]
        claimed = [TAXONOMY.codes[leaf][:digits] for leaf in predicted]
        parts += [f1_score(true, claimed, average=kind, zero_division=0) for kind in ("micro", "macro")]
    assert found.f1_mean(weights) == pytest.approx(np.mean(parts), abs=1e-12)
    assert found.score(weights).f1_mean == pytest.approx(np.mean(parts), abs=1e-12)


@pytest.mark.parametrize("search", ["greedy", "coordinate"])
@pytest.mark.parametrize("seed", range(5))
def test_a_search_is_never_worse_in_sample_than_the_best_member(search: str, seed: int) -> None:
    found = scorer([0.5, 1.5, 1.0], seed=seed)
    weights = SEARCHES[search](found)
    assert weights.max() == 1
    assert found.f1_mean(weights) >= max(found.f1_mean(one) for one in np.eye(3))
    np.testing.assert_array_equal(weights, SEARCHES[search](found))


@pytest.mark.parametrize("search", SEARCHED)
def test_a_search_finds_the_one_good_member_among_many_that_agree_on_nonsense(search: str) -> None:
    found = scorer([2.0, 0.0], videos=100)
    good, bad = found.probabilities_MNC[:1], found.probabilities_MNC[1:]
    crowd = Rescorer(TAXONOMY, np.concatenate([bad] * 10 + [good] + [bad] * 10), found.labels_N)
    assert crowd.f1_mean(SEARCHES[search](crowd)) >= found.f1_mean([1, 0])
    assert crowd.f1_mean(equal_weights(crowd)) < found.f1_mean([1, 0]) / 2


def test_the_coordinate_search_is_never_worse_than_equal_weights_and_drops_a_member_that_only_harms() -> None:
    found = scorer([2.5, 2.5, -3.0], seed=3)
    weights = coordinate_weights(found)
    assert found.f1_mean(weights) >= found.f1_mean(equal_weights(found))
    assert weights[2] < 0.5 * weights[:2].max()


def test_greedy_selection_takes_the_member_that_helps_most_each_time() -> None:
    found = scorer([1.0, 1.2, 0.8], videos=120, seed=4)
    counts: Counter[int] = Counter()
    best, best_counts = -1.0, Counter[int]()
    for _ in range(25):
        trial = [found.f1_mean([counts[one] + (one == member) for one in range(3)]) for member in range(3)]
        counts[int(np.argmax(trial))] += 1
        if max(trial) > best + 1e-12:
            best, best_counts = max(trial), counts.copy()
    expected = np.array([best_counts[member] for member in range(3)], float)
    np.testing.assert_allclose(greedy_weights(found), expected / expected.max())


def test_bagged_weights_move_less_with_the_videos_than_those_of_one_selection() -> None:
    spread = {}
    for search in (greedy_weights, bagged_weights):
        found = [search(scorer([1.0, 1.0, 1.0, 1.0], videos=150, seed=seed)) for seed in range(12)]
        spread[search] = np.std([weights / weights.sum() for weights in found], axis=0).mean()
    assert spread[bagged_weights] < 0.8 * spread[greedy_weights]


def test_bagged_weights_follow_what_members_are_worth() -> None:
    weights = bagged_weights(scorer([2.5, 1.5, -3.0], seed=3))
    assert weights[0] == 1 > weights[1] > weights[2]
    assert weights[2] < 0.05


def test_weights_for_a_fold_are_searched_without_its_labels() -> None:
    found = scorer([1.0, 1.0, 1.0], videos=90)
    folds = np.arange(90) % 3
    seen: list[set[int]] = []

    def spying(part: Rescorer) -> np.ndarray:
        seen.append({hash(row.tobytes()) for row in part.probabilities_MNC[0]})
        return np.ones(3)

    cross_fitted(found, folds, spying, seed=0)
    assert len(seen) == 3
    for fold, rows in enumerate(seen):
        own = {hash(row.tobytes()) for row in found.probabilities_MNC[0][folds == fold]}
        assert not rows & own
        assert len(rows) == 60


def test_each_fold_is_averaged_under_its_own_weights() -> None:
    found = scorer([1.0, 1.0], videos=40)
    folds = np.arange(40) % 2
    # The search answers by the labels it is shown: one fold hears the first member, the other the second.
    shown = {int(fold): found.labels_N[folds != fold].sum() for fold in (0, 1)}
    assert shown[0] != shown[1]

    def search(part: Rescorer) -> np.ndarray:
        return np.array([2.0, 0.0]) if part.labels_N.sum() == shown[0] else np.array([0.0, 2.0])

    mean = cross_fitted(found, folds, search, seed=0)
    expected = np.where(folds[:, None] == 0, found.probabilities_MNC[0], found.probabilities_MNC[1])
    np.testing.assert_allclose(mean, expected, rtol=1e-6)


def test_labels_that_were_shuffled_give_no_honest_gain_on_average() -> None:
    gains = []
    for seed in range(10):
        found = scorer([1.0, 1.5, 0.5, 1.0], videos=200, seed=seed)
        labels = np.random.default_rng(seed).permutation(found.labels_N)
        shuffled = Rescorer(TAXONOMY, found.probabilities_MNC, labels)
        honest = cross_fitted(shuffled, np.arange(200) % 5, coordinate_weights, seed).argmax(axis=1)
        gains.append(shuffled.f1_mean_of(honest) - shuffled.f1_mean(np.ones(4)))
    assert abs(np.mean(gains)) < 0.02


def test_one_video_can_be_estimated() -> None:
    found = scorer([1.0, 2.0], videos=1)
    np.testing.assert_allclose(
        cross_fitted(found, np.zeros(1, np.int64), greedy_weights, 0),
        found.probabilities_MNC.mean(axis=0),
        rtol=1e-5,
    )


def test_where_there_is_nothing_to_gain_the_honest_estimate_does_not_show_a_gain() -> None:
    # Twelve members that know nothing: in sample, a search finds weights that seem to help.
    gains, honest_gains = [], []
    for seed in range(12):
        found = scorer([0.0] * 12, videos=120, seed=seed)
        base = found.f1_mean(equal_weights(found))
        honest = cross_fitted(found, np.zeros(120, np.int64), coordinate_weights, seed).argmax(axis=1)
        gains.append(found.f1_mean(coordinate_weights(found)) - base)
        honest_gains.append(found.f1_mean_of(honest) - base)
    assert np.mean(gains) > 0.04, "the search must be able to fool itself, or this proves nothing"
    assert abs(np.mean(honest_gains)) < 0.02


def test_the_interval_holds_the_score_and_narrows_with_more_videos() -> None:
    widths = []
    for videos in (100, 1600):
        found = scorer([1.5], videos=videos, seed=6)
        predicted = found.predict([1.0])
        span = interval(bootstrap(found, [predicted], 200, seed=1)[:, 0])
        assert span.low < found.f1_mean([1.0]) + 0.02
        assert span.high > found.f1_mean([1.0]) - 0.02
        widths.append(span.high - span.low)
    assert widths[1] < 0.5 * widths[0]


@pytest.mark.parametrize(
    "weights", [[1.0, 0.5, 2.0], [1000.0, 0.001, 0.0005], [1.0, 0.0, 0.3], [0.0, 0.7, 0.0]]
)
def test_predictions_without_each_member_are_those_of_its_weight_set_to_nothing(weights: list[float]) -> None:
    found = scorer([1.0, 0.5, 2.0], videos=700)
    without = found.predict_without(weights)
    for member in range(3):
        others = [0.0 if number == member else weight for number, weight in enumerate(weights)]
        expected = found.predict(others) if any(others) else np.full(700, -1)
        np.testing.assert_array_equal(without[member], expected)


@pytest.mark.parametrize("kind", SEARCHED)
def test_a_watched_search_tells_how_far_it_is_and_finds_the_same(kind: str) -> None:
    found = scorer([1.0, 0.8, 1.2], videos=60)
    folds = np.arange(60) % 3
    told: list[float] = []
    weights, honest = searched(found, folds, kind, 0, told.append)
    np.testing.assert_array_equal(weights, SEARCHES[kind](found))
    np.testing.assert_array_equal(honest, cross_fitted(found, folds, SEARCHES[kind], 0))
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)


def test_what_the_watcher_raises_ends_the_search() -> None:
    def enough(share: float) -> None:
        if share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched(scorer([1.0, 0.8], videos=40), np.zeros(40, np.int64), "coordinate", 0, enough)
