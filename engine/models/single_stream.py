"""Single-stream video models after VisualBERT (Li et al. 2019): text and frames in one encoder.

Shapes: B videos, T text tokens, F frames, L = T + F positions, D hidden size, V frame embedding size,
C classes, N frames of the whole batch without padding, HW pixels.
"""

import copy
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel
from transformers.models.bert.modeling_bert import BertEmbeddings

from engine.data.videos import VideoBatch
from engine.models.vision import FrameEncoder, embed_frames

Pooling = Literal["masked_mean", "mean_all"]


class SingleStreamEncoder(nn.Module):
    """Text ids and frame embeddings through one BERT encoder; frames have embeddings of their own.

    Args:
        text: text encoder; its embeddings and its layers are used.
        frame_size: size V of a frame embedding.
    """

    def __init__(self, text: BertModel, *, frame_size: int) -> None:
        super().__init__()
        self.text = text
        self.frame_size = frame_size
        self.frame_projection = nn.Linear(frame_size, text.config.hidden_size)
        self.frame_embeddings = frame_embeddings(text.config)
        initialise(self.frame_projection, text.config)

    @property
    def word_embeddings(self) -> nn.Embedding:
        """The table that adversarial training perturbs."""
        table = self.text.embeddings.word_embeddings
        assert isinstance(table, nn.Embedding)
        return table

    def encode(
        self,
        token_ids_BT: Tensor,
        token_mask_BT: Tensor,
        frames_BFV: Tensor,
        frame_mask_BF: Tensor,
        longest: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """States of `[text; frames]` [B, L, D] and the mask of real positions [B, L]; F may be 0.

        With `longest`, the most real positions of a row, these move to the front and L is that: no position is computed
        that is padding between a text and its frames.
        """
        text_BTD = self.text.embeddings(input_ids=token_ids_BT)
        frames_BFD = self.frame_embeddings(inputs_embeds=self.frame_projection(frames_BFV))
        x_BLD = torch.cat([text_BTD, frames_BFD], dim=1)
        mask_BL = torch.cat([token_mask_BT, frame_mask_BF], dim=1)
        if longest is not None:
            # Where a position stands was told by its embedding, so that the order is free from here on.
            order_BL = torch.argsort(~mask_BL, dim=1, stable=True)[:, :longest]
            mask_BL = mask_BL.gather(1, order_BL)
            x_BLD = x_BLD.gather(1, order_BL[..., None].expand(-1, -1, x_BLD.shape[2]))
        # A boolean mask keeps attention on its fused kernels; [CLS] is always there, so no row is empty.
        states_BLD: Tensor = self.text.encoder(
            x_BLD, attention_mask=mask_BL[:, None, None, :]
        ).last_hidden_state
        return states_BLD, mask_BL


class SingleStreamClassifier(SingleStreamEncoder):
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
        super().__init__(text, frame_size=frame_size)
        self.vision = vision
        self.pooling = pooling
        self.classifier = nn.Linear(text.config.hidden_size, classes)
        initialise(self.classifier, text.config)

    def embed_frames(self, batch: VideoBatch) -> Tensor:
        """Frame embeddings [B, F, V], zero where there is no frame."""
        return embed_frames(self.vision, batch, self.frame_projection.weight, self.frame_size)

    def forward(self, batch: VideoBatch, frames_BFV: Tensor | None = None) -> Tensor:
        """Class logits [B, C] in fp32; `frames_BFV` spares a second pass of the vision backbone."""
        if frames_BFV is None:
            frames_BFV = self.embed_frames(batch)
        over_padding = self.pooling == "mean_all"
        x_BLD, mask_BL = self.encode(
            batch.token_ids_BT,
            batch.token_mask_BT,
            frames_BFV,
            batch.frame_mask_BF,
            None if over_padding else batch.longest,
        )
        pooled_BD = x_BLD.mean(dim=1) if over_padding else masked_mean(x_BLD, mask_BL)
        logits_BC: Tensor = self.classifier(pooled_BD)
        return logits_BC.float()


def masked_mean(x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    """Mean over the true positions [B, D]; zero where there is none."""
    weights_BL1 = mask_BL[..., None].to(x_BLD.dtype)
    return (x_BLD * weights_BL1).sum(dim=1) / weights_BL1.sum(dim=1).clamp(min=1)


def frame_embeddings(config: BertConfig) -> BertEmbeddings:
    """BERT embeddings for frames: position, type and LayerNorm of their own, no word table."""
    own = copy.deepcopy(config)
    own.vocab_size = 1
    own.pad_token_id = None
    embeddings = BertEmbeddings(own)
    del embeddings.word_embeddings
    initialise(embeddings, config)
    return embeddings


def initialise(module: nn.Module, config: BertConfig) -> None:
    """Give new linear layers and tables BERT's first weights."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=config.initializer_range)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)
