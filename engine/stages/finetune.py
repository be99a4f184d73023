"""finetune: train a classifier on labelled videos, from stored features or from the frames.

Shapes: see `engine.data.videos`.
"""

import json
import logging
from dataclasses import asdict

import torch

from engine.config.stages import FinetuneConfig
from engine.data.annotations import load_annotations
from engine.data.features import FeatureStore
from engine.data.frames import FrameFolder, Preprocess
from engine.data.predictions import write_predictions
from engine.data.text import load_tokens
from engine.data.videos import DecodedFrames, FrameSource, StoredFrames, Videos
from engine.errors import ConfigError
from engine.models.checkpoint import ClassifierSpec, load_vision_tower, load_weights
from engine.models.initialise import initialise_from, part_of
from engine.models.pretrained import load_text_encoder, load_vision_backbone, preprocess_of
from engine.models.single_stream import SingleStreamClassifier
from engine.models.two_stream import TwoStreamClassifier
from engine.models.vision import FrameEncoder
from engine.stages.context import RunContext
from engine.stages.fit import check_positions, fit
from engine.training.classification import ClassificationTask
from engine.training.device import Compute, choose_compute
from engine.training.memory import checkpoint_activations, compile_encoders

log = logging.getLogger(__name__)
Model = SingleStreamClassifier | TwoStreamClassifier


def run(config: FinetuneConfig, context: RunContext) -> None:
    """Train, evaluate every epoch, keep the best and the newest checkpoints, classify the validation fold."""
    torch.manual_seed(config.seed)
    compute = choose_compute(config.gpus, config.training.precision)
    task = make_task(config, context, compute)
    log.info(
        "%s on %s: %d training and %d validation videos, %d classes, %.1fM parameters, %.1fM of them trained",
        config.name,
        compute.name,
        len(task.train_rows),
        len(task.valid_rows),
        len(task.taxonomy.codes),
        sum(weight.numel() for weight in task.model.parameters()) / 1e6,
        sum(weight.numel() for weight in task.model.parameters() if weight.requires_grad) / 1e6,
    )
    trainer = fit(task, config, context, compute)
    best = trainer.saved.best
    if best is not None:
        _write_validation(task, context, best.folder.name, trainer.saved.best_f1_mean)


def make_task(config: FinetuneConfig, context: RunContext, compute: Compute) -> ClassificationTask:
    """Data, folds and model of a run."""
    workspace = context.workspace
    root = workspace.resolve(config.data.root)
    table = load_annotations(
        root / "annotations" / "labeled.json",
        workspace.cache,
        on_error=config.data.on_error,
        max_skipped=config.data.max_skipped,
    )
    name = workspace.model(config.model.text)
    text, tokenizer = load_text_encoder(name)
    frames, vision, preprocess = _frames(config, context)
    # The video stream of a two-stream model has a [CLS] of its own before the frames.
    check_positions(text, config.data, before_frames=int(config.model.kind == "two_stream"))
    spec = ClassifierSpec(
        kind=config.model.kind,
        text_config=text.config.to_dict(),
        vision_config=vision.backbone.config.to_dict() if vision else None,
        frame_size=vision.frame_size if vision else frames.shape[0],
        pooling=config.model.pooling,
        taxonomy=table.taxonomy.to_dict(),
        max_tokens=config.data.max_tokens,
        max_frames=config.data.max_frames,
        resize=preprocess.resize if preprocess else 0,
        crop=preprocess.crop if preprocess else 0,
        pixel_mean=tuple(preprocess.mean) if preprocess else (),
        pixel_std=tuple(preprocess.std) if preprocess else (),
        video_layers=config.model.video_layers,
        cross_layers=config.model.cross_layers,
    )
    model = spec.assemble(text, vision)
    _initialise(config, context, model)
    _freeze(config, model)
    if config.training.checkpoint_activations:
        checkpoint_activations(model)
    if config.training.compile:
        compile_encoders(model)
    videos = Videos(
        ids=table.ids,
        labels=table.labels,
        tokens=load_tokens(table, tokenizer, workspace.cache),
        frames=frames,
        max_tokens=config.data.max_tokens,
        packed=config.model.kind == "single_stream" and config.model.pooling == "masked_mean",
    )
    return ClassificationTask(
        config, model.to(compute.device), videos, table.taxonomy, spec, tokenizer, compute, context.recorder
    )


def _frames(
    config: FinetuneConfig, context: RunContext
) -> tuple[FrameSource, FrameEncoder | None, Preprocess | None]:
    """Where frames come from; a vision backbone and its preprocessing where they are pixels."""
    workspace = context.workspace
    if config.inputs.features is not None:
        if config.inputs.vision is not None:
            raise ConfigError(
                "inputs.vision: has no use beside inputs.features; extract the features with it, or leave them out"
            )
        store = FeatureStore.open(workspace.resolve(config.inputs.features))
        return StoredFrames(store, config.data.max_frames), None, None
    if config.inputs.vision is not None:
        backbone, preprocess = load_vision_tower(workspace.resolve(config.inputs.vision))
    elif config.model.vision is not None:
        name = workspace.model(config.model.vision)
        backbone = load_vision_backbone(name)
        preprocess = preprocess_of(name, backbone, config.model.preprocessing.statistics)
    else:
        raise ConfigError(
            "model.vision: missing; name a vision backbone, or give inputs.features an extract run"
        )
    vision = FrameEncoder(backbone, preprocess.mean, preprocess.std)
    if config.model.trainable_vision_layers is not None:
        vision.train_last_layers(config.model.trainable_vision_layers)
    folder = FrameFolder(workspace.resolve(config.data.root), "labeled")
    return DecodedFrames(folder, preprocess, config.data.max_frames), vision, preprocess


def _initialise(config: FinetuneConfig, context: RunContext, model: Model) -> None:
    """Take another run's weights, and print and record which."""
    if config.inputs.init is None:
        if config.model.init_parts is not None:
            raise ConfigError("model.init_parts: has no use without inputs.init; name the run to start from")
        return
    done = initialise_from(model, context.workspace.resolve(config.inputs.init), config.model.init_parts)
    log.info("weights from %s: %s", config.inputs.init, done.summary())
    report = context.artifacts / "init.json"
    report.write_text(json.dumps({"source": config.inputs.init} | asdict(done), indent=1))
    context.recorder.artifact(
        "init", report, loaded=len(done.loaded), left_out=len(done.left_out), new=len(done.new)
    )


def _freeze(config: FinetuneConfig, model: Model) -> None:
    parts = {part_of(name) for name, _ in model.named_parameters()}
    for part in config.model.freeze:
        if part not in parts:
            raise ConfigError(
                f"model.freeze: this model has no part {part}; it has {', '.join(sorted(parts))}"
            )
    for name, weight in model.named_parameters():
        if part_of(name) in config.model.freeze:
            weight.requires_grad_(False)


def _write_validation(
    task: ClassificationTask, context: RunContext, checkpoint: str, f1_mean: float | None
) -> None:
    """The best checkpoint's probabilities of the validation fold: what ensembles are weighted on."""
    load_weights(task.model, context.checkpoints / checkpoint)
    probabilities_NC, _ = task.classify(task.model)
    if not task.compute.processes.main:
        return
    folder = context.artifacts / "predictions-val"
    rows = task.valid_rows
    meta = {"fold": task.config.data.fold, "checkpoint": checkpoint, "f1_mean": f1_mean}
    ids = task.videos.ids[rows].tolist()
    write_predictions(folder, ids, probabilities_NC, task.taxonomy, labels=task.videos.labels[rows], **meta)
    context.recorder.artifact("validation", folder, split="val", videos=len(rows), **meta)
