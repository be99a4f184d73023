"""Stratified folds: every item in exactly one validation fold, however rare its class."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.errors import ConfigError


def stratified_folds(labels: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Fold of each item, int64 [n], 0 to folds - 1.

    Fold sizes differ by at most one, and so do the counts of each class over the folds; a class with fewer items
    than folds is spread over as many folds as it has items.

    Raises:
        ValueError: fewer than two folds.
    """
    if folds < 2:
        raise ValueError(f"want two folds or more, not {folds}")
    rng = np.random.default_rng(seed)
    _, classes = np.unique(labels, return_inverse=True)
    # Dealing out like cards, class after class, balances classes and fold sizes at once; the random orders of
    # classes and folds keep rare classes from always landing in the same fold.
    place_of_class = rng.permutation(int(classes.max(initial=-1)) + 1)
    dealt = np.lexsort((rng.random(len(classes)), place_of_class[classes]))
    fold = np.empty(len(classes), np.int64)
    fold[dealt] = rng.permutation(folds)[np.arange(len(classes)) % folds]
    return fold


def split_rows(
    labels: NDArray[np.int64], fold: int | Literal["full"], folds: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to train on and rows to validate on, int64, of those with a label; `full` validates on none.

    Raises:
        ConfigError: the fold is out of range, or the labelled videos are too few.
    """
    rows = np.flatnonzero(labels >= 0)
    if fold == "full":
        return rows, rows[:0]
    if fold >= folds:
        raise ConfigError(f"data.fold: {fold} is out of range; with {folds} folds it is 0 to {folds - 1}")
    fold_of = stratified_folds(labels[rows], folds, seed)
    train, valid = rows[fold_of != fold], rows[fold_of == fold]
    if not len(train) or not len(valid):
        raise ConfigError(f"data.folds: {len(rows)} labelled videos are too few for {folds} folds; use fewer")
    return train, valid
