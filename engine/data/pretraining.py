"""Batches for single-stream pre-training: what is hidden, what is to be predicted, and which frames go where.

Shapes: B videos, T text tokens, F frames, L positions of a sequence, S title tokens, R tokens of OCR and ASR, V frame
embedding size, K tokens to predict, J frames to predict, P pairs to judge.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.config.stages import PretrainTasks
from engine.data.batches import item_rng
from engine.data.masking import draw_roles, mask_tokens, mismatch
from engine.data.pool import VideoPool
from engine.data.text import SEGMENTS, Segment
from engine.data.videos import BatchSize, padded

# Nine in ten of the frames that are drawn become zero vectors, and those are predicted, as in the original.
_ZEROED = 0.9


class _Tensors:
    """Tensors that travel together."""

    def to(self, device: torch.device) -> Self:
        """All on `device`; from pinned memory the copy does not block."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Self:
        """All in page-locked memory (called by the data loader)."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, change: Callable[[Tensor], Tensor]) -> Self:
        changed = {
            name: change(value) if isinstance(value, Tensor) else value._map(change)
            for name, value in vars(self).items()
            if isinstance(value, Tensor | _Tensors)
        }
        return replace(self, **changed)  # type: ignore[type-var]


@dataclass(frozen=True)
class MaskedInputs(_Tensors):
    """What the encoder sees of text and frames together, and what it is to find out.

    Attributes:
        token_ids_BT: title, OCR and ASR with tokens masked.
        token_mask_BT: which positions are tokens; masked ones are.
        shown_B: the row whose frames stand beside each row's text.
        zeroed_BF: which of the shown frames are zero vectors.
        longest: most real positions of a row; L is that, since `[text; frames]` is encoded without gaps.
        text_places_K: tokens to predict, as places in the flat [B x L] states.
        text_targets_K: what they are; those of masked language modelling come first.
        frame_places_J: frames to predict, as places in the flat [B x L] states.
        frame_targets_J: which they are of the flat [B x F] frames; those of masked frame modelling come first.
        pair_rows_P: rows whose text and frames are judged.
        pair_targets_P: 1 where they belong together, else 0.
        mlm_tokens: how many of K are masked language modelling's.
        mfm_frames: how many of J are masked frame modelling's.
    """

    token_ids_BT: Tensor
    token_mask_BT: Tensor
    shown_B: Tensor
    zeroed_BF: Tensor
    text_places_K: Tensor
    text_targets_K: Tensor
    frame_places_J: Tensor
    frame_targets_J: Tensor
    pair_rows_P: Tensor
    pair_targets_P: Tensor
    mlm_tokens: int
    mfm_frames: int
    longest: int


@dataclass(frozen=True)
class ContrastInputs(_Tensors):
    """Titles alone, OCR and ASR alone, and which videos have a title and something to hold it against.

    `longest` is the most real positions of OCR, ASR and frames together.
    """

    title_ids_BS: Tensor
    title_mask_BS: Tensor
    rest_ids_BR: Tensor
    rest_mask_BR: Tensor
    both_B: Tensor
    longest: int


@dataclass(frozen=True)
class PretrainingBatch(_Tensors):
    """Every video's own frame embeddings, unchanged, and the inputs of the tasks that are switched on."""

    frames_BFV: Tensor
    frame_mask_BF: Tensor
    masked: MaskedInputs | None
    contrast: ContrastInputs | None


@dataclass(frozen=True)
class Vocabulary:
    """What masking must know of a tokenizer: the id of [MASK], and which ids are special, bool [ids]."""

    mask_id: int
    special: NDArray[np.bool_]

    def words(self, token_ids_BT: NDArray[np.int64], mask_BT: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Positions that hold text, neither padding nor special tokens."""
        return mask_BT & ~self.special[token_ids_BT]


@dataclass(frozen=True)
class PretrainingBatches:
    """Makes the batches of a pool of videos; all that is random derives from (seed, epoch, ids)."""

    pool: VideoPool
    tasks: PretrainTasks
    vocabulary: Vocabulary
    max_tokens: int
    max_frames: int

    def lengths(self) -> NDArray[np.int64]:
        """Sequence length of every video: what buckets are made by."""
        whole: NDArray[np.int64] = self.pool.segment_lengths().sum(axis=1) + 1 + len(SEGMENTS)
        return np.minimum(whole, self.max_tokens) + self.pool.frame_counts()

    def batch(
        self, rows: NDArray[np.int64], *, seed: int, epoch: int | None
    ) -> tuple[BatchSize, PretrainingBatch, list[str]]:
        """The batch of these rows; a video whose frames are broken keeps its text, the third value names it."""
        assert epoch is not None, "pre-training is not evaluated"
        ids = [str(name) for name in self.pool.ids[rows]]
        rngs = [item_rng(seed, epoch, name) for name in ids]
        problems: list[str] = []
        frames = [self.pool.frames(int(row), rng, problems) for row, rng in zip(rows, rngs, strict=True)]
        counts_B = np.asarray([len(part) for part in frames], np.int64)
        frames_BFV = np.zeros((len(rows), int(counts_B.max()), *self.pool.frame_shape), np.float16)
        for place, part in enumerate(frames):
            frames_BFV[place, : len(part)] = part
        frame_mask_BF = np.arange(frames_BFV.shape[1]) < counts_B[:, None]
        masked = contrast = None
        if self.tasks.masking:
            masked = self._masked(rows, frame_mask_BF, rngs, item_rng(seed, epoch, "\n".join(ids)))
        if self.tasks.ftc.weight:
            contrast = self._contrast(rows, frame_mask_BF)
        batch = PretrainingBatch(
            torch.from_numpy(frames_BFV), torch.from_numpy(frame_mask_BF), masked, contrast
        )
        return _size(batch), batch, problems

    def _masked(
        self,
        rows: NDArray[np.int64],
        frame_mask_BF: NDArray[np.bool_],
        rngs: list[np.random.Generator],
        rng: np.random.Generator,
    ) -> MaskedInputs:
        tasks = self.tasks
        ids_BT, token_mask_BT, words_BT = self._tokens(rows, SEGMENTS)
        videos, text_width = ids_BT.shape
        frame_width = frame_mask_BF.shape[1]
        # As many draws as a video can need, so that its own do not depend on the rest of the batch.
        draws = [(one.random((2, self.max_tokens)), one.random(self.max_frames)) for one in rngs]
        token_draws_2BT = np.stack([of_tokens[:, :text_width] for of_tokens, _ in draws], axis=1)
        frame_draws_BF = np.stack([of_frames[:frame_width] for _, of_frames in draws])

        roles = draw_roles(videos, rng, modality=tasks.mmm.weight > 0, joint=tasks.joint)
        joint_B1 = _flags(videos, roles.joint)[:, None]
        frames_hidden_B1 = _flags(videos, roles.frames_hidden)[:, None]
        text_hidden_B1 = _flags(videos, roles.text_hidden)[:, None]

        # Without frames or without words there is nothing to tell a match by.
        joint = roles.joint
        pairs = joint[frame_mask_BF[joint].any(axis=1) & words_BT[joint].any(axis=1)]
        swapped, donors = mismatch(pairs, tasks.ftm.rate, rng) if tasks.ftm.weight else (pairs[:0],) * 2
        shown_B = np.arange(videos)
        shown_B[swapped] = donors
        matched_B = np.equal(shown_B, np.arange(videos))
        judged = pairs if tasks.ftm.weight and len(pairs) > 1 else pairs[:0]

        # Mismatched pairs are masked like all others, or the masks would give them away; only scored they are not.
        mlm_rate = tasks.mlm.rate if tasks.mlm.weight else 0.0
        mfm_rate = tasks.mfm.rate * _ZEROED if tasks.mfm.weight else 0.0
        chosen_BT = words_BT & joint_B1 & (token_draws_2BT[0] < mlm_rate)
        hidden_BT = words_BT & text_hidden_B1
        shown_mask_BF = frame_mask_BF[shown_B]
        zeroed_BF = shown_mask_BF & joint_B1 & (frame_draws_BF < mfm_rate)
        hidden_BF = frame_mask_BF & frames_hidden_B1

        vocabulary = self.vocabulary
        replacements = np.flatnonzero(~vocabulary.special)
        seen_BT = mask_tokens(ids_BT, chosen_BT, token_draws_2BT[1], vocabulary.mask_id, replacements)
        seen_BT[hidden_BT] = vocabulary.mask_id
        scored_BT, scored_BF = chosen_BT & matched_B[:, None], zeroed_BF & matched_B[:, None]
        # A sequence is encoded without gaps: a position moves up by as many as are padding before it.
        real_BL = np.concatenate([token_mask_BT, shown_mask_BF], axis=1)
        ranks_BL = real_BL.cumsum(axis=1) - 1
        longest = int(real_BL.sum(axis=1).max())
        places_BL = np.arange(videos)[:, None] * longest + ranks_BL
        text_places_BT, frame_places_BF = places_BL[:, :text_width], places_BL[:, text_width:]
        return MaskedInputs(
            token_ids_BT=torch.from_numpy(seen_BT),
            token_mask_BT=torch.from_numpy(token_mask_BT),
            shown_B=torch.from_numpy(shown_B),
            zeroed_BF=torch.from_numpy(zeroed_BF | hidden_BF),
            text_places_K=_chosen(text_places_BT, scored_BT, hidden_BT),
            text_targets_K=_chosen(ids_BT, scored_BT, hidden_BT),
            frame_places_J=_chosen(frame_places_BF, scored_BF, hidden_BF),
            frame_targets_J=_chosen(
                np.arange(videos * frame_width).reshape(videos, frame_width), scored_BF, hidden_BF
            ),
            pair_rows_P=torch.from_numpy(judged),
            pair_targets_P=torch.from_numpy(matched_B[judged].astype(np.int64)),
            mlm_tokens=int(scored_BT.sum()),
            mfm_frames=int(scored_BF.sum()),
            longest=longest,
        )

    def _contrast(self, rows: NDArray[np.int64], frame_mask_BF: NDArray[np.bool_]) -> ContrastInputs:
        title_ids_BS, title_mask_BS, title_words_BS = self._tokens(rows, ("title",))
        rest_ids_BR, rest_mask_BR, rest_words_BR = self._tokens(rows, ("ocr", "asr"))
        both_B = title_words_BS.any(axis=1) & (frame_mask_BF.any(axis=1) | rest_words_BR.any(axis=1))
        lengths_B = rest_mask_BR.sum(axis=1) + frame_mask_BF.sum(axis=1)
        return ContrastInputs(
            title_ids_BS=torch.from_numpy(title_ids_BS),
            title_mask_BS=torch.from_numpy(title_mask_BS),
            rest_ids_BR=torch.from_numpy(rest_ids_BR),
            rest_mask_BR=torch.from_numpy(rest_mask_BR),
            both_B=torch.from_numpy(both_B),
            longest=int(lengths_B.max()),
        )

    def _tokens(
        self, rows: NDArray[np.int64], segments: tuple[Segment, ...]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Ids of some of the texts, which positions are real, and which of those are words."""
        ids_BT, mask_BT = padded([self.pool.tokens(int(row), segments, self.max_tokens) for row in rows])
        return ids_BT.numpy(), mask_BT.numpy(), self.vocabulary.words(ids_BT.numpy(), mask_BT.numpy())


def _flags(videos: int, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    flags_B = np.zeros(videos, bool)
    flags_B[rows] = True
    return flags_B


def _chosen(values: NDArray[np.int64], first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Tensor:
    """The values where the first is true, then those where the second is."""
    return torch.from_numpy(np.concatenate([values[first], values[second]]))


def _size(batch: PretrainingBatch) -> BatchSize:
    """Sequence positions of all passes through the encoder."""
    videos = len(batch.frame_mask_BF)
    tokens = positions = frames = 0
    if (masked := batch.masked) is not None:
        tokens += int(masked.token_mask_BT.sum())
        frames += int(batch.frame_mask_BF[masked.shown_B].sum())
        positions += videos * masked.longest
    if (contrast := batch.contrast) is not None:
        tokens += int(contrast.title_mask_BS.sum()) + int(contrast.rest_mask_BR.sum())
        frames += int(batch.frame_mask_BF.sum())
        positions += contrast.title_mask_BS.numel() + videos * contrast.longest
    return BatchSize(videos=videos, tokens=tokens, positions=positions, real_positions=tokens + frames)
