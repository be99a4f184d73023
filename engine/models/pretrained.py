"""Pre-trained parts, from a folder made by `save_pretrained` or a hub name."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from transformers import AutoModel, AutoTokenizer, BertModel, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from engine.data.frames import RESIZE_TO_CROP, Preprocess
from engine.data.regular import require_regular_files
from engine.errors import DataError
from engine.format import brief

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
Loaded = TypeVar("Loaded")

# A run's log is read by people; bars that redraw themselves only fill it.
transformers_logging.disable_progress_bar()


def load_text_encoder(name: str) -> tuple[BertModel, PreTrainedTokenizerBase]:
    """A BERT without pooler, and its tokenizer.

    Raises:
        DataError: the folder or name holds no BERT model and tokenizer.
    """
    model = _loaded("text encoder", name, lambda: BertModel.from_pretrained(name, add_pooling_layer=False))
    return model, load_tokenizer("text encoder", name)


def load_tokenizer(part: str, name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder or hub name; none that comes with code of its own.

    Raises:
        DataError: there is none; `part` opens the message.
    """
    return _loaded(part, name, lambda: AutoTokenizer.from_pretrained(name, trust_remote_code=False))


def load_vision_backbone(name: str) -> PreTrainedModel:
    """The vision part of any model that `transformers` loads and that pools.

    Raises:
        DataError: the folder or name holds no such model.
    """
    model = _loaded("vision backbone", name, lambda: AutoModel.from_pretrained(name, trust_remote_code=False))
    vision: PreTrainedModel = getattr(model, "vision_model", model)
    if not hasattr(vision.config, "hidden_size") or not hasattr(vision.config, "image_size"):
        raise DataError(
            f"vision backbone {name}: has no hidden_size and image_size; choose a ViT-like backbone"
        )
    return vision


def preprocess_of(name: str, backbone: PreTrainedModel, statistics: str) -> Preprocess:
    """How frames are resized, cropped and normalised for a backbone.

    Args:
        name: folder or hub name that the backbone was loaded from.
        statistics: `backbone` for its own settings, `imagenet` for the original's: ImageNet's pixel mean and deviation,
            224 pixels out of a short side of 256.
    """
    image_size = int(backbone.config.image_size)
    if statistics == "imagenet":
        return Preprocess(round(image_size * RESIZE_TO_CROP), image_size, IMAGENET_MEAN, IMAGENET_STD)
    return Preprocess.of_backbone(name, image_size)


def _loaded(part: str, name: str, load: Callable[[], Loaded]) -> Loaded:
    require_regular_files(Path(name))
    try:
        return load()
    except (
        Exception
    ) as error:  # what a stranger's files make of it is not foreseen; tokenizers raises bare ones
        reason = brief(next(iter(str(error).strip().splitlines()), type(error).__name__), 300)
        raise DataError(
            f"{part} {name}: cannot be loaded ({reason}); name a folder made by save_pretrained, or a hub model"
        ) from error
