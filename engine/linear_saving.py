"""The linear baseline on disk: its terms in `config.json`, plain arrays in `model.npz`; nothing is unpickled."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import read_arrays
from engine.data.regular import require_regular_files
from engine.errors import DataError
from engine.format import brief
from engine.linear_baseline import Encoder, Linear, TextClassifier, Vocabulary

_CONFIG, _ARRAYS = "config.json", "model.npz"


def save_text_classifier(classifier: TextClassifier, folder: Path) -> None:
    """Write it as JSON and plain arrays."""
    folder.mkdir(parents=True, exist_ok=True)
    description = {
        "temperature": classifier.temperature,
        "frame_weight": classifier.encoder.frame_weight,
        "vocabularies": [asdict(vocabulary) for vocabulary in classifier.vocabularies],
    }
    (folder / _CONFIG).write_text(json.dumps(description, ensure_ascii=False), encoding="utf-8")
    arrays: dict[str, NDArray[Any]] = {
        "weights": classifier.linear.weights_KC,
        "bias": classifier.linear.bias_C,
        "classes": classifier.linear.classes,
    }
    arrays |= {f"idf_{number}": idf for number, idf in enumerate(classifier.encoder.idf)}
    if classifier.encoder.frame_mean is not None and classifier.encoder.frame_deviation is not None:
        arrays |= {
            "frame_mean": classifier.encoder.frame_mean,
            "frame_deviation": classifier.encoder.frame_deviation,
        }
    np.savez(folder / _ARRAYS, allow_pickle=False, **arrays)


def load_text_classifier(folder: Path) -> TextClassifier:
    """What `save_text_classifier` wrote.

    Raises:
        DataError: something is missing, broken, or does not fit together.
    """
    require_regular_files(folder)
    try:
        told = msgspec.json.decode((folder / _CONFIG).read_bytes(), type=_Description)
        arrays = read_arrays(folder / _ARRAYS)
        classifier = TextClassifier(
            told.vocabularies, _encoder(told, arrays), _linear(arrays), told.temperature
        )
        _require_fit(classifier)
    except (OSError, ValueError, KeyError, RecursionError) as error:
        reason = brief(str(error), 200)
        raise DataError(f"{folder}: baseline model cannot be used ({reason}); fit it again") from error
    return classifier


def _require_fit(classifier: TextClassifier) -> None:
    """Refuse parts of different sizes, and values that are no numbers.

    Raises:
        ValueError: they do not fit together.
    """
    encoder, linear = classifier.encoder, classifier.linear
    frames = 0 if encoder.frame_mean is None else len(encoder.frame_mean)
    wanted = (sum(map(len, encoder.idf)) + frames, len(linear.classes))
    if linear.weights_KC.shape != wanted or linear.bias_C.shape != wanted[1:]:
        raise ValueError(f"weights of shape {linear.weights_KC.shape} where {wanted} is described")
    for vocabulary, idf in zip(classifier.vocabularies, encoder.idf, strict=True):
        if len(vocabulary.terms) != len(idf) or len(set(vocabulary.terms)) != len(idf):
            raise ValueError(f"{len(vocabulary.terms)} terms with {len(idf)} frequencies")
    if (linear.classes < 0).any() or (np.diff(linear.classes) <= 0).any():
        raise ValueError("classes are not in order")
    numbers: list[NDArray[Any]] = [linear.weights_KC, linear.bias_C, *encoder.idf]
    numbers += [part for part in (encoder.frame_mean, encoder.frame_deviation) if part is not None]
    if not all(np.isfinite(part).all() for part in numbers):
        raise ValueError("values that are NaN or infinite")


class _Description(msgspec.Struct):
    """`config.json` of a saved classifier."""

    temperature: Annotated[float, msgspec.Meta(gt=0, le=1e6)]
    frame_weight: Annotated[float, msgspec.Meta(ge=0, le=1e6)]
    vocabularies: list[Vocabulary]


def _encoder(told: _Description, arrays: Mapping[str, NDArray[Any]]) -> Encoder:
    kinds = range(len(told.vocabularies))
    mean, deviation = arrays.get("frame_mean"), arrays.get("frame_deviation")
    if (mean is None) != (deviation is None):
        raise ValueError("only one of frame_mean and frame_deviation is there")
    if mean is not None and deviation is not None:
        mean, deviation = _flat(arrays, "frame_mean", "f"), _flat(arrays, "frame_deviation", "f")
        if mean.shape != deviation.shape:
            raise ValueError("frame_mean and frame_deviation have different sizes")
    return Encoder(
        [np.arange(len(one.terms)) for one in told.vocabularies],
        [_flat(arrays, f"idf_{number}", "f") for number in kinds],
        mean,
        deviation,
        told.frame_weight,
    )


def _linear(arrays: Mapping[str, NDArray[Any]]) -> Linear:
    if arrays["weights"].dtype.kind != "f":
        raise ValueError("weights are no numbers")
    return Linear(_flat(arrays, "classes", "i"), arrays["weights"], _flat(arrays, "bias", "f"))


def _flat(arrays: Mapping[str, NDArray[Any]], name: str, kind: str) -> NDArray[Any]:
    array = arrays[name]
    if array.ndim != 1 or array.dtype.kind != kind:
        raise ValueError(f"{name}: {array.dtype} of shape {array.shape}")
    return array
