"""Stratified folds: every item in exactly one validation fold, however rare its class."""

import numpy as np
from numpy.typing import NDArray


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
