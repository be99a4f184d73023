"""What the training stages share: a trainer over a run's folder, and sequences that fit the text encoder."""

from transformers import BertModel

from engine.config.base import Sequence
from engine.config.stages import ContrastConfig, FinetuneConfig, PretrainConfig
from engine.errors import ConfigError
from engine.stages.context import RunContext
from engine.training.device import Compute
from engine.training.trainer import Task, Trainer


def fit(
    task: Task,
    config: PretrainConfig | ContrastConfig | FinetuneConfig,
    context: RunContext,
    compute: Compute,
) -> Trainer:
    """Train to the end, from the newest checkpoint where the run is resumed.

    Raises:
        StopRequested: asked to stop; a checkpoint was written.
        FloatingPointError: the loss is no longer a number.
        DataError: what to resume from is broken, or of other data.
    """
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
    return trainer


def check_positions(text: BertModel, data: Sequence, *, before_frames: int = 0) -> None:
    """Refuse sequences that are longer than the encoder has positions for.

    Args:
        before_frames: positions of the frames' own sequence that come before them.

    Raises:
        ConfigError: naming both settings.
    """
    longest = text.config.max_position_embeddings
    if max(data.max_tokens, data.max_frames + before_frames) > longest:
        raise ConfigError(
            f"data.max_tokens and data.max_frames: this text encoder has {longest} positions; set both to less"
        )
