"""Two towers that learn from one another: titles through BERT, frames through a vision backbone.

Shapes: B videos, T title tokens, F frames, D hidden size of the text tower, V of the vision tower, E = min(D, V)
embedding size.
"""

from torch import Tensor, nn
from transformers import BertModel

from engine.data.videos import VideoBatch
from engine.models.contrastive import LogitScale, symmetric_contrast
from engine.models.single_stream import initialise, masked_mean
from engine.models.vision import FrameEncoder, embed_frames
from engine.training.processes import Processes


class DualEncoder(nn.Module):
    """Video-text contrast after CLIP (Radford et al. 2021); a video is the mean of its frames (Wang et al. 2021).

    Args:
        text: text tower.
        vision: vision tower.
        processes: the others whose videos are negatives too.
    """

    def __init__(self, text: BertModel, vision: FrameEncoder, *, processes: Processes | None = None) -> None:
        super().__init__()
        self.text = text
        self.vision = vision
        self.processes = processes or Processes()
        self.logit_scale = LogitScale(learned=True)
        self.text_projection: nn.Module = nn.Identity()
        self.video_projection: nn.Module = nn.Identity()
        sizes = (text.config.hidden_size, vision.frame_size)
        if sizes[0] != sizes[1]:
            self.text_projection, self.video_projection = (
                nn.Linear(size, min(sizes), bias=False) for size in sizes
            )
            initialise(self.text_projection, text.config)
            initialise(self.video_projection, text.config)

    def embed_title(self, token_ids_BT: Tensor, token_mask_BT: Tensor) -> Tensor:
        """Mean state of each title [B, E], not yet of unit length."""
        x_BTD = self.text.embeddings(input_ids=token_ids_BT)
        x_BTD = self.text.encoder(x_BTD, attention_mask=token_mask_BT[:, None, None, :]).last_hidden_state
        title_BE: Tensor = self.text_projection(masked_mean(x_BTD, token_mask_BT))
        return title_BE

    def embed_video(self, batch: VideoBatch) -> Tensor:
        """Mean frame embedding of each video [B, E], not yet of unit length; zero before projection without frames."""
        like = next(self.vision.parameters())
        frames_BFV = embed_frames(self.vision, batch, like, self.vision.frame_size)
        video_BE: Tensor = self.video_projection(masked_mean(frames_BFV, batch.frame_mask_BF))
        return video_BE

    def forward(self, batch: VideoBatch) -> dict[str, Tensor]:
        """`loss`: the mean of the cross-entropies of both directions, and what goes with it.

        Videos without frames are left out; without any, the loss and its gradient are zero.
        """
        scale = self.logit_scale()
        both, right = symmetric_contrast(
            self.embed_title(batch.token_ids_BT, batch.token_mask_BT),
            self.embed_video(batch),
            batch.frame_mask_BF.any(dim=1),
            scale,
            self.processes,
        )
        return {"loss": both / 2, "accuracy": right, "logit_scale": scale.detach()}
