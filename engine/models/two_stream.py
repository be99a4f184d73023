"""Two-stream video classifier after LXMERT (Tan & Bansal 2019): text and frames apart, then looking at each other.

Shapes: B videos, T text tokens, F frames, S = 1 + F positions of the video stream, D hidden size, H heads,
K head size, V frame embedding size, C classes, Q queries, M keys.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel
from transformers.models.bert.modeling_bert import BertEncoder

from engine.data.videos import VideoBatch
from engine.models.single_stream import Pooling, frame_embeddings, initialise, masked_mean
from engine.models.vision import FrameEncoder, embed_frames


class Attention(nn.Module):
    """Multi-head attention of one sequence over another, with output projection, residual and LayerNorm."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.query, self.key, self.value = nn.Linear(size, size), nn.Linear(size, size), nn.Linear(size, size)
        self.output = nn.Linear(size, size)
        self.norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.hidden_dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, x_BQD: Tensor, context_BMD: Tensor, mask_BM: Tensor) -> Tensor:
        """`x_BQD` after it has looked at the true positions of the context [B, Q, D]."""
        q_BHQK, k_BHMK, v_BHMK = (
            project(states).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project, states in ((self.query, x_BQD), (self.key, context_BMD), (self.value, context_BMD))
        )
        seen_BHQK = F.scaled_dot_product_attention(
            q_BHQK,
            k_BHMK,
            v_BHMK,
            attn_mask=mask_BM[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
        )
        seen_BQD = self.hidden_dropout(self.output(seen_BHQK.transpose(1, 2).flatten(2)))
        attended_BQD: Tensor = self.norm(seen_BQD + x_BQD)
        return attended_BQD


class FeedForward(nn.Module):
    """BERT's feed-forward block: GELU between two layers, residual and LayerNorm."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.inner = nn.Linear(config.hidden_size, config.intermediate_size)
        self.outer = nn.Linear(config.intermediate_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, x_BQD: Tensor) -> Tensor:
        """[B, Q, D] to [B, Q, D]."""
        out_BQD: Tensor = self.norm(self.dropout(self.outer(F.gelu(self.inner(x_BQD)))) + x_BQD)
        return out_BQD


class CrossLayer(nn.Module):
    """LXMERT's cross-modality layer: each stream looks at the other (one shared attention), then at itself."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.cross = Attention(config)
        self.text_self, self.video_self = Attention(config), Attention(config)
        self.text_forward, self.video_forward = FeedForward(config), FeedForward(config)

    def forward(
        self, text_BTD: Tensor, text_mask_BT: Tensor, video_BSD: Tensor, video_mask_BS: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Both streams after the layer."""
        crossed_BTD = self.cross(text_BTD, video_BSD, video_mask_BS)
        crossed_BSD = self.cross(video_BSD, text_BTD, text_mask_BT)
        text_BTD = self.text_forward(self.text_self(crossed_BTD, crossed_BTD, text_mask_BT))
        video_BSD = self.video_forward(self.video_self(crossed_BSD, crossed_BSD, video_mask_BS))
        return text_BTD, video_BSD


class TwoStreamClassifier(nn.Module):
    """BERT over the text, an encoder over a learned [CLS] and the frames, cross layers, mean of each, classifier.

    Args:
        text: text encoder, whole.
        frame_size: size V of a frame embedding.
        classes: number of leaf classes.
        video_layers: layers over the frames.
        cross_layers: cross-modality layers.
        pooling: means over real positions, or over all of them as the original did.
        vision: backbone that embeds pixels; none where features are given.
    """

    def __init__(
        self,
        text: BertModel,
        *,
        frame_size: int,
        classes: int,
        video_layers: int = 6,
        cross_layers: int = 3,
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
        self.frame_embeddings = frame_embeddings(config)
        self.video_cls = nn.Parameter(torch.empty(config.hidden_size).normal_(std=config.initializer_range))
        video_config = copy.deepcopy(config)
        video_config.num_hidden_layers = video_layers
        video_config._attn_implementation = "sdpa"
        self.video = BertEncoder(video_config)
        self.cross = nn.ModuleList(CrossLayer(config) for _ in range(cross_layers))
        self.classifier = nn.Linear(2 * config.hidden_size, classes)
        for module in (self.frame_projection, self.video, self.cross, self.classifier):
            initialise(module, config)

    @property
    def word_embeddings(self) -> nn.Embedding:
        """The table that adversarial training perturbs."""
        table = self.text.embeddings.word_embeddings
        assert isinstance(table, nn.Embedding)
        return table

    def embed_frames(self, batch: VideoBatch) -> Tensor:
        """Frame embeddings [B, F, V], zero where there is no frame."""
        return embed_frames(self.vision, batch, self.frame_projection.weight, self.frame_size)

    def forward(self, batch: VideoBatch, frames_BFV: Tensor | None = None) -> Tensor:
        """Class logits [B, C] in fp32; `frames_BFV` spares a second pass of the vision backbone."""
        if frames_BFV is None:
            frames_BFV = self.embed_frames(batch)
        text_mask_BT = batch.token_mask_BT
        # Masked by hand as in the single stream: a boolean mask keeps attention on its fused kernels.
        text_BTD = self.text.encoder(
            self.text.embeddings(input_ids=batch.token_ids_BT), attention_mask=text_mask_BT[:, None, None, :]
        ).last_hidden_state
        projected_BFD = self.frame_projection(frames_BFV)
        cls_B1D = self.video_cls.to(projected_BFD.dtype).expand(len(projected_BFD), 1, -1)
        video_BSD = self.frame_embeddings(inputs_embeds=torch.cat([cls_B1D, projected_BFD], dim=1))
        # The learned [CLS] is always there, so a video without frames has a position to look at.
        video_mask_BS = F.pad(batch.frame_mask_BF, (1, 0), value=True)
        video_BSD = self.video(video_BSD, attention_mask=video_mask_BS[:, None, None, :]).last_hidden_state
        for layer in self.cross:
            text_BTD, video_BSD = layer(text_BTD, text_mask_BT, video_BSD, video_mask_BS)
        if self.pooling == "mean_all":
            pooled = (text_BTD.mean(dim=1), video_BSD.mean(dim=1))
        else:
            pooled = (masked_mean(text_BTD, text_mask_BT), masked_mean(video_BSD, video_mask_BS))
        logits_BC: Tensor = self.classifier(torch.cat(pooled, dim=1))
        return logits_BC.float()
