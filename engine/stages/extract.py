"""extract: frames to frame embeddings with a vision backbone, into a memory-mapped feature store.

Shapes: N frames of a forward pass, CHW pixels, V embedding size.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from engine.config.stages import ExtractConfig
from engine.data.annotations import load_annotations
from engine.data.features import FeatureWriter
from engine.data.frames import FrameFolder, Preprocess, uniform_indices
from engine.data.skipping import SkipLimit
from engine.errors import DataError
from engine.models.pretrained import load_vision_backbone, preprocess_of
from engine.models.vision import FrameEncoder
from engine.recorder import StopRequested
from engine.stages.context import RunContext
from engine.training.device import Compute, choose_compute
from engine.training.meter import Speed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Video:
    """A video to extract: which split's folder holds its frames."""

    split: str
    id: str


def run(config: ExtractConfig, context: RunContext) -> None:
    """Embed every frame once; finished shards of a killed run are not done again."""
    root = context.workspace.resolve(config.data.root)
    name = context.workspace.model(config.model.vision)
    compute = choose_compute(config.gpus, config.precision)
    backbone = load_vision_backbone(name)
    preprocess = preprocess_of(name, backbone, config.model.preprocessing.statistics)
    encoder = FrameEncoder(backbone, preprocess.mean, preprocess.std).to(compute.device).eval()

    videos = _videos(config, context, root)
    folder = context.artifacts / "features"
    writer = FeatureWriter(folder, encoder.frame_size)
    shards = [
        (number, videos[start : start + config.shard_videos])
        for number, start in enumerate(range(0, len(videos), config.shard_videos))
    ]
    finished = writer.done_shards()
    todo = [(number, shard) for number, shard in shards if number not in finished]
    done = sum(len(shard) for number, shard in shards if number in finished)
    if context.resumed:
        context.recorder.resumed(-1)
        log.info("%d of %d shards are there already", len(finished), len(shards))
    log.info("%d videos with %s on %s", len(videos), config.model.vision, compute.name)

    skips = SkipLimit(len(videos), on_error=config.data.on_error, max_skipped=config.data.max_skipped)
    speed = Speed()
    decoded = _decoded(config, root, preprocess, [video for _, shard in todo for video in shard], compute)
    for number, shard in todo:
        counts: list[int] = []
        features: list[NDArray[np.float16]] = []
        waiting: list[Tensor] = []
        for _ in shard:
            pixels_NCHW, problem = next(decoded)
            if problem is not None:
                skips.note(problem)
            counts.append(len(pixels_NCHW))
            waiting.append(pixels_NCHW)
            if sum(map(len, waiting)) >= config.batch_frames:
                features += _embed(encoder, waiting, config.batch_frames, compute)
                waiting = []
            done += 1
            if speed.due() or done == len(videos):
                context.recorder.progress(done, len(videos), unit="video")
            if context.recorder.should_stop():
                raise StopRequested
            speed.add(videos=1, frames=len(pixels_NCHW))
        features += _embed(encoder, waiting, config.batch_frames, compute)
        frames_NV = np.concatenate(features) if features else np.zeros((0, encoder.frame_size), np.float16)
        writer.add_shard(number, [video.id for video in shard], counts, frames_NV)
        rates = speed.rates()
        context.recorder.log(done, {f"speed/{unit}": rate for unit, rate in rates.items()})
        log.info("%d/%d videos, %s", done, len(videos), speed.line(len(videos) - done, of="videos"))
    writer.finish()
    context.recorder.progress(len(videos), len(videos), unit="video")
    context.recorder.artifact(
        "features", folder, videos=len(videos), dim=encoder.frame_size, skipped=len(skips.problems)
    )


def _videos(config: ExtractConfig, context: RunContext, root: Path) -> list[Video]:
    videos: list[Video] = []
    seen: set[str] = set()
    for split in config.data.splits:
        path = root / "annotations" / f"{split}.json"
        if not path.exists():
            log.info("no %s: split left out", path.name)
            continue
        table = load_annotations(
            path,
            context.workspace.cache,
            on_error=config.data.on_error,
            max_skipped=config.data.max_skipped,
        )
        fresh = [Video(split, str(video)) for video in table.ids if str(video) not in seen]
        seen.update(video.id for video in fresh)
        videos += fresh
    if not videos:
        raise DataError(
            f"{root / 'annotations'}: no annotations of {', '.join(config.data.splits)}; check data.root"
        )
    return videos


@torch.inference_mode()
def _embed(
    encoder: FrameEncoder, waiting: Sequence[Tensor], batch_frames: int, compute: Compute
) -> list[NDArray[np.float16]]:
    if not waiting:
        return []
    embedded = []
    for pixels_NCHW in torch.split(torch.cat(list(waiting)), batch_frames):
        if len(pixels_NCHW):
            with compute.autocast():
                frames_NV = encoder(pixels_NCHW.to(compute.device, non_blocking=True))
            embedded.append(frames_NV.to(torch.float16).cpu().numpy())
    return embedded


def _decoded(
    config: ExtractConfig, root: Path, preprocess: Preprocess, videos: Sequence[Video], compute: Compute
) -> Iterator[tuple[Tensor, str | None]]:
    loader: DataLoader[tuple[Tensor, str | None]] = DataLoader(
        _Decoder(root, videos, preprocess, config.data.max_frames),
        batch_size=None,
        shuffle=False,
        num_workers=config.data.workers,
        pin_memory=compute.device.type == "cuda",
    )
    return iter(loader)


class _Decoder(Dataset[tuple[Tensor, str | None]]):
    """Pixels of one video and what was wrong with them; a broken video has no frames."""

    def __init__(self, root: Path, videos: Sequence[Video], preprocess: Preprocess, max_frames: int) -> None:
        self.folders = {split: FrameFolder(root, split) for split in {video.split for video in videos}}
        self.videos = videos
        self.preprocess = preprocess
        self.max_frames = max_frames

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> tuple[Tensor, str | None]:
        video = self.videos[index]
        try:
            pixels_NCHW = self.folders[video.split].read(
                video.id, lambda count: uniform_indices(count, self.max_frames), self.preprocess
            )
        except DataError as error:
            side = self.preprocess.crop
            return torch.zeros(0, 3, side, side, dtype=torch.uint8), str(error)
        return torch.from_numpy(pixels_NCHW), None
