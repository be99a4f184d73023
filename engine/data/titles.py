"""Batches for video-text contrast: titles and pixels.

Shapes: see `engine.data.videos`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from engine.data.batches import item_rng
from engine.data.pool import VideoPool
from engine.data.videos import BatchSize, VideoBatch, padded


@dataclass(frozen=True)
class TitleBatches:
    """Makes batches of a pool of videos with titles and frames; frames are drawn by (seed, epoch, id)."""

    pool: VideoPool
    max_tokens: int

    def lengths(self) -> NDArray[np.int64]:
        """Length of every title: what buckets are made by."""
        return np.minimum(self.pool.segment_lengths()[:, 0] + 2, self.max_tokens)

    def batch(
        self, rows: NDArray[np.int64], *, seed: int, epoch: int | None
    ) -> tuple[BatchSize, VideoBatch, list[str]]:
        """The batch of these rows; the third value names each video whose frames are broken."""
        assert epoch is not None, "pre-training is not evaluated"
        problems: list[str] = []
        frames = [
            self.pool.frames(int(row), item_rng(seed, epoch, str(self.pool.ids[row])), problems)
            for row in rows
        ]
        counts_B = np.asarray([len(part) for part in frames], np.int64)
        token_ids_BT, token_mask_BT = padded(
            [self.pool.tokens(int(row), ("title",), self.max_tokens) for row in rows]
        )
        tokens = int(token_mask_BT.sum())
        size = BatchSize(
            videos=len(rows),
            tokens=tokens,
            positions=token_mask_BT.numel() + int(counts_B.sum()),
            real_positions=tokens + int(counts_B.sum()),
        )
        batch = VideoBatch(
            token_ids_BT=token_ids_BT,
            token_mask_BT=token_mask_BT,
            frame_mask_BF=torch.from_numpy(np.arange(max(1, counts_B.max())) < counts_B[:, None]),
            labels_B=torch.full((len(rows),), -1),
            pixels_NCHW=torch.from_numpy(np.concatenate(frames).astype(np.uint8, copy=False)),
        )
        return size, batch, problems
