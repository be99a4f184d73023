"""Members' validation predictions brought together: the same videos in the same order.

Shapes: M members, N videos, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.predictions import Predictions
from engine.ensemble.members import Member, MemberRun
from engine.ensemble.search import Rescorer
from engine.errors import DataError


@dataclass(frozen=True)
class Aligned:
    """The videos that all members have validation predictions of; their fold, -1 where no member knows it."""

    ids: list[str]
    scorer: Rescorer
    folds_N: NDArray[np.int64]

    @property
    def fold(self) -> int | None:
        """The one fold that they are of."""
        found = np.unique(self.folds_N)
        return int(found[0]) if len(found) == 1 and found[0] >= 0 else None


def written_validation(run: MemberRun) -> Predictions | None:
    """What a run wrote of its validation fold; None where it did not, or where another of its checkpoints did.

    Raises:
        DataError: they are broken.
    """
    folder = run.run_dir / "artifacts" / "predictions-val"
    if not folder.is_dir():
        return None
    predictions = Predictions.open(folder)
    fits = run.checkpoint is None or predictions.meta.get("checkpoint") == run.checkpoint.name
    return predictions if fits and predictions.labels is not None else None


def other_classes(one: str, other: str) -> DataError:
    """The error of members that cannot be averaged."""
    return DataError(
        f"inputs.members: {one} knows other classes than {other}; an ensemble is of models of the same data set"
    )


def aligned(members: Sequence[Member], validation: Sequence[Sequence[Predictions]]) -> Aligned:
    """Members' validation predictions of the same videos in the same order.

    Raises:
        DataError: they have no videos in common, or classify into different classes.
    """
    taxonomy = validation[0][0].taxonomy
    for member, found in zip(members, validation, strict=True):
        if any(one.taxonomy.codes != taxonomy.codes for one in found):
            raise other_classes(member.name, members[0].name)
    places: list[dict[str, tuple[int, int]]] = [
        {video: (part, row) for part, one in enumerate(found) for row, video in enumerate(one.ids)}
        for found in validation
    ]
    ids = [video for video in places[0] if all(video in others for others in places[1:])]
    if not ids:
        folds = "; ".join(
            f"{member.name}: {sorted({str(run.fold) for run in member.runs})}" for member in members
        )
        raise DataError(
            f"inputs.members: no video is in the validation folds of all members ({folds}); give runs of the same folds"
        )
    probabilities_MNC = np.zeros((len(members), len(ids), len(taxonomy.codes)), np.float32)
    for number, (found, place) in enumerate(zip(validation, places, strict=True)):
        at = np.array([place[video] for video in ids])
        for part, one in enumerate(found):
            rows = np.flatnonzero(at[:, 0] == part)
            probabilities_MNC[number, rows] = one.probabilities[at[rows, 1]]
    labels_N, folds_N = _labels_and_folds(validation, places, ids)
    known = np.flatnonzero(labels_N >= 0)
    return Aligned(
        [ids[row] for row in known],
        Rescorer(taxonomy, probabilities_MNC.take(known, axis=1), labels_N[known]),
        folds_N[known],
    )


def _labels_and_folds(
    validation: Sequence[Sequence[Predictions]],
    places: Sequence[dict[str, tuple[int, int]]],
    ids: Sequence[str],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """True leaves [N], and folds [N] as the first member has them that knows of folds."""
    told = [all(isinstance(one.meta.get("fold"), int) for one in found) for found in validation]
    knowing = told.index(True) if any(told) else None
    labels_N, folds_N = np.zeros(len(ids), np.int64), np.full(len(ids), -1)
    for number, video in enumerate(ids):
        part, row = places[0][video]
        labels = validation[0][part].labels
        assert labels is not None
        labels_N[number] = labels[row]
        if knowing is not None:
            folds_N[number] = validation[knowing][places[knowing][video][0]].meta["fold"]
    return labels_N, folds_N
