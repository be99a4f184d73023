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

from engine.data.columns import building
from engine.data.taxonomy import Taxonomy
from engine.errors import DataError
from engine.metrics import confusion

_PROBABILITIES = "probabilities.npy"
_LABELS = "labels.npy"


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
            DataError: something is missing, broken, or does not fit together.
        """
        try:
            ids = json.loads((folder / "ids.json").read_text(encoding="utf-8"))
            taxonomy = Taxonomy.from_dict(json.loads((folder / "taxonomy.json").read_text(encoding="utf-8")))
            probabilities = np.load(folder / _PROBABILITIES, mmap_mode="r" if ids else None)
            labels = np.load(folder / _LABELS) if (folder / _LABELS).exists() else None
            meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            missing = Path(error.filename or "").name
            raise DataError(f"{folder}: no predictions ({missing} is missing); run predict again") from error
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{folder}: predictions cannot be read ({error}); run predict again") from error
        fits = probabilities.shape == (len(ids), len(taxonomy.codes))
        if not fits or (labels is not None and len(labels) != len(ids)):
            raise DataError(f"{folder}: files of predictions do not fit together; run predict again")
        return cls(folder, ids, np.asarray(probabilities), taxonomy, labels, meta)


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
