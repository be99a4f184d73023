"""Which items form a batch, and where an item's random choices come from."""

from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BATCHES_PER_CHUNK = 64
_JITTER = 0.04


def item_rng(seed: int, epoch: int, item: str) -> np.random.Generator:
    """The generator of an item's random choices in an epoch: equal in every process and after every resume."""
    digest = blake2b(f"{seed}/{epoch}/{item}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def bucketed_batches(
    lengths: ArrayLike, batch_size: int, *, seed: int, epoch: int, shuffle: bool = True
) -> list[NDArray[np.int64]]:
    """Batches of items of similar length, every item exactly once; the same for the same arguments.

    With `shuffle`, items are shuffled, sorted by length within chunks of many batches, cut into batches, and the
    batches shuffled. Without, batches run from the shortest items to the longest.

    Args:
        lengths: length of each item, int [n].

    Returns:
        Item indices of each batch, int64; one batch of each chunk may be smaller than `batch_size`.

    Raises:
        ValueError: `batch_size` below 1.
    """
    if batch_size < 1:
        raise ValueError(f"want a batch of one item or more, not {batch_size}")
    sizes = np.asarray(lengths, np.int64)
    if not shuffle:
        return _cut(np.argsort(sizes, kind="stable"), batch_size)
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(sizes))
    # Without the jitter a small set would be cut into the same batches in every epoch.
    blurred = sizes[order] * (1 + _JITTER * (rng.random(len(sizes)) - 0.5))
    chunk = np.arange(len(sizes)) // (batch_size * _BATCHES_PER_CHUNK)
    order = order[np.lexsort((blurred, chunk))]
    per_chunk = batch_size * _BATCHES_PER_CHUNK
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), per_chunk):
        batches += _cut(order[start : start + per_chunk], batch_size)
    return [batches[place] for place in rng.permutation(len(batches))]


def _cut(order: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
