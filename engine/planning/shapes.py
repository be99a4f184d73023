"""Sizes of text encoders and vision backbones, read from `config.json` without loading anything."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.workspace import Workspace

# What CLIPVisionConfig has where a file says nothing.
_CLIP = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "image_size": 224,
    "patch_size": 32,
    "num_channels": 3,
}
_KNOWN: dict[str, dict[str, Any]] = {
    "hfl/chinese-macbert-base": {
        "model_type": "bert",
        "vocab_size": 21128,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
    },
    "openai/clip-vit-base-patch32": {"model_type": "clip_vision_model"} | _CLIP,
}


class UnknownModelError(Exception):
    """A model whose size cannot be told from here; the message is for a person."""


@dataclass(frozen=True)
class TextShape:
    """A BERT encoder without pooler."""

    vocabulary: int
    hidden: int
    layers: int
    inner: int
    positions: int
    types: int

    @property
    def layer_parameters(self) -> int:
        """Attention and feed-forward block, each with its LayerNorm."""
        return attention_parameters(self.hidden) + feed_forward_parameters(self.hidden, self.inner)

    @property
    def embedding_parameters(self) -> int:
        """Tables of words, positions and types, and a LayerNorm."""
        return self.vocabulary * self.hidden + self.frame_embedding_parameters

    @property
    def frame_embedding_parameters(self) -> int:
        """The frames' own embeddings: as those of text, without words."""
        return (self.positions + self.types) * self.hidden + 2 * self.hidden

    @property
    def parameters(self) -> int:
        """All of the encoder."""
        return self.embedding_parameters + self.layers * self.layer_parameters


@dataclass(frozen=True)
class VisionShape:
    """A CLIP vision tower without projection."""

    hidden: int
    layers: int
    inner: int
    image: int
    patch: int
    channels: int

    @property
    def tokens(self) -> int:
        """Positions of a frame: its patches and the class token."""
        return (self.image // self.patch) ** 2 + 1

    @property
    def patch_parameters(self) -> int:
        """The convolution that makes patches into tokens; it has no bias."""
        return self.channels * self.patch**2 * self.hidden

    @property
    def layer_parameters(self) -> int:
        """Attention and feed-forward block, each after a LayerNorm."""
        return attention_parameters(self.hidden) + feed_forward_parameters(self.hidden, self.inner)

    @property
    def parameters(self) -> int:
        """Class token, patches, positions, layers, and the LayerNorms before and after them."""
        return (
            self.hidden
            + self.patch_parameters
            + self.tokens * self.hidden
            + self.layers * self.layer_parameters
            + 4 * self.hidden
        )

    def trained_parameters(self, last_layers: int | None) -> int:
        """Those of the last layers and of the LayerNorm after them; all where `last_layers` is None."""
        if last_layers is None:
            return self.parameters
        return last_layers * self.layer_parameters + 2 * self.hidden if last_layers else 0


def attention_parameters(hidden: int) -> int:
    """Query, key, value, output and a LayerNorm."""
    return 4 * (hidden * hidden + hidden) + 2 * hidden


def feed_forward_parameters(hidden: int, inner: int) -> int:
    """Two linear layers and a LayerNorm."""
    return 2 * hidden * inner + inner + hidden + 2 * hidden


def text_shape(workspace: Workspace, name: str) -> TextShape:
    """Sizes of the text encoder of this name.

    Raises:
        UnknownModelError: it is nowhere here, or no BERT.
    """
    config = model_config(workspace, name)
    if config.get("model_type") != "bert":
        raise UnknownModelError(f"{name} is no BERT")
    try:
        return TextShape(
            vocabulary=int(config["vocab_size"]),
            hidden=int(config["hidden_size"]),
            layers=int(config["num_hidden_layers"]),
            inner=int(config["intermediate_size"]),
            positions=int(config.get("max_position_embeddings", 512)),
            types=int(config.get("type_vocab_size", 2)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnknownModelError(f"{name}: its config.json has no usable {error}") from None


def vision_shape(workspace: Workspace, name: str) -> VisionShape:
    """Sizes of the vision backbone of this name; of a CLIP with both towers, the vision tower's.

    Raises:
        UnknownModelError: it is nowhere here, or no CLIP.
    """
    config = model_config(workspace, name)
    if config.get("model_type") not in ("clip", "clip_vision_model"):
        raise UnknownModelError(f"{name} is no CLIP")
    given = {key: value for key, value in config.get("vision_config", config).items() if value is not None}
    try:
        sizes = {key: int(given.get(key, usual)) for key, usual in _CLIP.items()}
    except (TypeError, ValueError) as error:
        raise UnknownModelError(f"{name}: its config.json has no usable sizes ({error})") from None
    return VisionShape(
        hidden=sizes["hidden_size"],
        layers=sizes["num_hidden_layers"],
        inner=sizes["intermediate_size"],
        image=sizes["image_size"],
        patch=sizes["patch_size"],
        channels=sizes["num_channels"],
    )


def model_config(workspace: Workspace, name: str) -> Mapping[str, Any]:
    """`config.json` of a local folder, of the hub's cache on this disk, or as known by heart.

    Raises:
        UnknownModelError: it is in none of these.
    """
    for folder in (workspace.resolve(name), *_cached(name)):
        try:
            return read_json(folder / "config.json")
        except (OSError, ValueError):
            continue
    if name in _KNOWN:
        return _KNOWN[name]
    raise UnknownModelError(f"unknown model {name}")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        OSError, ValueError: there is none.
    """
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise ValueError("not an object")
    return data


def _cached(name: str) -> list[Path]:
    """Snapshots of a hub model that an earlier run left on this disk, the newest first."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    folder = hub / f"models--{name.replace('/', '--')}" / "snapshots"
    try:
        return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return []
