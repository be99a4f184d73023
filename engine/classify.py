"""The forward pass over videos that are not trained on: probabilities from one or several classifiers at once.

Shapes: see `engine.data.videos`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import PreTrainedTokenizerBase

from engine.config.base import DataSet
from engine.config.stages import Split
from engine.data.annotations import AnnotationTable
from engine.data.features import FeatureStore
from engine.data.frames import FrameFolder, Preprocess
from engine.data.skipping import SkipLimit
from engine.data.text import load_tokens
from engine.data.videos import (
    BatchSize,
    DecodedFrames,
    FrameSource,
    StoredFrames,
    VideoBatch,
    Videos,
    load_batches,
    plan_batches,
)
from engine.errors import ConfigError
from engine.models.checkpoint import ClassifierSpec
from engine.recorder import StopRequested
from engine.stages.context import RunContext
from engine.training.device import Compute

Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Reader:
    """A classifier and the videos as it reads them."""

    model: nn.Module
    videos: Videos


class _SharedFrames:
    """Frames of a batch, read once for all classifiers that look at the same."""

    def __init__(self, source: FrameSource) -> None:
        self.source = source
        self.shape = source.shape
        self._read: dict[str, NDArray[np.generic]] = {}

    def forget(self) -> None:
        """Begin another batch."""
        self._read.clear()

    def read(self, video: str, rng: np.random.Generator | None) -> NDArray[np.generic]:
        if video not in self._read:
            self._read[video] = self.source.read(video, rng)
        return self._read[video]

    def counts(self, videos: NDArray[np.str_]) -> NDArray[np.int64]:
        return self.source.counts(videos)


class _Together:
    """One batch for each of several readings of the same videos."""

    def __init__(self, videos: Sequence[Videos], shared: _SharedFrames) -> None:
        self.videos = videos
        self.shared = shared

    def batch(
        self, rows: NDArray[np.int64], *, seed: int, epoch: int | None
    ) -> tuple[BatchSize, "_Batches", list[str]]:
        self.shared.forget()
        size, first, problems = self.videos[0].batch(rows, seed=seed, epoch=epoch)
        others = [videos.batch(rows, seed=seed, epoch=epoch)[1] for videos in self.videos[1:]]
        return size, _Batches([first, *others]), problems


class _Batches(list[VideoBatch]):
    def pin_memory(self) -> "_Batches":
        """All in page-locked memory (called by the data loader)."""
        return _Batches(batch.pin_memory() for batch in self)


@torch.inference_mode()
def classify(
    readers: Sequence[Reader],
    rows: NDArray[np.int64],
    *,
    data: DataSet,
    batch_size: int,
    compute: Compute,
    context: RunContext,
    told: Told,
) -> list[NDArray[np.float32]]:
    """Probabilities of the rows' videos, float32 [n, C], of each reader; frames are read from the first's source.

    Args:
        told: called with (videos done, videos of the batch).

    Raises:
        StopRequested: asked to stop.
        DataError: too many videos are broken.
    """
    shared = _SharedFrames(readers[0].videos.frames)
    videos = [
        Videos(one.videos.ids, one.videos.labels, one.videos.tokens, shared, one.videos.max_tokens)
        for one in readers
    ]
    plan = plan_batches(videos[0], rows, batch_size, seed=0, epoch=0, shuffle=False)
    place = {int(row): position for position, row in enumerate(rows)}
    skips = SkipLimit(len(rows), on_error=data.on_error, max_skipped=data.max_skipped)
    for reader in readers:
        reader.model.to(compute.device).eval()
    results: list[NDArray[np.float32] | None] = [None] * len(readers)
    done = 0
    loaded = load_batches(
        _Together(videos, shared),
        plan,
        seed=0,
        epoch=None,
        workers=data.workers,
        pin=compute.device.type == "cuda",
    )
    for batch_rows, (size, batches, problems) in zip(plan, loaded, strict=True):
        for problem in problems:
            skips.note(problem)
        positions = [place[int(row)] for row in batch_rows]
        for number, (reader, batch) in enumerate(zip(readers, batches, strict=True)):
            with compute.autocast():
                logits_BC = reader.model(batch.to(compute.device))
            probabilities_BC = logits_BC.softmax(dim=1).cpu().numpy()
            result = results[number]
            if result is None:
                result = results[number] = np.zeros((len(rows), probabilities_BC.shape[1]), np.float32)
            result[positions] = probabilities_BC
        done += size.videos
        told(done, size.videos)
        if context.recorder.should_stop():
            raise StopRequested
    return [np.zeros((0, 0), np.float32) if result is None else result for result in results]


def reading(
    table: AnnotationTable,
    spec: ClassifierSpec,
    tokenizer: PreTrainedTokenizerBase,
    frames: FrameSource,
    context: RunContext,
) -> Videos:
    """A split's videos as a classifier of this description reads them."""
    return Videos(
        ids=table.ids,
        labels=table.labels,
        tokens=load_tokens(table, tokenizer, context.workspace.cache),
        frames=frames,
        max_tokens=spec.max_tokens,
    )


def frame_source(
    spec: ClassifierSpec, features: str | None, root: str, split: Split, context: RunContext
) -> FrameSource:
    """Stored features where they are given, else the split's own frames.

    Raises:
        ConfigError: features are missing, or of another size than the model wants.
    """
    if features is not None:
        store = FeatureStore.open(context.workspace.resolve(features))
        if store.dim != spec.frame_size:
            raise ConfigError(
                f"inputs.features: frames have {store.dim} values and the model wants {spec.frame_size}; "
                "give the features that it was trained on"
            )
        return StoredFrames(store, spec.max_frames)
    if spec.vision_config is None:
        raise ConfigError(
            "inputs.features: missing; this model was trained on stored features, so name the extract run"
        )
    preprocess = Preprocess(spec.resize, spec.crop, tuple(spec.pixel_mean), tuple(spec.pixel_std))
    return DecodedFrames(FrameFolder(context.workspace.resolve(root), split), preprocess, spec.max_frames)
