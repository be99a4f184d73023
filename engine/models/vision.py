"""The frame encoder: uint8 pixels to one embedding a frame.

Shapes: N frames, CHW pixels, V embedding size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel


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
