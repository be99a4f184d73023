"""Hierarchical F1 against scikit-learn, degenerate cases included."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from engine.data.taxonomy import Taxonomy
from engine.metrics import confusion, hierarchical_scores


@st.composite
def scored_sets(draw: st.DrawFn) -> tuple[Taxonomy, list[int], list[int]]:
    levels = draw(st.integers(1, 3))
    part = st.sampled_from(["00", "01", "02", "17"])
    codes = draw(st.sets(st.tuples(*[part] * levels).map("".join), min_size=1, max_size=12))
    leaf = st.integers(0, len(codes) - 1)
    pairs = draw(st.lists(st.tuples(leaf, leaf), min_size=1, max_size=60))
    return Taxonomy.from_codes(codes), [true for true, _ in pairs], [predicted for _, predicted in pairs]


@given(scored_sets())
@settings(max_examples=150, deadline=None)
def test_every_level_equals_scikit_learn(case: tuple[Taxonomy, list[int], list[int]]) -> None:
    taxonomy, y_true, y_pred = case
    scores = hierarchical_scores(taxonomy, y_true, y_pred)
    parts = []
    for level in range(1, taxonomy.levels + 1):
        true = [taxonomy.codes[leaf][: 2 * level] for leaf in y_true]
        predicted = [taxonomy.codes[leaf][: 2 * level] for leaf in y_pred]
        found = scores.levels[level - 1]
        micro = f1_score(true, predicted, average="micro", zero_division=0)
        macro = f1_score(true, predicted, average="macro", zero_division=0)
        assert found.level == level
        assert found.f1_micro == pytest.approx(micro, abs=1e-12)
        assert found.f1_macro == pytest.approx(macro, abs=1e-12)
        assert found.accuracy == pytest.approx(accuracy_score(true, predicted), abs=1e-12)
        parts += [micro, macro]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            labels = sorted({*true, *predicted})
            wanted = precision_recall_fscore_support(true, predicted, labels=labels, zero_division=0)
        classes = [one for one in scores.classes if one.level == level]
        assert [one.category for one in classes] == labels
        got = [[one.precision, one.recall, one.f1, one.support] for one in classes]
        np.testing.assert_allclose(np.array(got).T, np.array(wanted), atol=1e-12)
    assert scores.f1_mean == pytest.approx(sum(parts) / len(parts), abs=1e-12)


def random_case(rng: np.random.Generator) -> tuple[Taxonomy, np.ndarray, np.ndarray]:
    """Truths and predictions: many or one, always right, always wrong, or one class for all, as it falls."""
    parts = [f"{one:02}" for one in rng.choice(100, rng.integers(1, 6), replace=False)]
    levels = int(rng.integers(1, 4))
    codes = sorted({"".join(rng.choice(parts, levels)) for _ in range(rng.integers(1, 15))})
    leaves, items = len(codes), int(rng.choice([1, 2, 5, 40, 300]))
    true = rng.choice(leaves, items, p=rng.dirichlet(np.full(leaves, rng.choice([0.1, 1.0]))))
    right = rng.choice([0.0, 0.5, 0.9, 1.0])
    other = rng.integers(leaves, size=items) if rng.random() < 0.7 else np.full(items, rng.integers(leaves))
    return Taxonomy.from_codes(codes), true, np.where(rng.random(items) < right, true, other)


def test_thousands_of_random_cases_equal_scikit_learn() -> None:
    rng = np.random.default_rng(802)
    compared = 0
    for _ in range(600):
        taxonomy, true, predicted = random_case(rng)
        scores = hierarchical_scores(taxonomy, true, predicted)
        f1 = []
        for level in range(1, taxonomy.levels + 1):
            to_level = taxonomy.leaf_to_level(level)
            for kind in ("micro", "macro"):
                f1.append(f1_score(to_level[true], to_level[predicted], average=kind, zero_division=0))
        found = [value for level in scores.levels for value in (level.f1_micro, level.f1_macro)]
        assert found == pytest.approx(f1, abs=1e-12)
        assert scores.f1_mean == pytest.approx(np.mean(f1), abs=1e-12)
        compared += len(f1)
    assert compared > 2000


@pytest.mark.filterwarnings("ignore:A single label")
def test_confusions_are_scikit_learns_matrix_without_its_zeros() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        taxonomy, true, predicted = random_case(rng)
        counts = confusion(taxonomy, true, predicted)
        assert list(counts) == list(range(1, taxonomy.levels + 1))
        for level, pairs in counts.items():
            codes, to_level = taxonomy.level_codes(level), taxonomy.leaf_to_level(level)
            matrix = confusion_matrix(to_level[true], to_level[predicted], labels=range(len(codes)))
            assert {(a, b): n for a, b, n in pairs} == {
                (codes[i], codes[j]): matrix[i, j] for i, j in zip(*np.nonzero(matrix), strict=True)
            }
            assert [n for *_, n in pairs] == sorted((n for *_, n in pairs), reverse=True)


def test_two_levels_give_the_challenges_formula() -> None:
    taxonomy = Taxonomy.from_codes(["0000", "0001", "0100"])
    scores = hierarchical_scores(taxonomy, [0, 1, 2, 2], [1, 1, 2, 0])
    first, second = scores.levels
    assert first.f1_micro == 3 / 4
    assert second.f1_micro == 2 / 4
    assert scores.f1_mean == pytest.approx(
        (first.f1_micro + first.f1_macro + second.f1_micro + second.f1_macro) / 4, abs=1e-15
    )


def test_a_perfect_and_a_hopeless_prediction() -> None:
    taxonomy = Taxonomy.from_codes(["0000", "0100"])
    assert hierarchical_scores(taxonomy, [0, 1], [0, 1]).f1_mean == 1
    assert hierarchical_scores(taxonomy, [0, 1], [1, 0]).f1_mean == 0


def test_classes_that_never_occur_do_not_dilute_macro_f1() -> None:
    few = Taxonomy.from_codes(["0000", "0100"])
    many = Taxonomy.from_codes(["0000", "0100", *(f"02{number:02}" for number in range(50))])
    assert (
        hierarchical_scores(few, [0, 1, 1], [0, 1, 0]).levels[1]
        == hierarchical_scores(many, [0, 1, 1], [0, 1, 0]).levels[1]
    )


@pytest.mark.parametrize(
    ("y_true", "y_pred"),
    [([], []), ([0], [0, 1]), ([0], [2]), ([-1], [0]), ([0.0], [0.0]), ([[0]], [[0]])],
)
def test_what_cannot_be_scored_is_refused(y_true: list[object], y_pred: list[object]) -> None:
    taxonomy = Taxonomy.from_codes(["0000", "0100"])
    with pytest.raises(ValueError, match=r"score|y_"):
        hierarchical_scores(taxonomy, y_true, y_pred)
