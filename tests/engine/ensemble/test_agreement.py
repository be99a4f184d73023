"""Agreement of members, and what an ensemble fixes and breaks, against counting video by video."""

import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score

from engine.data.taxonomy import Taxonomy
from engine.ensemble.agreement import agreement, class_fixes

TAXONOMY = Taxonomy.from_codes(
    [f"{top:02}{leaf:02}" for top in range(3) for leaf in range(4)], {"0001": "cats"}
)
CLASSES = len(TAXONOMY.codes)


def answers(members: int, videos: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Answers that are right now and then, and the truth."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=videos)
    guesses = rng.integers(CLASSES, size=(members, videos))
    return np.where(rng.random((members, videos)) < 0.6, labels, guesses), labels


@pytest.mark.parametrize("seed", range(5))
def test_agreement_is_that_of_counting_pairs_of_answers(seed: int) -> None:
    predicted, labels = answers(4, 50, seed)
    found = agreement(predicted, labels, CLASSES)
    for one in range(4):
        for other in range(4):
            a, b = predicted[one].tolist(), predicted[other].tolist()
            same = sum(x == y for x, y in zip(a, b, strict=True)) / 50
            assert found.same_MM[one, other] == pytest.approx(same)
            assert found.kappa_MM[one, other] == pytest.approx(cohen_kappa_score(a, b))
            wrong = [[x != y for x, y in zip(each, labels.tolist(), strict=True)] for each in (a, b)]
            assert found.errors_MM[one, other] == pytest.approx(np.corrcoef(wrong)[0, 1])


def test_what_cannot_be_told_is_not_a_number() -> None:
    always = np.zeros((2, 6), np.int64)
    found = agreement(always, np.zeros(6, np.int64), CLASSES)
    assert (found.same_MM == 1).all()
    assert all(math.isnan(value) for value in [*found.kappa_MM.ravel(), *found.errors_MM.ravel()])


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_fixes_and_breaks_are_those_of_counting_videos(level: int, seed: int) -> None:
    (before, after), labels = answers(2, 80, seed)
    found = {row.code: row for row in class_fixes(TAXONOMY, level, labels, before, after)}

    def at(leaf: int) -> str:
        return TAXONOMY.codes[leaf][: 2 * level]

    true, old, new = ([at(leaf) for leaf in each.tolist()] for each in (labels, before, after))
    codes = sorted({*true, *old, *new})
    f1 = [dict(zip(codes, f1_score(true, each, labels=codes, average=None, zero_division=0), strict=True))
          for each in (old, new)]  # fmt: skip
    for code in TAXONOMY.level_codes(level):
        own = [place for place, each in enumerate(true) if each == code]
        fixed = sum(old[place] != code and new[place] == code for place in own)
        broken = sum(old[place] == code and new[place] != code for place in own)
        if not fixed and not broken and f1[0].get(code) == f1[1].get(code):
            assert code not in found
            continue
        row = found[code]
        assert (row.videos, row.fixed, row.broken, row.net) == (len(own), fixed, broken, fixed - broken)
        assert row.f1_before == pytest.approx(f1[0].get(code, 0.0))
        assert row.f1_after == pytest.approx(f1[1].get(code, 0.0))


def test_what_is_won_most_comes_first_and_has_its_name() -> None:
    labels = np.array([0, 0, 0, 1, 1, 5, 5])
    before = np.array([2, 2, 0, 1, 1, 5, 5])
    after = np.array([0, 0, 5, 1, 0, 5, 5])
    rows = class_fixes(TAXONOMY, 2, labels, before, after)
    assert [(row.code, row.name, row.fixed, row.broken) for row in rows] == [
        ("0000", "0000", 2, 1),
        ("0101", "0101", 0, 0),
        ("0001", "cats", 0, 1),
    ]


def test_an_ensemble_that_changes_nothing_has_no_rows() -> None:
    predicted, labels = answers(1, 30, 0)
    assert class_fixes(TAXONOMY, 1, labels, predicted[0], predicted[0]) == ()
