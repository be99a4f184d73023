"""A model on disk: weights as safetensors, everything needed to use them again in `config.json`."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_model
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    BertConfig,
    BertModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from engine.checksums import require_as_recorded
from engine.data.frames import Preprocess
from engine.data.regular import require_regular_files
from engine.data.taxonomy import Taxonomy
from engine.errors import DataError
from engine.format import brief
from engine.models.pretrained import load_tokenizer
from engine.models.single_stream import Pooling, SingleStreamClassifier
from engine.models.two_stream import TwoStreamClassifier
from engine.models.vision import FrameEncoder

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
_VISION = "vision.backbone."
_MOST = 1 << 16  # of a size, a side or a length that a description may give
_UNUSABLE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    AssertionError,
)


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
            backbone = _backbone(self.vision_config)
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
    shapes = _shapes(folder)
    with _described(folder):
        _refuse_many_layers(asdict(spec), len(shapes))
        with torch.device(
            "meta"
        ):  # nothing of the described size is made before the weights are seen to have it
            skeleton = spec.build()
    _require_fit(skeleton, folder, shapes)
    model = spec.build()
    load_weights(model, folder)
    return model, spec, load_tokenizer("checkpoint", str(folder))


def load_spec(folder: Path) -> ClassifierSpec:
    """The description in a checkpoint folder.

    Raises:
        DataError: there is none, or it is not one of a classifier.
    """
    description = load_description(folder)
    try:
        spec = msgspec.convert(asdict(ClassifierSpec(**description)), ClassifierSpec)
        Taxonomy.from_dict(spec.taxonomy)
        for name in ("frame_size", "max_tokens", "max_frames", "resize", "crop"):  # 0: of stored features
            if not 0 <= getattr(spec, name) <= _MOST:
                raise ValueError(f"{name} is {brief(str(getattr(spec, name)))}")
    except (*_UNUSABLE, DataError) as error:
        raise DataError(
            f"checkpoint {folder}: {CONFIG_FILE} is not of a classifier ({brief(str(error), 200)})"
        ) from error
    return spec


def load_description(folder: Path) -> dict[str, Any]:
    """What `save_checkpoint` was given to describe the model.

    Raises:
        DataError: there is none, or it is not JSON.
    """
    require_regular_files(folder)
    try:
        description = json.loads((folder / CONFIG_FILE).read_text())
        if isinstance(description, dict):
            return description
        raise ValueError("not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"checkpoint {folder}: {CONFIG_FILE} cannot be used ({brief(str(error), 200)})"
        ) from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Weights of a checkpoint by name.

    Raises:
        DataError: the file is missing or broken, or not what the run recorded that wrote it.
    """
    path = folder / WEIGHTS_FILE
    require_regular_files(folder)
    require_as_recorded(folder, WEIGHTS_FILE)
    try:
        return load_file(path)
    except (OSError, SafetensorError, *_UNUSABLE) as error:
        raise _unreadable(folder, error) from error


def load_weights(model: nn.Module, folder: Path) -> None:
    """Load the weights of a checkpoint folder; every one of them must fit.

    Raises:
        DataError: the file is missing or broken, or names or shapes differ.
    """
    weights = read_weights(folder)
    # Tied weights are saved once.
    shared = _tied(model)
    weights |= {key: weights[first] for key, first in shared.items() if first in weights}
    _require_fit(model, folder, {key: tuple(weight.shape) for key, weight in weights.items()})
    model.load_state_dict(weights)


def _require_fit(model: nn.Module, folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    expected = {key: tuple(weight.shape) for key, weight in model.state_dict().items()}
    there = {**shapes, **{key: shapes[first] for key, first in _tied(model).items() if first in shapes}}
    missing = sorted(expected.keys() - there.keys())
    unknown = sorted(there.keys() - expected.keys())
    wrong = sorted(key for key in expected.keys() & there.keys() if expected[key] != there[key])
    if missing or unknown or wrong:
        example = (missing + unknown + wrong)[0]
        raise DataError(
            f"checkpoint {folder}: weights do not fit this model: {len(missing)} missing, {len(unknown)} unknown, "
            f"{len(wrong)} of another shape (such as {brief(example)}); it must be of the same model, features and "
            "classes (a finetune run may name parts in model.init_parts)"
        )


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
    shapes = {
        key.removeprefix(_VISION): shape for key, shape in _shapes(folder).items() if key.startswith(_VISION)
    }
    with _described(folder):
        _refuse_many_layers(given, len(shapes))
        preprocess = msgspec.convert(
            {
                "resize": given["resize"],
                "crop": given["crop"],
                "mean": given["pixel_mean"],
                "std": given["pixel_std"],
            },
            Preprocess,
        )
        if not 0 < preprocess.crop <= preprocess.resize <= _MOST:
            raise ValueError(f"frames of {preprocess.crop} pixels of {preprocess.resize}")
        with torch.device("meta"):
            skeleton = _backbone(given["vision_config"])
    _require_fit(skeleton, folder, shapes)
    backbone = _backbone(given["vision_config"])
    weights = {
        key.removeprefix(_VISION): value
        for key, value in read_weights(folder).items()
        if key.startswith(_VISION)
    }
    backbone.load_state_dict(weights)
    return backbone, preprocess


def _backbone(config: dict[str, Any]) -> PreTrainedModel:
    return AutoModel.from_config(AutoConfig.for_model(**config), trust_remote_code=False)


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of a checkpoint's weights by name, from the file's header.

    Raises:
        DataError: the file is missing or broken.
    """
    try:
        with safe_open(folder / WEIGHTS_FILE, "pt") as file:
            names = file.keys()  # of the file, which is no mapping: it cannot be iterated over
            return {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except (OSError, SafetensorError, *_UNUSABLE) as error:
        raise _unreadable(folder, error) from error


def _unreadable(folder: Path, error: Exception) -> DataError:
    return DataError(f"checkpoint {folder}: {WEIGHTS_FILE} cannot be read ({brief(str(error), 200)})")


@contextmanager
def _described(folder: Path) -> Iterator[None]:
    """What is in the description may be anything: whatever comes of building by it is said of the file."""
    try:
        yield
    except Exception as error:  # which ones, the libraries that build by it do not say
        reason = brief(next(iter(str(error).strip().splitlines()), type(error).__name__), 200)
        raise DataError(f"checkpoint {folder}: {CONFIG_FILE} describes no model ({reason})") from error


def _refuse_many_layers(description: Any, weights: int) -> None:
    """Every layer has a weight at least: a description that tells of more would be built for days."""
    if not isinstance(description, dict):
        return
    for name, value in description.items():
        if (
            isinstance(value, int)
            and ("layer" in str(name) or "depth" in str(name))
            and value > max(weights, 100)
        ):
            raise ValueError(f"{brief(str(name))} is {brief(str(value))}, and there are {weights} weights")
        _refuse_many_layers(value, weights)


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
