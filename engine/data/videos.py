"""From a data set on disk to padded batches of videos: text, frames and labels.

Shapes: B videos, T text tokens, F frames, V frame embedding size, C classes, N frames of the whole batch
without padding, CHW pixels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from engine.data.batches import bucketed_batches, item_rng
from engine.data.features import FeatureStore
from engine.data.frames import FrameFolder, Preprocess, random_indices, uniform_indices
from engine.data.text import TokenTable
from engine.errors import DataError


@dataclass(frozen=True)
class BatchSize:
    """What a step works on, counted before the batch leaves the host."""

    videos: int
    tokens: int
    positions: int
    real_positions: int


@dataclass(frozen=True)
class VideoBatch:
    """Inputs of a batch of videos; `labels_B` are leaf classes, -1 where unknown.

    Frames come as embeddings `frames_BFV`, or as pixels `pixels_NCHW` (uint8) that a vision backbone embeds;
    the frames that exist are the true positions of `frame_mask_BF`, in row order. `longest` is the most real positions
    of a video, known on the host: what a sequence without gaps is as long as.
    """

    token_ids_BT: Tensor
    token_mask_BT: Tensor
    frame_mask_BF: Tensor
    labels_B: Tensor
    frames_BFV: Tensor | None = None
    pixels_NCHW: Tensor | None = None
    longest: int | None = None

    def to(self, device: torch.device) -> "VideoBatch":
        """The batch on `device`; from pinned memory the copy does not block."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "VideoBatch":
        """The batch in page-locked memory (called by the data loader)."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, change: Callable[[Tensor], Tensor]) -> "VideoBatch":
        tensors = {name: tensor for name, tensor in vars(self).items() if isinstance(tensor, Tensor)}
        moved: dict[str, Any] = {name: change(tensor) for name, tensor in tensors.items()}
        return replace(self, **moved)


class FrameSource(Protocol):
    """Frames of a video by id: embeddings [n, V] float16, or pixels [n, C, H, W] uint8."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one frame: [V] or [C, H, W]."""

    def read(self, video: str, rng: np.random.Generator | None) -> NDArray[np.generic]:
        """A random sorted subset of the frames with `rng`, a uniform one without.

        Raises:
            DataError: the video's frames are broken.
        """

    def counts(self, videos: NDArray[np.str_]) -> NDArray[np.int64]:
        """How many frames `read` will give for each, at most."""


class StoredFrames:
    """Frame embeddings from a feature store; a video that it lacks is an error of that video."""

    def __init__(self, store: FeatureStore, max_frames: int) -> None:
        self.store = store
        self.max_frames = max_frames
        self.shape: tuple[int, ...] = (store.dim,)

    def read(self, video: str, rng: np.random.Generator | None) -> NDArray[np.generic]:
        count = self.store.count(video)
        return self.store.read(video, choose_frames(count, self.max_frames, rng))

    def counts(self, videos: NDArray[np.str_]) -> NDArray[np.int64]:
        return np.clip(self.store.counts(videos), 0, self.max_frames)


class DecodedFrames:
    """Pixels of a data set's zipped JPEGs.

    Raises:
        DataError: the split has no folder of frames.
    """

    def __init__(self, folder: FrameFolder, preprocess: Preprocess, max_frames: int) -> None:
        folder.require()
        self.folder = folder
        self.preprocess = preprocess
        self.max_frames = max_frames
        self.shape: tuple[int, ...] = (3, preprocess.crop, preprocess.crop)

    def read(self, video: str, rng: np.random.Generator | None) -> NDArray[np.generic]:
        return self.folder.read(
            video, lambda count: choose_frames(count, self.max_frames, rng), self.preprocess
        )

    def counts(self, videos: NDArray[np.str_]) -> NDArray[np.int64]:
        # Opening every zip only to count would cost more than the little padding that it saves.
        return np.full(len(videos), self.max_frames)


def choose_frames(count: int, wanted: int, rng: np.random.Generator | None) -> NDArray[np.int64]:
    """Indices of `wanted` of `count` frames: a random sorted subset with `rng`, a uniform one without."""
    return uniform_indices(count, wanted) if rng is None else random_indices(count, wanted, rng)


@dataclass(frozen=True)
class Videos:
    """A data set as a model sees it; row i of `tokens` is video `ids[i]`, `labels` are leaf classes or -1.

    `packed` says that the model closes the gap between a short text and its frames, so that it pads only to the longest
    sequence of the two together.
    """

    ids: NDArray[np.str_]
    labels: NDArray[np.int64]
    tokens: TokenTable
    frames: FrameSource
    max_tokens: int
    packed: bool = False

    def lengths(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sequence length of each row: what buckets are made by."""
        return self.tokens.lengths(self.max_tokens)[rows] + self.frames.counts(self.ids[rows])

    def batch(
        self, rows: NDArray[np.int64], *, seed: int, epoch: int | None
    ) -> tuple[BatchSize, VideoBatch, list[str]]:
        """The batch of these rows; frames are drawn by (seed, epoch, id), uniformly where `epoch` is None.

        A video whose frames are broken keeps its text; the third value names each of them.
        """
        problems: list[str] = []
        sequences = [self.tokens.sequence(int(row), self.max_tokens) for row in rows]
        frames = [self._frames(str(self.ids[row]), seed, epoch, problems) for row in rows]
        counts = [len(part) for part in frames]
        token_ids_BT, token_mask_BT = padded(sequences)
        frame_mask_BF = torch.from_numpy(
            np.arange(max(1, *counts, 1))[None] < np.asarray(counts, np.int64)[:, None]
        )
        frames_BFV = pixels_NCHW = None
        if len(self.frames.shape) == 1:
            padded_BFV = np.zeros((*frame_mask_BF.shape, *self.frames.shape), np.float16)
            for position, part in enumerate(frames):
                padded_BFV[position, : len(part)] = part
            frames_BFV = torch.from_numpy(padded_BFV)
        else:
            pixels_NCHW = torch.from_numpy(np.concatenate(frames).astype(np.uint8, copy=False))
        tokens = int(token_mask_BT.sum())
        longest = max(len(text) + count for text, count in zip(sequences, counts, strict=True))
        size = BatchSize(
            videos=len(rows),
            tokens=tokens,
            positions=len(rows) * longest if self.packed else token_mask_BT.numel() + frame_mask_BF.numel(),
            real_positions=tokens + sum(counts),
        )
        labels_B = torch.from_numpy(self.labels[rows])
        return (
            size,
            VideoBatch(
                token_ids_BT, token_mask_BT, frame_mask_BF, labels_B, frames_BFV, pixels_NCHW, longest
            ),
            problems,
        )

    def _frames(self, video: str, seed: int, epoch: int | None, problems: list[str]) -> NDArray[np.generic]:
        rng = None if epoch is None else item_rng(seed, epoch, video)
        try:
            return self.frames.read(video, rng)
        except DataError as error:
            problems.append(str(error))
            return np.zeros((0, *self.frames.shape), np.uint8)


Batch = TypeVar("Batch")
Batch_co = TypeVar("Batch_co", covariant=True)


class BatchMaker(Protocol[Batch_co]):
    """What turns rows into a batch; in worker processes too, so it must be picklable."""

    def batch(
        self, rows: NDArray[np.int64], *, seed: int, epoch: int | None
    ) -> tuple[BatchSize, Batch_co, list[str]]:
        """The batch of these rows, its size, and what was wrong with some of them."""


@dataclass(frozen=True)
class Step(Generic[Batch]):
    """What one optimiser step works on: this process's parts, a forward pass each, of `videos` over all processes."""

    videos: int
    sizes: list[BatchSize]
    parts: list[Batch]

    def share(self, part: int) -> float:
        """Weight of a part's mean loss in the mean over the whole step."""
        return self.sizes[part].videos / self.videos

    def size(self) -> BatchSize:
        """Size of this process's parts together."""
        fields = zip(*(vars(size).values() for size in self.sizes), strict=True)
        return BatchSize(*(sum(values) for values in fields)) if self.sizes else BatchSize(0, 0, 0, 0)


def load_batches(
    maker: BatchMaker[Batch],
    plan: Sequence[NDArray[np.int64]],
    *,
    seed: int,
    epoch: int | None,
    workers: int,
    pin: bool,
) -> Iterator[tuple[BatchSize, Batch, list[str]]]:
    """The planned batches in order, made ahead by `workers` processes (in this one where 0)."""
    loader: DataLoader[tuple[BatchSize, Batch, list[str]]] = DataLoader(
        _Planned(maker, plan, seed, epoch),
        batch_size=None,
        shuffle=False,
        num_workers=workers,
        pin_memory=pin,
    )
    return iter(loader)


def load_steps(
    maker: BatchMaker[Batch],
    plan: Sequence[NDArray[np.int64]],
    *,
    seed: int,
    epoch: int,
    workers: int,
    pin: bool,
    note: Callable[[str], None],
    accumulate: int = 1,
    rank: int = 0,
    processes: int = 1,
) -> Iterator[Step[Batch]]:
    """The planned steps in order, each cut into `processes` x `accumulate` parts of which this process gets its own.

    Args:
        note: told of every video that could not be read whole.
    """
    parts = [
        [
            part
            for part in np.array_split(rows, processes * accumulate)[rank * accumulate :][:accumulate]
            if len(part)
        ]
        for rows in plan
    ]
    flat = [part for own in parts for part in own]
    loaded = load_batches(maker, flat, seed=seed, epoch=epoch, workers=workers, pin=pin)
    for rows, own in zip(plan, parts, strict=True):
        step: Step[Batch] = Step(len(rows), [], [])
        for _ in own:
            size, batch, problems = next(loaded)
            for problem in problems:
                note(problem)
            step.sizes.append(size)
            step.parts.append(batch)
        yield step


def plan_batches(
    videos: Videos, rows: NDArray[np.int64], batch_size: int, *, seed: int, epoch: int, shuffle: bool
) -> list[NDArray[np.int64]]:
    """Rows of every batch of an epoch, from buckets of similar length."""
    positions = bucketed_batches(videos.lengths(rows), batch_size, seed=seed, epoch=epoch, shuffle=shuffle)
    return [rows[position] for position in positions]


class _Planned(Dataset[tuple[BatchSize, Batch, list[str]]], Generic[Batch]):
    def __init__(
        self, maker: BatchMaker[Batch], plan: Sequence[NDArray[np.int64]], seed: int, epoch: int | None
    ) -> None:
        self.maker, self.plan, self.seed, self.epoch = maker, plan, seed, epoch

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, index: int) -> tuple[BatchSize, Batch, list[str]]:
        return self.maker.batch(self.plan[index], seed=self.seed, epoch=self.epoch)


def padded(sequences: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
    """Token ids int64 [B, T], padded with 0, and the mask of those that exist, bool [B, T]."""
    lengths = np.asarray([len(sequence) for sequence in sequences])
    ids_BT = np.zeros((len(sequences), int(lengths.max())), np.int64)
    for row, sequence in enumerate(sequences):
        ids_BT[row, : len(sequence)] = sequence
    return torch.from_numpy(ids_BT), torch.from_numpy(np.arange(ids_BT.shape[1])[None] < lengths[:, None])
