"""pretrain: one encoder learns text and frames from videos without labels, by five tasks at once."""

import logging

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from engine.config.stages import PretrainConfig
from engine.data.features import FeatureStore
from engine.data.pool import load_pool
from engine.data.pretraining import PretrainingBatch, PretrainingBatches, Vocabulary
from engine.data.videos import StoredFrames
from engine.errors import DataError
from engine.models.checkpoint import load_weights
from engine.models.pretrained import load_text_encoder
from engine.models.pretraining import SingleStreamPretraining
from engine.stages.context import RunContext
from engine.stages.fit import check_positions, fit
from engine.training.device import Compute, choose_compute
from engine.training.memory import checkpoint_activations, compile_encoders
from engine.training.self_supervised import SelfSupervisedTask

log = logging.getLogger(__name__)


def run(config: PretrainConfig, context: RunContext) -> None:
    """Train on every video of the splits, keep the newest checkpoints."""
    torch.manual_seed(config.seed)
    compute = choose_compute(config.gpus, config.training.precision)
    task = make_task(config, context, compute)
    log.info(
        "%s on %s: %d videos, %d tokens, %d frames an epoch, %.1fM parameters",
        config.name,
        compute.name,
        len(task.pool),
        task.pool.segment_lengths().sum(),
        task.pool.frame_counts().sum(),
        sum(weight.numel() for weight in task.model.parameters()) / 1e6,
    )
    fit(task, config, context, compute)


def make_task(
    config: PretrainConfig, context: RunContext, compute: Compute
) -> SelfSupervisedTask[PretrainingBatch]:
    """Data and model of a run.

    Raises:
        ConfigError: settings do not fit the models.
        DataError: data, models or the weights to start from cannot be used.
    """
    workspace = context.workspace
    data = config.data
    text, tokenizer = load_text_encoder(workspace.model(config.model.text))
    check_positions(text, data)
    frames = StoredFrames(FeatureStore.open(workspace.resolve(config.inputs.features)), data.max_frames)
    pool = load_pool(data, workspace.resolve(data.root), workspace.cache, tokenizer, lambda _: frames)
    maker = PretrainingBatches(
        pool, config.tasks, vocabulary_of(tokenizer, text.config.vocab_size), data.max_tokens, data.max_frames
    )
    model = SingleStreamPretraining(
        text,
        frame_size=frames.shape[0],
        tasks=config.tasks,
        max_frames=data.max_frames,
        processes=compute.processes,
    )
    if config.inputs.init is not None:
        load_weights(model, workspace.resolve(config.inputs.init))
        log.info("weights from %s", config.inputs.init)
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
        part_of=lambda name: "text" if name.startswith("text.") else "other",
        description={
            "kind": "pretrain",
            "text_config": text.config.to_dict(),
            "frame_size": frames.shape[0],
            "max_tokens": data.max_tokens,
            "max_frames": data.max_frames,
            "tasks": config.tasks.model_dump(),
        },
        tokenizer=tokenizer,
        compute=compute,
    )


def vocabulary_of(tokenizer: PreTrainedTokenizerBase, size: int) -> Vocabulary:
    """What masking needs to know of a tokenizer.

    Args:
        size: number of word embeddings; those beyond the tokenizer's words are nobody's.

    Raises:
        DataError: it has no [MASK].
    """
    if tokenizer.mask_token_id is None:
        raise DataError(
            f"tokenizer {tokenizer.name_or_path}: has no [MASK] token; choose a BERT-like text encoder"
        )
    special = np.arange(size) >= len(tokenizer)
    special[tokenizer.all_special_ids] = True
    return Vocabulary(tokenizer.mask_token_id, special)
