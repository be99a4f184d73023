"""Single-stream video classifier after VisualBERT (Li et al. 2019): text and frames in one encoder.

Shapes: B videos, T text tokens, F frames, L = T + F positions, D hidden size, V frame embedding size,
C classes, N frames of the whole batch without padding, HW pixels.
"""

import copy
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, BertConfig, BertModel
from transformers.models.bert.modeling_bert import BertEmbeddings

from engine.data.videos import VideoBatch
from engine.models.vision import FrameEncoder

Pooling = Literal["masked_mean", "mean_all"]


class SingleStreamClassifier(nn.Module):
    """`[text; frames]` through one BERT encoder, mean over positions, linear classifier.

    Args:
        text: text encoder; its embeddings and its layers are used.
        frame_size: size V of a frame embedding.
        classes: number of leaf classes.
        pooling: mean over real positions, or over all of them as the original did.
        vision: backbone that embeds pixels; none where features are given.
    """

    def __init__(
        self,
        text: BertModel,
        *,
        frame_size: int,
        classes: int,
        pooling: Pooling = "masked_mean",
        vision: FrameEncoder | None = None,
    ) -> None:
        super().__init__()
        config = text.config
        self.text = text
        self.vision = vision
        self.pooling = pooling
        self.frame_size = frame_size
        self.frame_projection = nn.Linear(frame_size, config.hidden_size)
        frame_config = copy.deepcopy(config)
        frame_config.vocab_size = 1
        frame_config.pad_token_id = None
        self.frame_embeddings = BertEmbeddings(frame_config)
        del self.frame_embeddings.word_embeddings
        self.classifier = nn.Linear(config.hidden_size, classes)
        for module in (self.frame_projection, self.classifier, *self.frame_embeddings.children()):
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=config.initializer_range)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    @property
    def word_embeddings(self) -> nn.Embedding:
        """The table that adversarial training perturbs."""
        table = self.text.embeddings.word_embeddings
        assert isinstance(table, nn.Embedding)
        return table

    def embed_frames(self, batch: VideoBatch) -> Tensor:
        """Frame embeddings [B, F, V], zero where there is no frame."""
        if batch.frames_BFV is not None:
            return batch.frames_BFV.to(self.frame_projection.weight.dtype)
        assert self.vision is not None
        assert batch.pixels_NCHW is not None
        frames_BFV = self.frame_projection.weight.new_zeros(*batch.frame_mask_BF.shape, self.frame_size)
        if batch.pixels_NCHW.shape[0] == 0:
            return frames_BFV
        embedded_NV = self.vision(batch.pixels_NCHW)
        return frames_BFV.masked_scatter(batch.frame_mask_BF[..., None], embedded_NV.to(frames_BFV.dtype))

    def forward(self, batch: VideoBatch, frames_BFV: Tensor | None = None) -> Tensor:
        """Class logits [B, C] in fp32; `frames_BFV` spares a second pass of the vision backbone."""
        if frames_BFV is None:
            frames_BFV = self.embed_frames(batch)
        text_BTD = self.text.embeddings(input_ids=batch.token_ids_BT)
        frames_BFD = self.frame_embeddings(inputs_embeds=self.frame_projection(frames_BFV))
        x_BLD = torch.cat([text_BTD, frames_BFD], dim=1)
        mask_BL = torch.cat([batch.token_mask_BT, batch.frame_mask_BF], dim=1)
        # A boolean mask keeps attention on its fused kernels; [CLS] is always there, so no row is empty.
        x_BLD = self.text.encoder(x_BLD, attention_mask=mask_BL[:, None, None, :]).last_hidden_state
        logits_BC: Tensor = self.classifier(self._pool(x_BLD, mask_BL))
        return logits_BC.float()

    def _pool(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        if self.pooling == "mean_all":
            return x_BLD.mean(dim=1)
        weights_BL1 = mask_BL[..., None].to(x_BLD.dtype)
        return (x_BLD * weights_BL1).sum(dim=1) / weights_BL1.sum(dim=1)


def build_single_stream(
    text_config: dict[str, Any],
    vision_config: dict[str, Any] | None,
    *,
    frame_size: int,
    classes: int,
    pooling: Pooling,
    pixel_mean: tuple[float, ...] = (),
    pixel_std: tuple[float, ...] = (),
) -> SingleStreamClassifier:
    """An untrained classifier of the given shapes: what a checkpoint's weights are loaded into."""
    text = BertModel(BertConfig.from_dict(text_config), add_pooling_layer=False)
    vision = None
    if vision_config is not None:
        backbone = AutoModel.from_config(AutoConfig.for_model(**vision_config))
        vision = FrameEncoder(backbone, pixel_mean, pixel_std)
    return SingleStreamClassifier(
        text, frame_size=frame_size, classes=classes, pooling=pooling, vision=vision
    )
