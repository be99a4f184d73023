"""The frame encoder: uint8 pixels to one embedding a frame.

Shapes: N frames, CHW pixels, V embedding size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel

from engine.data.frames import Preprocess
from engine.errors import DataError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class FrameEncoder(nn.Module):
    """Normalises on the device (a quarter of the bytes travel) and runs a vision backbone.

    The embedding of a frame is the backbone's `pooler_output`.
    """

    def __init__(self, backbone: PreTrainedModel, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.backbone = backbone
        self.pixel_mean: Tensor
        self.pixel_std: Tensor
        self.register_buffer("pixel_mean", torch.tensor(mean).view(-1, 1, 1) * 255, persistent=False)
        self.register_buffer("pixel_std", torch.tensor(std).view(-1, 1, 1) * 255, persistent=False)

    @property
    def frame_size(self) -> int:
        """Size V of a frame embedding."""
        return int(self.backbone.config.hidden_size)

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        """uint8 pixels [N, C, H, W] to embeddings [N, V]."""
        normal_NCHW = (pixels_NCHW.to(self.pixel_mean.dtype) - self.pixel_mean) / self.pixel_std
        embedded_NV: Tensor = self.backbone(pixel_values=normal_NCHW).pooler_output
        return embedded_NV


def load_vision_backbone(name: str) -> PreTrainedModel:
    """The vision part of a model folder or hub name: any that `transformers` loads and that pools.

    Raises:
        DataError: the folder or name holds no such model.
    """
    try:
        model = AutoModel.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise DataError(
            f"vision backbone {name}: cannot be loaded ({str(error).splitlines()[0]}); "
            "name a folder made by save_pretrained, or a hub model"
        ) from error
    vision = getattr(model, "vision_model", model)
    if not hasattr(vision.config, "hidden_size"):
        raise DataError(f"vision backbone {name}: has no hidden_size; choose a ViT-like backbone")
    assert isinstance(vision, PreTrainedModel)
    return vision


def preprocess_of(name: str, backbone: PreTrainedModel, statistics: str) -> Preprocess:
    """How frames are resized, cropped and normalised for a backbone.

    Args:
        name: folder or hub name that the backbone was loaded from.
        statistics: `backbone` for its own pixel mean and deviation, `imagenet` for ImageNet's.
    """
    own = Preprocess.of_backbone(name, int(backbone.config.image_size))
    if statistics == "imagenet":
        return Preprocess(own.resize, own.crop, IMAGENET_MEAN, IMAGENET_STD)
    return own
