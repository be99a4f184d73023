"""Predictions on disk: class probabilities of videos by id, and their true classes where these are known.

Shapes: N videos, C classes.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import open_array
from engine.data.columns import building
from engine.data.regular import raise_starved, require_regular_files
from engine.data.taxonomy import Taxonomy
from engine.errors import DataError
from engine.format import brief
from engine.metrics import confusion

_PROBABILITIES = "probabilities.npy"
_LABELS = "labels.npy"
_ROWS = 1 << 14  # looked at together


@dataclass(frozen=True)
class Predictions:
    """Probabilities float16 [N, C], memory-mapped; `labels` are leaf indices int64 [N], -1 where unknown."""

    folder: Path
    ids: list[str]
    probabilities: NDArray[np.float16]
    taxonomy: Taxonomy
    labels: NDArray[np.int64] | None
    meta: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Predictions":
        """Open what `write_predictions` wrote.

        Raises:
            DataError: something is missing, broken, NaN, or does not fit together.
        """
        require_regular_files(folder)
        try:
            ids = json.loads((folder / "ids.json").read_text(encoding="utf-8"))
            taxonomy = Taxonomy.from_dict(json.loads((folder / "taxonomy.json").read_text(encoding="utf-8")))
            probabilities = open_array(folder / _PROBABILITIES, "f", 2)
            labels = open_array(folder / _LABELS, "i", 1) if (folder / _LABELS).exists() else None
            meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            missing = Path(error.filename or "").name
            raise DataError(f"{folder}: no predictions ({missing} is missing); run predict again") from error
        except (OSError, ValueError, KeyError, TypeError, RecursionError, DataError) as error:
            raise_starved(error)
            raise DataError(
                f"{folder}: predictions cannot be read ({brief(str(error), 200)}); run predict again"
            ) from error
        named = isinstance(ids, list) and all(isinstance(video, str) for video in ids)
        if not named or not isinstance(meta, dict):
            raise DataError(f"{folder}: ids or meta of predictions are of another kind; run predict again")
        classes = len(taxonomy.codes)
        fits = probabilities.shape == (len(ids), classes)
        if labels is not None:
            fits = fits and len(labels) == len(ids) and not ((labels < -1) | (labels >= classes)).any()
        if not fits:
            raise DataError(f"{folder}: files of predictions do not fit together; run predict again")
        if not all(np.isfinite(probabilities[row : row + _ROWS]).all() for row in range(0, len(ids), _ROWS)):
            raise DataError(f"{folder}: probabilities hold NaN or infinity; run predict again")
        return cls(folder, ids, probabilities, taxonomy, labels, meta)


def write_predictions(
    folder: Path,
    ids: Sequence[str],
    probabilities_NC: NDArray[np.floating[Any]],
    taxonomy: Taxonomy,
    labels: NDArray[np.int64] | None = None,
    **meta: str | int | float | None,
) -> None:
    """Write predictions into `folder`, which is complete or not there.

    It takes the place of what was there. Where `labels` are given, `confusion.json` has the number of videos by level,
    true and predicted class.
    """
    with building(folder) as partial:
        np.save(partial / _PROBABILITIES, np.asarray(probabilities_NC).astype(np.float16))
        _write_json(partial / "ids.json", list(ids))
        _write_json(partial / "taxonomy.json", taxonomy.to_dict())
        _write_json(partial / "meta.json", meta)
        if labels is not None:
            np.save(partial / _LABELS, labels)
            known = labels >= 0
            predicted = np.asarray(probabilities_NC).argmax(axis=1)
            _write_json(partial / "confusion.json", confusion(taxonomy, labels[known], predicted[known]))
        shutil.rmtree(folder, ignore_errors=True)


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
