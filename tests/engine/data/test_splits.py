"""Folds: balanced, complete, deterministic, kind to rare classes."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.splits import stratified_folds


@given(st.lists(st.integers(0, 12), max_size=200), st.integers(2, 12), st.integers(0, 3))
def test_classes_and_folds_are_balanced_to_one_item(labels: list[int], folds: int, seed: int) -> None:
    array = np.array(labels, np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fold = stratified_folds(array, folds, seed)
    assert fold.shape == array.shape
    sizes = np.bincount(fold, minlength=folds)
    assert len(sizes) == folds
    assert np.ptp(sizes) <= 1
    for label in set(labels):
        assert np.ptp(np.bincount(fold[array == label], minlength=folds)) <= 1


def test_the_same_seed_gives_the_same_folds_and_another_gives_others() -> None:
    labels = np.random.default_rng(0).integers(0, 9, 500)
    first = stratified_folds(labels, 5, 802)
    np.testing.assert_array_equal(first, stratified_folds(labels, 5, 802))
    assert (first != stratified_folds(labels, 5, 803)).mean() > 0.5


def test_items_of_a_class_are_dealt_at_random() -> None:
    fold = stratified_folds(np.zeros(1000, np.int64), 5, 0)
    in_turn = (np.diff(fold) % 5 == 1).mean()
    assert 0.1 < in_turn < 0.3


def test_the_only_item_of_a_class_may_land_in_any_fold() -> None:
    labels = np.concatenate([np.zeros(100, np.int64), [1]])
    assert {int(stratified_folds(labels, 5, seed)[-1]) for seed in range(60)} == set(range(5))


def test_one_fold_is_refused() -> None:
    with pytest.raises(ValueError, match="two folds"):
        stratified_folds(np.zeros(3, np.int64), 1, 0)
