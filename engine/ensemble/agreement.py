"""Where members agree, and what an ensemble makes right or wrong against one of them.

Shapes: M members, N videos.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.taxonomy import Taxonomy


@dataclass(frozen=True)
class Agreement:
    """How alike members answer, float64 [M, M], symmetric; NaN where it cannot be told.

    Attributes:
        same_MM: share of videos with the same answer.
        kappa_MM: the same beyond chance (Cohen 1960): 1 always, 0 as often as chance would.
        errors_MM: correlation of being wrong (phi): the lower, the more there is to gain from both.
    """

    same_MM: NDArray[np.float64]
    kappa_MM: NDArray[np.float64]
    errors_MM: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClassFixes:
    """What an ensemble changes in the videos of one true class, against one member.

    Attributes:
        fixed: videos that the member had wrong and the ensemble has right.
        broken: the other way round.
        f1_before: the class's F1 by the member.
        f1_after: by the ensemble.
    """

    code: str
    name: str
    videos: int
    fixed: int
    broken: int
    f1_before: float
    f1_after: float

    @property
    def net(self) -> int:
        """Videos won, less those lost."""
        return self.fixed - self.broken


def agreement(predicted_MN: NDArray[np.int64], labels_N: NDArray[np.int64], classes: int) -> Agreement:
    """How alike members' answers are; N > 0."""
    videos = len(labels_N)
    wrong_MN = (predicted_MN != labels_N).astype(np.float64)
    shares_MC = np.stack([np.bincount(one, minlength=classes) for one in predicted_MN]) / videos
    same_MM = np.stack([(predicted_MN == one).mean(axis=1) for one in predicted_MN])
    chance_MM = shares_MC @ shares_MC.T
    spread_M = wrong_MN.std(axis=1)
    centred_MN = wrong_MN - wrong_MN.mean(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Where both give the one same answer always, chance explains everything: agreement beyond it is undefined.
        kappa_MM = (same_MM - chance_MM) / (1 - chance_MM)
        errors_MM = (centred_MN @ centred_MN.T / videos) / np.outer(spread_M, spread_M)
    kappa_MM[~np.isfinite(kappa_MM)] = np.nan
    errors_MM[~np.isfinite(errors_MM)] = np.nan
    return Agreement(same_MM, kappa_MM, errors_MM)


def class_fixes(
    taxonomy: Taxonomy,
    level: int,
    labels_N: NDArray[np.int64],
    before_N: NDArray[np.int64],
    after_N: NDArray[np.int64],
) -> tuple[ClassFixes, ...]:
    """Classes of a level whose videos the answers `after_N` have right or wrong where `before_N` have not.

    Those whose F1 alone changes, by what other classes lose to them, are there too. What is won most comes first, what
    is lost most last; leaf indices int64 [N] throughout.
    """
    to_level, codes = taxonomy.leaf_to_level(level), taxonomy.level_codes(level)
    true, before, after = to_level[labels_N], to_level[before_N], to_level[after_N]
    was_right, is_right = before == true, after == true
    fixed = np.bincount(true[is_right & ~was_right], minlength=len(codes))
    broken = np.bincount(true[was_right & ~is_right], minlength=len(codes))
    videos = np.bincount(true, minlength=len(codes))
    f1_before, f1_after = (_f1(true, claimed, len(codes)) for claimed in (before, after))
    changed = np.flatnonzero((fixed + broken > 0) | (f1_before != f1_after))
    order = sorted(
        changed.tolist(),
        key=lambda index: (broken[index] - fixed[index], f1_before[index] - f1_after[index], index),
    )
    return tuple(
        ClassFixes(
            codes[index],
            taxonomy.name(codes[index]),
            int(videos[index]),
            int(fixed[index]),
            int(broken[index]),
            float(f1_before[index]),
            float(f1_after[index]),
        )
        for index in order
    )


def _f1(true: NDArray[np.int64], claimed: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    hits = np.bincount(true[true == claimed], minlength=classes)
    sizes = np.bincount(true, minlength=classes) + np.bincount(claimed, minlength=classes)
    f1: NDArray[np.float64] = 2 * hits / np.maximum(sizes, 1)
    return f1
