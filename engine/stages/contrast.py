"""contrast: a text tower and a vision tower learn titles and frames from one another."""

import logging

import numpy as np
import torch

from engine.config.stages import ContrastConfig
from engine.data.frames import FrameFolder
from engine.data.pool import load_pool
from engine.data.titles import TitleBatches
from engine.data.videos import DecodedFrames, VideoBatch
from engine.errors import ConfigError, DataError
from engine.models.dual_encoder import DualEncoder
from engine.models.pretrained import load_text_encoder, load_vision_backbone, preprocess_of
from engine.models.vision import FrameEncoder
from engine.stages.context import RunContext
from engine.stages.fit import fit
from engine.training.device import Compute, choose_compute
from engine.training.memory import checkpoint_activations, compile_encoders
from engine.training.self_supervised import SelfSupervisedTask

log = logging.getLogger(__name__)

_RATE_OF_MODULE = {"text": "text", "vision": "vision", "logit_scale": "scale"}


def run(config: ContrastConfig, context: RunContext) -> None:
    """Train on every video with a title, keep the newest checkpoints."""
    torch.manual_seed(config.seed)
    compute = choose_compute(config.gpus, config.training.precision)
    task = make_task(config, context, compute)
    log.info(
        "%s on %s: %d videos with titles, %d tokens an epoch, %.1fM parameters",
        config.name,
        compute.name,
        len(task.pool),
        task.lengths.sum(),
        sum(weight.numel() for weight in task.model.parameters()) / 1e6,
    )
    fit(task, config, context, compute)


def make_task(
    config: ContrastConfig, context: RunContext, compute: Compute
) -> SelfSupervisedTask[VideoBatch]:
    """Data and model of a run.

    Raises:
        ConfigError: settings do not fit the models.
        DataError: data or models cannot be used, or no video has a title.
    """
    workspace = context.workspace
    data = config.data
    root = workspace.resolve(data.root)
    text, tokenizer = load_text_encoder(workspace.model(config.model.text))
    if data.max_tokens > text.config.max_position_embeddings:
        raise ConfigError(
            f"data.max_tokens: this text encoder has {text.config.max_position_embeddings} positions; set it to less"
        )
    name = workspace.model(config.model.vision)
    backbone = load_vision_backbone(name)
    preprocess = preprocess_of(name, backbone, config.model.preprocessing.statistics)
    pool = load_pool(
        data,
        root,
        workspace.cache,
        tokenizer,
        lambda split: DecodedFrames(FrameFolder(root, split), preprocess, data.max_frames),
    )
    titled = np.flatnonzero(pool.segment_lengths()[:, 0])
    if not len(titled):
        raise DataError(f"{root}: no video has a title; there is nothing to hold the frames against")
    pool = pool.only(titled)
    maker = TitleBatches(pool, data.max_tokens)
    vision = FrameEncoder(backbone, preprocess.mean, preprocess.std)
    model = DualEncoder(text, vision, processes=compute.processes)
    if config.training.checkpoint_activations:
        checkpoint_activations(model)
    if config.training.compile:
        compile_encoders(model)
    return SelfSupervisedTask(
        config,
        model.to(compute.device),
        pool,
        maker,
        maker.lengths(),
        part_of=lambda name: _RATE_OF_MODULE.get(name.partition(".")[0], "other"),
        description={
            "kind": "contrast",
            "text_config": text.config.to_dict(),
            "vision_config": backbone.config.to_dict(),
            "max_tokens": data.max_tokens,
            "max_frames": data.max_frames,
            "resize": preprocess.resize,
            "crop": preprocess.crop,
            "pixel_mean": list(preprocess.mean),
            "pixel_std": list(preprocess.std),
        },
        tokenizer=tokenizer,
        compute=compute,
    )
