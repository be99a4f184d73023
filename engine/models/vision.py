"""The frame encoder: uint8 pixels to one embedding a frame.

Shapes: B videos, F frames, N frames of the whole batch without padding, CHW pixels, V embedding size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from engine.data.videos import VideoBatch
from engine.errors import ConfigError


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

    def train_last_layers(self, layers: int) -> None:
        """Freeze all but the last `layers` layers and what comes after them.

        Raises:
            ConfigError: the backbone's layers cannot be found, or are fewer.
        """
        stacks = [module for module in self.backbone.modules() if isinstance(module, nn.ModuleList)]
        stack = max(stacks, key=len, default=None)
        if stack is None or len(stack) < layers:
            raise ConfigError(
                f"model.trainable_vision_layers: {layers} is more than the backbone's "
                f"{0 if stack is None else len(stack)} layers; lower it or leave it empty"
            )
        last = {id(weight) for layer in list(stack)[len(stack) - layers :] for weight in layer.parameters()}
        inside = {id(weight) for weight in stack.parameters()}
        after = False
        for weight in self.backbone.parameters():
            after = after or id(weight) in inside
            weight.requires_grad_(layers > 0 and (id(weight) in last or (after and id(weight) not in inside)))


def embed_frames(vision: FrameEncoder | None, batch: VideoBatch, like: Tensor, frame_size: int) -> Tensor:
    """Frame embeddings of a batch [B, F, V], given or made from its pixels, zero where there is no frame.

    Args:
        like: a tensor of the type and device that is wanted.
    """
    if batch.frames_BFV is not None:
        return batch.frames_BFV.to(like.dtype)
    assert vision is not None
    assert batch.pixels_NCHW is not None
    frames_BFV = like.new_zeros(*batch.frame_mask_BF.shape, frame_size)
    if batch.pixels_NCHW.shape[0] == 0:
        return frames_BFV
    embedded_NV = vision(batch.pixels_NCHW)
    # The true positions in row order. How many there are is known on the host: no step waits for the device to say.
    places_N = torch.argsort(~batch.frame_mask_BF.flatten(), stable=True)[: len(embedded_NV)]
    placed = frames_BFV.flatten(0, 1).index_copy(0, places_N, embedded_NV.to(frames_BFV.dtype))
    return placed.view_as(frames_BFV)
