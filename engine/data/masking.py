"""What pre-training hides: tokens, frames, whole modalities, and which frames belong to which text.

Shapes: B videos, T text tokens.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MASKED, _RANDOM = 0.8, 0.1
MODALITY_SHARE = 4


@dataclass(frozen=True)
class Roles:
    """Rows of a batch by what they serve: one masked modality (frames or text), or all joint tasks."""

    frames_hidden: NDArray[np.int64]
    text_hidden: NDArray[np.int64]
    joint: NDArray[np.int64]


def draw_roles(videos: int, rng: np.random.Generator, *, modality: bool, joint: bool) -> Roles:
    """Who serves what: a random quarter one masked modality, the rest the joint tasks; all where only one is on.

    The quarter is drawn at random, since the rows of a batch come sorted by length.
    """
    order = rng.permutation(videos)
    count = (videos // MODALITY_SHARE if joint else videos) if modality else 0
    half = (count + int(rng.integers(2))) // 2
    return Roles(order[:half], order[half:count], order[count:] if joint else order[:0])


def mismatch(
    rows: NDArray[np.int64], rate: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of `rows` get another's frames, and whose; never their own, and none where there is no other.

    The chosen ones pass their frames around in a circle. `rate` of them are chosen on average.
    """
    if len(rows) < 2:
        return rows[:0], rows[:0]
    order = rng.permutation(rows)
    count = int(rate * len(rows) + rng.random())
    chosen = order[:count]
    if count == 1:
        return chosen, order[1:2]
    return chosen, np.roll(chosen, 1)


def mask_tokens(
    token_ids_BT: NDArray[np.int64],
    chosen_BT: NDArray[np.bool_],
    draws_BT: NDArray[np.float64],
    mask_id: int,
    replacements: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Copy of the ids in which, of the chosen tokens, 80% are [MASK], 10% random and 10% kept (Devlin et al. 2018).

    Args:
        draws_BT: a uniform random number for every token: it decides both what becomes of it and what replaces it.
        replacements: ids of all tokens that may stand in for another.
    """
    masked_BT = token_ids_BT.copy()
    masked_BT[chosen_BT & (draws_BT < _MASKED)] = mask_id
    random_BT = chosen_BT & (draws_BT >= _MASKED) & (draws_BT < _MASKED + _RANDOM)
    share = (draws_BT[random_BT] - _MASKED) / _RANDOM
    picked = np.minimum((share * len(replacements)).astype(np.int64), len(replacements) - 1)
    masked_BT[random_BT] = replacements[picked]
    return masked_BT
