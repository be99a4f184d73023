"""A classifier on disk: weights as safetensors, everything needed to use them again in `config.json`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_model
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from engine.data.taxonomy import Taxonomy
from engine.errors import DataError
from engine.models.single_stream import Pooling, SingleStreamClassifier, build_single_stream

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"


@dataclass(frozen=True)
class ClassifierSpec:
    """What a classifier is, apart from its weights: shapes, classes, and how its inputs are made."""

    kind: str
    text_config: dict[str, Any]
    vision_config: dict[str, Any] | None
    frame_size: int
    pooling: Pooling
    taxonomy: dict[str, Any]
    max_tokens: int
    max_frames: int
    resize: int
    crop: int
    pixel_mean: tuple[float, ...]
    pixel_std: tuple[float, ...]

    def build(self) -> SingleStreamClassifier:
        """An untrained classifier of this description."""
        return build_single_stream(
            self.text_config,
            self.vision_config,
            frame_size=self.frame_size,
            classes=len(Taxonomy.from_dict(self.taxonomy).codes),
            pooling=self.pooling,
            pixel_mean=self.pixel_mean,
            pixel_std=self.pixel_std,
        )


def save_classifier(
    folder: Path, model: SingleStreamClassifier, spec: ClassifierSpec, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Write weights, description and tokenizer into an existing folder."""
    save_model(model, str(folder / WEIGHTS_FILE))
    (folder / CONFIG_FILE).write_text(json.dumps(asdict(spec), ensure_ascii=False, indent=1))
    tokenizer.save_pretrained(folder)


def load_classifier(
    folder: Path,
) -> tuple[SingleStreamClassifier, ClassifierSpec, PreTrainedTokenizerBase]:
    """The classifier, its description and its tokenizer, from a checkpoint folder.

    Raises:
        DataError: the folder is not a complete checkpoint of this program.
    """
    spec = load_spec(folder)
    model = spec.build()
    load_weights(model, folder)
    return model, spec, AutoTokenizer.from_pretrained(folder)


def load_spec(folder: Path) -> ClassifierSpec:
    """The description in a checkpoint folder.

    Raises:
        DataError: there is none, or it is not one.
    """
    path = folder / CONFIG_FILE
    try:
        return ClassifierSpec(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"checkpoint {folder}: {CONFIG_FILE} cannot be used ({error})") from error


def load_weights(model: SingleStreamClassifier, folder: Path) -> None:
    """Load the weights of a checkpoint folder; every one of them must fit.

    Raises:
        DataError: the file is missing or broken, or names or shapes differ.
    """
    path = folder / WEIGHTS_FILE
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"checkpoint {folder}: {WEIGHTS_FILE} cannot be read ({error})") from error
    expected = model.state_dict()
    missing = sorted(expected.keys() - weights.keys())
    unknown = sorted(weights.keys() - expected.keys())
    wrong = sorted(
        key for key in expected.keys() & weights.keys() if expected[key].shape != weights[key].shape
    )
    if missing or unknown or wrong:
        example = (missing + unknown + wrong)[0]
        raise DataError(
            f"checkpoint {folder}: weights do not fit this model: {len(missing)} missing, {len(unknown)} unknown, "
            f"{len(wrong)} of another shape (such as {example}); it must be of the same model, features and classes"
        )
    model.load_state_dict(weights)
