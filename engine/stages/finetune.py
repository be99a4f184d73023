"""finetune: train a single-stream classifier on labelled videos, from stored features or from the frames.

Shapes: see `engine.data.videos`.
"""

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from engine.config.stages import FinetuneConfig
from engine.data.annotations import load_annotations
from engine.data.features import FeatureStore
from engine.data.frames import FrameFolder
from engine.data.skipping import SkipLimit
from engine.data.splits import stratified_folds
from engine.data.taxonomy import Taxonomy
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
from engine.models.checkpoint import ClassifierSpec, load_weights, save_classifier
from engine.models.pretrained import load_text_encoder, load_vision_backbone, preprocess_of
from engine.models.single_stream import SingleStreamClassifier
from engine.models.vision import FrameEncoder
from engine.recorder import Recorder, StopRequested
from engine.stages.context import RunContext
from engine.training.adversarial import FastGradientMethod
from engine.training.device import Compute, choose_compute
from engine.training.trainer import Trainer

log = logging.getLogger(__name__)


def run(config: FinetuneConfig, context: RunContext) -> None:
    """Train, evaluate every epoch, keep the best and the newest checkpoints."""
    torch.manual_seed(config.seed)
    compute = choose_compute(config.gpus, config.training.precision)
    task = make_task(config, context, compute)
    log.info(
        "%s on %s: %d training and %d validation videos, %d classes, %.1fM parameters",
        config.name,
        compute.name,
        len(task.train_rows),
        len(task.valid_rows),
        len(task.taxonomy.codes),
        sum(parameter.numel() for parameter in task.model.parameters()) / 1e6,
    )
    trainer = Trainer(
        task,
        config.training,
        config.checkpoints,
        compute=compute,
        recorder=context.recorder,
        folder=context.checkpoints,
        seed=config.seed,
    )
    trainer.run(resume=context.resumed)


def make_task(config: FinetuneConfig, context: RunContext, compute: Compute) -> "ClassificationTask":
    """Data, folds and model of a run."""
    workspace = context.workspace
    root = workspace.resolve(config.data.root)
    cache = workspace.cache
    table = load_annotations(
        root / "annotations" / "labeled.json",
        cache,
        on_error=config.data.on_error,
        max_skipped=config.data.max_skipped,
    )
    taxonomy = table.taxonomy
    text, tokenizer = load_text_encoder(workspace.model(config.model.text))

    frames: FrameSource
    vision = None
    preprocess = None
    if config.inputs.features is not None:
        frames = StoredFrames(
            FeatureStore.open(workspace.resolve(config.inputs.features)), config.data.max_frames
        )
        frame_size = frames.shape[0]
    elif config.model.vision is not None:
        name = workspace.model(config.model.vision)
        backbone = load_vision_backbone(name)
        preprocess = preprocess_of(name, backbone, config.model.preprocessing.statistics)
        vision = FrameEncoder(backbone, preprocess.mean, preprocess.std)
        frames = DecodedFrames(FrameFolder(root, "labeled"), preprocess, config.data.max_frames)
        frame_size = vision.frame_size
    else:
        raise ConfigError(
            "model.vision: missing; name a vision backbone, or give inputs.features an extract run"
        )

    longest = text.config.max_position_embeddings
    if max(config.data.max_tokens, config.data.max_frames) > longest:
        raise ConfigError(
            f"data.max_tokens and data.max_frames: this text encoder has {longest} positions; set both to at most that"
        )
    model = SingleStreamClassifier(
        text,
        frame_size=frame_size,
        classes=len(taxonomy.codes),
        pooling=config.model.pooling,
        vision=vision,
    )
    if config.inputs.init is not None:
        load_weights(model, workspace.resolve(config.inputs.init))
        log.info("weights from %s", config.inputs.init)
    spec = ClassifierSpec(
        kind=config.model.kind,
        text_config=text.config.to_dict(),
        vision_config=vision.backbone.config.to_dict() if vision else None,
        frame_size=frame_size,
        pooling=config.model.pooling,
        taxonomy=taxonomy.to_dict(),
        max_tokens=config.data.max_tokens,
        max_frames=config.data.max_frames,
        resize=preprocess.resize if preprocess else 0,
        crop=preprocess.crop if preprocess else 0,
        pixel_mean=tuple(preprocess.mean) if preprocess else (),
        pixel_std=tuple(preprocess.std) if preprocess else (),
    )
    videos = Videos(
        ids=table.ids,
        labels=table.labels,
        tokens=load_tokens(table, tokenizer, cache),
        frames=frames,
        max_tokens=config.data.max_tokens,
    )
    return ClassificationTask(
        config, model.to(compute.device), videos, taxonomy, spec, tokenizer, compute, context.recorder
    )


class ClassificationTask:
    """Cross-entropy on leaf classes, scored at every level of the taxonomy."""

    def __init__(
        self,
        config: FinetuneConfig,
        model: SingleStreamClassifier,
        videos: Videos,
        taxonomy: Taxonomy,
        spec: ClassifierSpec,
        tokenizer: PreTrainedTokenizerBase,
        compute: Compute,
        recorder: Recorder,
    ) -> None:
        self.config = config
        self.model = model
        self.videos = videos
        self.taxonomy = taxonomy
        self.spec = spec
        self.tokenizer = tokenizer
        self.compute = compute
        self.recorder = recorder
        self.train_rows, self.valid_rows = _split(config, videos.labels)
        adversarial = config.training.adversarial
        self.attack = (
            FastGradientMethod(model.word_embeddings, adversarial.eps) if adversarial.kind == "fgm" else None
        )
        self._skips = SkipLimit(
            len(videos.ids), on_error=config.data.on_error, max_skipped=config.data.max_skipped
        )

    def part_of(self, parameter: str) -> str:
        """`text`, `vision`, or `other` for what starts from nothing."""
        part = parameter.split(".", 1)[0]
        return part if part in ("text", "vision") else "other"

    def steps_per_epoch(self) -> int:
        return -(-len(self.train_rows) // self.config.training.batch_size)

    def data_fingerprint(self) -> str:
        digest = hashlib.sha256()
        for rows in (self.train_rows, self.valid_rows):
            digest.update("\n".join(map(str, self.videos.ids[rows])).encode())
            digest.update(self.videos.labels[rows].tobytes())
            digest.update(self.videos.lengths(rows).tobytes())
        return digest.hexdigest()

    def batches(self, epoch: int, start: int) -> Iterator[tuple[BatchSize, VideoBatch]]:
        plan = plan_batches(
            self.videos,
            self.train_rows,
            self.config.training.batch_size,
            seed=self.config.seed,
            epoch=epoch,
            shuffle=True,
        )
        return self._loaded(plan[start:], epoch)

    def backward(self, batch: VideoBatch, scaler: torch.amp.GradScaler) -> dict[str, Tensor]:
        batch = batch.to(self.compute.device)
        with self.compute.autocast():
            frames_BFV = self.model.embed_frames(batch)
        # The attack leaves the vision backbone alone, so it runs once: both passes of the encoder start from
        # these embeddings, and their summed gradient goes back through it in one sweep.
        leaf_BFV = frames_BFV.detach().requires_grad_(frames_BFV.requires_grad)
        losses = {"loss": self._accumulate(batch, leaf_BFV, scaler)}
        if self.attack is not None:
            with self.attack.perturbed():
                losses["loss_adversarial"] = self._accumulate(batch, leaf_BFV, scaler)
        if leaf_BFV.grad is not None:
            torch.autograd.backward(frames_BFV, leaf_BFV.grad)
        return losses

    def evaluate(self, model: nn.Module, *, step: int, epoch: int) -> float | None:
        if not len(self.valid_rows):
            return None
        plan = plan_batches(
            self.videos,
            self.valid_rows,
            2 * self.config.training.batch_size,
            seed=self.config.seed,
            epoch=0,
            shuffle=False,
        )
        model.eval()
        predicted = np.zeros(len(self.valid_rows), np.int64)
        place = {int(row): position for position, row in enumerate(self.valid_rows)}
        loss_sum = 0.0
        with torch.inference_mode():
            for rows, (_, host_batch) in zip(plan, self._loaded(plan, None), strict=True):
                if self.recorder.should_stop():
                    raise StopRequested
                batch = host_batch.to(self.compute.device)
                with self.compute.autocast():
                    logits_BC = model(batch)
                loss_sum += float(F.cross_entropy(logits_BC, batch.labels_B, reduction="sum"))
                predicted[[place[int(row)] for row in rows]] = logits_BC.argmax(dim=1).cpu().numpy()
        fold = self.config.data.fold
        scores = self.recorder.evaluation(
            split="val",
            fold=None if fold == "full" else fold,
            step=step,
            epoch=epoch,
            y_true=self.videos.labels[self.valid_rows],
            y_pred=predicted,
            taxonomy=self.taxonomy,
            loss=loss_sum / len(self.valid_rows),
        )
        log.info(
            "epoch %d val f1_mean %.4f %s",
            epoch,
            scores.f1_mean,
            " ".join(f"l{level.level} {level.f1_micro:.4f}/{level.f1_macro:.4f}" for level in scores.levels),
        )
        return float(scores.f1_mean)

    def save(self, folder: Path, model: nn.Module) -> None:
        assert isinstance(model, SingleStreamClassifier)
        save_classifier(folder, model, self.spec, self.tokenizer)

    def load(self, folder: Path, model: nn.Module) -> None:
        assert isinstance(model, SingleStreamClassifier)
        load_weights(model, folder)

    def _accumulate(self, batch: VideoBatch, frames_BFV: Tensor, scaler: torch.amp.GradScaler) -> Tensor:
        with self.compute.autocast():
            loss = F.cross_entropy(self.model(batch, frames_BFV), batch.labels_B)
        torch.autograd.backward(scaler.scale(loss))
        return loss.detach()

    def _loaded(
        self, plan: list[NDArray[np.int64]], epoch: int | None
    ) -> Iterator[tuple[BatchSize, VideoBatch]]:
        for size, batch, problems in load_batches(
            self.videos,
            plan,
            seed=self.config.seed,
            epoch=epoch,
            workers=self.config.data.workers,
            pin=self.compute.device.type == "cuda",
        ):
            for problem in problems:
                self._skips.note(problem)
            yield size, batch


def _split(config: FinetuneConfig, labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    data = config.data
    rows = np.flatnonzero(labels >= 0)
    if data.fold == "full":
        return rows, rows[:0]
    if data.fold >= data.folds:
        raise ConfigError(
            f"data.fold: {data.fold} is out of range; with {data.folds} folds it is 0 to {data.folds - 1}"
        )
    folds = stratified_folds(labels[rows], data.folds, data.split_seed)
    train, valid = rows[folds != data.fold], rows[folds == data.fold]
    if not len(train) or not len(valid):
        raise ConfigError(
            f"data.folds: {len(rows)} labelled videos are too few for {data.folds} folds; use fewer"
        )
    return train, valid
