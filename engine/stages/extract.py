"""extract: frames to frame embeddings with a vision backbone (or ready-made ones), into a feature store.

Shapes: N frames of a forward pass, CHW pixels, V embedding size.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedModel

from engine.config.stages import ExtractConfig
from engine.data.annotations import load_annotations
from engine.data.feature_zips import FeatureZip, feature_zip
from engine.data.features import FeatureWriter
from engine.data.frames import FrameFolder, Preprocess, uniform_indices
from engine.data.skipping import SkipLimit
from engine.errors import DataError
from engine.models.checkpoint import load_vision_tower
from engine.models.pretrained import load_vision_backbone, preprocess_of
from engine.models.vision import FrameEncoder
from engine.recorder import StopRequested
from engine.stages.context import RunContext
from engine.training.device import Compute, choose_compute
from engine.training.meter import Speed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Split:
    """Videos of a split that no split before it has: rows of its ids, which stay in the annotations' memory map.

    `ready` are the features that stand for frames, where the data set has those instead.
    """

    name: str
    ids: NDArray[np.str_]
    rows: NDArray[np.int64]
    ready: FeatureZip | None


@dataclass(frozen=True)
class Shard:
    """Videos of one split that are finished together: a range of its rows."""

    split: Split
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def ids(self) -> list[str]:
        """Ids of its videos."""
        ids: list[str] = self.split.ids[self.split.rows[self.start : self.stop]].tolist()
        return ids


def run(config: ExtractConfig, context: RunContext) -> None:
    """Embed every frame once; finished shards of a killed run are not done again."""
    with ExitStack() as stack:
        splits = _splits(config, context, stack)
        compute = choose_compute(config.gpus, config.precision)
        encoder = preprocess = None
        if any(split.ready is None for split in splits):
            backbone, preprocess = _backbone(config, context)
            encoder = FrameEncoder(backbone, preprocess.mean, preprocess.std).to(compute.device).eval()
        _extract(config, context, splits, encoder, preprocess, compute)


def _backbone(config: ExtractConfig, context: RunContext) -> tuple[PreTrainedModel, Preprocess]:
    if config.inputs.vision is not None:
        return load_vision_tower(context.workspace.resolve(config.inputs.vision))
    name = context.workspace.model(config.model.vision)
    backbone = load_vision_backbone(name)
    return backbone, preprocess_of(name, backbone, config.model.preprocessing.statistics)


def _extract(
    config: ExtractConfig,
    context: RunContext,
    splits: Sequence[Split],
    encoder: FrameEncoder | None,
    preprocess: Preprocess | None,
    compute: Compute,
) -> None:
    frame_size = _frame_size(config, splits, encoder)
    folder = context.artifacts / "features"
    writer = FeatureWriter(folder, frame_size)
    size = config.shard_videos
    shards = [
        Shard(split, start, min(start + size, len(split.rows)))
        for split in splits
        for start in range(0, len(split.rows), size)
    ]
    videos = sum(map(len, shards))
    finished = writer.keep_shards(len(shards), lambda number: shards[number].ids)
    todo = [(number, shard) for number, shard in enumerate(shards) if number not in finished]
    done = sum(len(shard) for number, shard in enumerate(shards) if number in finished)
    if context.resumed:
        context.recorder.resumed(done)
        log.info("%d of %d shards are there already", len(finished), len(shards))
    log.info("%d videos with %s on %s", videos, _sources(config, splits), compute.name)

    skips = SkipLimit(videos, on_error=config.data.on_error, max_skipped=config.data.max_skipped)
    speed = Speed()
    decoded = _decoded(config, context, preprocess, [shard for _, shard in todo])
    embedding = _Embedding(encoder, config.batch_frames, compute)
    for number, shard in todo:
        ids = shard.ids
        counts: list[int] = []
        features: list[NDArray[np.float16]] = []
        waiting: list[Tensor] = []
        for video in ids:
            if shard.split.ready is None:
                pixels_NCHW, problem = next(decoded)
                counts.append(len(pixels_NCHW))
                waiting.append(pixels_NCHW)
                if sum(map(len, waiting)) >= config.batch_frames:
                    features += embedding.add(waiting)
                    waiting = []
            else:
                ready_NV, problem = _ready_made(shard.split.ready, video, config.data.max_frames)
                counts.append(len(ready_NV))
                features.append(ready_NV)
            if problem is not None:
                skips.note(problem)
            done += 1
            if speed.due() or done == videos:
                context.recorder.progress(done, videos, unit="video")
            if context.recorder.should_stop():
                raise StopRequested
            speed.add(videos=1, frames=counts[-1])
        features += [*embedding.add(waiting), *embedding.rest()]
        frames_NV = np.concatenate(features) if features else np.zeros((0, frame_size), np.float16)
        writer.add_shard(number, ids, counts, frames_NV)
        rates = speed.rates()
        context.recorder.log(done, {f"speed/{unit}": rate for unit, rate in rates.items()})
        log.info("%d/%d videos, %s", done, videos, speed.line(videos - done, of="videos"))
    writer.finish()
    context.recorder.progress(videos, videos, unit="video")
    context.recorder.artifact("features", folder, videos=videos, dim=frame_size, skipped=len(skips.problems))


def _splits(config: ExtractConfig, context: RunContext, stack: ExitStack) -> list[Split]:
    """The wanted splits that have annotations; a video of several belongs to the first."""
    root = context.workspace.resolve(config.data.root)
    splits: list[Split] = []
    for name in dict.fromkeys(config.data.splits):
        path = root / "annotations" / f"{name}.json"
        if not path.exists():
            log.info("no %s: split left out", path.name)
            continue
        ids = load_annotations(
            path,
            context.workspace.cache,
            on_error=config.data.on_error,
            max_skipped=config.data.max_skipped,
        ).ids
        fresh = np.ones(len(ids), bool)
        for other in splits:
            fresh &= np.isin(ids, other.ids, invert=True)
        if fresh.any():
            splits.append(Split(name, ids, np.flatnonzero(fresh), _ready_source(root, name, stack)))
    if not splits:
        raise DataError(
            f"{root / 'annotations'}: no annotations of {', '.join(config.data.splits)}; check data.root"
        )
    return splits


def _ready_source(root: Path, split: str, stack: ExitStack) -> FeatureZip | None:
    """The split's ready-made features, None where it has frames."""
    frames = FrameFolder(root, split).folder
    if frames.is_dir():
        return None
    path = feature_zip(root, split)
    if not path.exists():
        raise DataError(
            f"{frames} and {path}: neither is there; put the frames or the ready-made features of {split} in "
            f"place, or leave {split} out of data.splits"
        )
    return stack.enter_context(FeatureZip(path))


def _frame_size(config: ExtractConfig, splits: Sequence[Split], encoder: FrameEncoder | None) -> int:
    sizes = {str(split.ready.path): split.ready.dim for split in splits if split.ready is not None}
    if encoder is not None:
        sizes[config.model.vision] = encoder.frame_size
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{source} has {size}" for source, size in sizes.items())
        raise DataError(
            f"features of different sizes cannot share a store: {listed}; extract these splits in runs of their "
            "own (data.splits), or choose a model.vision that fits"
        )
    return next(iter(sizes.values()))


def _sources(config: ExtractConfig, splits: Sequence[Split]) -> str:
    sources = [str(split.ready.path) for split in splits if split.ready is not None]
    return " and ".join(sources if len(sources) == len(splits) else [config.model.vision, *sources])


def _ready_made(source: FeatureZip, video: str, max_frames: int) -> tuple[NDArray[np.float16], str | None]:
    try:
        ready_NV = source.read(video)
    except DataError as error:
        return np.zeros((0, source.dim), np.float16), str(error)
    return ready_NV[uniform_indices(len(ready_NV), max_frames)], None


class _Embedding:
    """Embeds frames on the device while the next ones are decoded: a batch's result is waited for when the batch after
    it is on its way, so that no more than two of them hold memory.
    """

    def __init__(self, encoder: FrameEncoder | None, batch_frames: int, compute: Compute) -> None:
        self._encoder = encoder
        self._batch_frames = batch_frames
        self._compute = compute
        self._on_device: list[Tensor] = []

    @torch.inference_mode()
    def add(self, waiting: Sequence[Tensor]) -> list[NDArray[np.float16]]:
        """Send frames to the device; the embeddings of earlier ones, in order."""
        arrived: list[NDArray[np.float16]] = []
        if self._encoder is None or not waiting:
            return arrived
        for pixels_NCHW in torch.split(torch.cat(list(waiting)), self._batch_frames):
            if len(pixels_NCHW):
                # Only a copy from page-locked memory lets the host go on; `cat` gives none, whatever its parts are in.
                locked_NCHW = pixels_NCHW.pin_memory() if self._compute.device.type == "cuda" else pixels_NCHW
                with self._compute.autocast():
                    frames_NV = self._encoder(locked_NCHW.to(self._compute.device, non_blocking=True))
                arrived += self.rest()
                self._on_device.append(frames_NV.to(torch.float16))
        return arrived

    def rest(self) -> list[NDArray[np.float16]]:
        """The embeddings of all that is still on the device, in order."""
        arrived = [frames_NV.cpu().numpy() for frames_NV in self._on_device]
        self._on_device.clear()
        return arrived


def _decoded(
    config: ExtractConfig,
    context: RunContext,
    preprocess: Preprocess | None,
    shards: Sequence[Shard],
) -> Iterator[tuple[Tensor, str | None]]:
    """Pixels of the shards' videos in order, of those whose split has frames."""
    framed = [shard for shard in shards if shard.split.ready is None]
    if preprocess is None or not framed:
        return iter(())
    root = context.workspace.resolve(config.data.root)
    folders = {shard.split.name: FrameFolder(root, shard.split.name) for shard in framed}
    loader: DataLoader[tuple[Tensor, str | None]] = DataLoader(
        _Decoder(folders, preprocess, config.data.max_frames),
        batch_size=None,
        # The names travel to the workers one by one, as they are needed: none holds a list of a million.
        sampler=((shard.split.name, video) for shard in framed for video in shard.ids),
        num_workers=config.data.workers,
    )
    return iter(loader)


class _Decoder(Dataset[tuple[Tensor, str | None]]):
    """By split and id: pixels of one video and what was wrong with them; a broken video has no frames."""

    def __init__(self, folders: Mapping[str, FrameFolder], preprocess: Preprocess, max_frames: int) -> None:
        self.folders = folders
        self.preprocess = preprocess
        self.max_frames = max_frames

    def __getitem__(self, key: tuple[str, str]) -> tuple[Tensor, str | None]:
        split, video = key
        try:
            pixels_NCHW = self.folders[split].read(
                video, lambda count: uniform_indices(count, self.max_frames), self.preprocess
            )
        except DataError as error:
            side = self.preprocess.crop
            return torch.zeros(0, 3, side, side, dtype=torch.uint8), str(error)
        return torch.from_numpy(pixels_NCHW), None
