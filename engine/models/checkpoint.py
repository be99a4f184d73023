"""A model on disk: weights as safetensors, everything needed to use them again in `config.json`."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from safetensors import SafetensorError
from safetensors.torch import load_file, save_model
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from engine.data.frames import Preprocess
from engine.data.taxonomy import Taxonomy
from engine.data.videos import VideoBatch
from engine.errors import DataError
from engine.models.single_stream import Pooling, SingleStreamClassifier
from engine.models.two_stream import TwoStreamClassifier
from engine.models.vision import FrameEncoder

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
_VISION = "vision.backbone."


class VideoClassifier(Protocol):
    """What both model families offer to training."""

    vision: FrameEncoder | None

    @property
    def word_embeddings(self) -> nn.Embedding:
        """The table that adversarial training perturbs."""

    def embed_frames(self, batch: VideoBatch) -> Tensor:
        """Frame embeddings [B, F, V]."""

    def __call__(self, batch: VideoBatch, frames_BFV: Tensor | None = None) -> Tensor:
        """Class logits [B, C]."""


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
    video_layers: int = 6
    cross_layers: int = 3

    def build(self) -> SingleStreamClassifier | TwoStreamClassifier:
        """An untrained classifier of this description."""
        text = BertModel(BertConfig.from_dict(self.text_config), add_pooling_layer=False)
        vision = None
        if self.vision_config is not None:
            backbone = AutoModel.from_config(AutoConfig.for_model(**self.vision_config))
            vision = FrameEncoder(backbone, self.pixel_mean, self.pixel_std)
        return self.assemble(text, vision)

    def assemble(
        self, text: BertModel, vision: FrameEncoder | None
    ) -> SingleStreamClassifier | TwoStreamClassifier:
        """A classifier of this description around a text encoder and a vision backbone."""
        classes = len(Taxonomy.from_dict(self.taxonomy).codes)
        if self.kind == "two_stream":
            return TwoStreamClassifier(
                text,
                frame_size=self.frame_size,
                classes=classes,
                video_layers=self.video_layers,
                cross_layers=self.cross_layers,
                pooling=self.pooling,
                vision=vision,
            )
        return SingleStreamClassifier(
            text, frame_size=self.frame_size, classes=classes, pooling=self.pooling, vision=vision
        )


def save_checkpoint(
    folder: Path, model: nn.Module, description: dict[str, Any], tokenizer: PreTrainedTokenizerBase
) -> None:
    """Write weights, description (JSON) and tokenizer into an existing folder."""
    save_model(model, str(folder / WEIGHTS_FILE))
    (folder / CONFIG_FILE).write_text(json.dumps(description, ensure_ascii=False, indent=1))
    tokenizer.save_pretrained(folder)


def save_classifier(
    folder: Path, model: nn.Module, spec: ClassifierSpec, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Write a classifier into an existing folder."""
    save_checkpoint(folder, model, asdict(spec), tokenizer)


def load_classifier(
    folder: Path,
) -> tuple[SingleStreamClassifier | TwoStreamClassifier, ClassifierSpec, PreTrainedTokenizerBase]:
    """The classifier, its description and its tokenizer, from a checkpoint folder.

    Raises:
        DataError: the folder is not a complete checkpoint of a classifier.
    """
    spec = load_spec(folder)
    model = spec.build()
    load_weights(model, folder)
    return model, spec, AutoTokenizer.from_pretrained(folder)


def load_spec(folder: Path) -> ClassifierSpec:
    """The description in a checkpoint folder.

    Raises:
        DataError: there is none, or it is not one of a classifier.
    """
    description = load_description(folder)
    try:
        return ClassifierSpec(**description)
    except TypeError as error:
        raise DataError(f"checkpoint {folder}: is not of a classifier ({error})") from error


def load_description(folder: Path) -> dict[str, Any]:
    """What `save_checkpoint` was given to describe the model.

    Raises:
        DataError: there is none, or it is not JSON.
    """
    try:
        description = json.loads((folder / CONFIG_FILE).read_text())
        if isinstance(description, dict):
            return description
        raise ValueError("not an object")
    except (OSError, ValueError) as error:
        raise DataError(f"checkpoint {folder}: {CONFIG_FILE} cannot be used ({error})") from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Weights of a checkpoint by name.

    Raises:
        DataError: the file is missing or broken.
    """
    path = folder / WEIGHTS_FILE
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"checkpoint {folder}: {WEIGHTS_FILE} cannot be read ({error})") from error


def load_weights(model: nn.Module, folder: Path) -> None:
    """Load the weights of a checkpoint folder; every one of them must fit.

    Raises:
        DataError: the file is missing or broken, or names or shapes differ.
    """
    weights = read_weights(folder)
    expected = model.state_dict()
    # Tied weights are saved once.
    shared = _tied(model)
    weights |= {key: weights[first] for key, first in shared.items() if first in weights}
    missing = sorted(expected.keys() - weights.keys())
    unknown = sorted(weights.keys() - expected.keys())
    wrong = sorted(
        key for key in expected.keys() & weights.keys() if expected[key].shape != weights[key].shape
    )
    if missing or unknown or wrong:
        example = (missing + unknown + wrong)[0]
        raise DataError(
            f"checkpoint {folder}: weights do not fit this model: {len(missing)} missing, {len(unknown)} unknown, "
            f"{len(wrong)} of another shape (such as {example}); it must be of the same model, features and classes "
            "(a finetune run may name parts in model.init_parts)"
        )
    model.load_state_dict(weights)


def load_vision_tower(folder: Path) -> tuple[PreTrainedModel, Preprocess]:
    """The vision backbone that a checkpoint holds, and how its frames are prepared.

    Raises:
        DataError: the checkpoint holds none, or is broken.
    """
    description = load_description(folder)
    known = {field.name for field in fields(Preprocess)} | {"pixel_mean", "pixel_std", "vision_config"}
    given = {key: value for key, value in description.items() if key in known}
    if not given.get("vision_config") or len(given) < 5:
        raise DataError(
            f"checkpoint {folder}: holds no vision tower; name a contrast run, or one trained on frames"
        )
    backbone = AutoModel.from_config(AutoConfig.for_model(**given["vision_config"]))
    weights = {
        key.removeprefix(_VISION): value
        for key, value in read_weights(folder).items()
        if key.startswith(_VISION)
    }
    try:
        backbone.load_state_dict(weights)
    except RuntimeError as error:
        raise DataError(
            f"checkpoint {folder}: its vision tower cannot be loaded ({str(error).splitlines()[0]})"
        ) from error
    return backbone, Preprocess(
        given["resize"], given["crop"], tuple(given["pixel_mean"]), tuple(given["pixel_std"])
    )


def _tied(model: nn.Module) -> dict[str, str]:
    """Names of weights that are the same tensor as one before them, which safetensors saves once."""
    first: dict[int, str] = {}
    tied: dict[str, str] = {}
    for name, weight in sorted(model.named_parameters(remove_duplicate=False)):
        seen = first.setdefault(id(weight), name)
        if seen != name:
            tied[name] = seen
            tied[seen] = name
    return tied
