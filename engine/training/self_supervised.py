"""What pre-training stages train: a model that returns its own losses, on videos whose labels nobody looks at."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from engine.config.stages import ContrastConfig, PretrainConfig
from engine.data.batches import bucketed_batches
from engine.data.pool import VideoPool
from engine.data.skipping import SkipLimit
from engine.data.videos import BatchMaker, Step, load_steps
from engine.errors import ConfigError
from engine.models.checkpoint import load_weights, save_checkpoint
from engine.training.device import Compute


class Movable(Protocol):
    """A batch."""

    def to(self, device: torch.device) -> Self:
        """The batch on `device`."""


Batch = TypeVar("Batch", bound=Movable)


class SelfSupervisedTask(Generic[Batch]):
    """Every video of a pool once an epoch; the losses are those that `model(batch)` returns, `loss` is minimised.

    Negatives are the videos of one forward pass, over all processes: every pass of a step has equally many, so up to
    `accumulate` x processes - 1 videos of an epoch's last batch are left out.

    Args:
        maker: makes batches of the pool's rows.
        lengths: sequence length of every video.
        part_of: from a parameter's name to its learning-rate part.
        description: what the model is, to be saved beside its weights.

    Raises:
        ConfigError: the batch size cannot be cut into equal parts.
    """

    def __init__(
        self,
        config: PretrainConfig | ContrastConfig,
        model: nn.Module,
        pool: VideoPool,
        maker: BatchMaker[Batch],
        lengths: NDArray[np.int64],
        *,
        part_of: Callable[[str], str],
        description: Mapping[str, Any],
        tokenizer: PreTrainedTokenizerBase,
        compute: Compute,
    ) -> None:
        self.config = config
        self.model = model
        self.pool = pool
        self.maker = maker
        self.lengths = lengths
        self.part_of = part_of
        self.description = dict(description)
        self.tokenizer = tokenizer
        self.compute = compute
        self._skips = SkipLimit(len(pool), on_error=config.data.on_error, max_skipped=config.data.max_skipped)
        self._parts = config.training.accumulate * compute.processes.count
        if config.training.batch_size % self._parts:
            raise ConfigError(
                f"training.batch_size: {config.training.batch_size} cannot be cut into {self._parts} equal parts "
                "(accumulate x processes); choose a multiple"
            )

    def steps_per_epoch(self) -> int:
        full, rest = divmod(len(self.pool), self.config.training.batch_size)
        return full + (rest >= self._parts)

    def data_fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        return self.pool.fingerprint()

    def batches(self, epoch: int, start: int) -> Iterator[Step[Batch]]:
        seed = self.config.seed
        plan = bucketed_batches(self.lengths, self.config.training.batch_size, seed=seed, epoch=epoch)
        equal = [rows[: len(rows) // self._parts * self._parts] for rows in plan]
        return load_steps(
            self.maker,
            [rows for rows in equal if len(rows)][start:],
            seed=seed,
            epoch=epoch,
            workers=self.config.data.workers,
            pin=self.compute.device.type == "cuda",
            note=self._skips.note,
            accumulate=self.config.training.accumulate,
            rank=self.compute.processes.rank,
            processes=self.compute.processes.count,
        )

    def backward(self, step: Step[Batch], scaler: torch.amp.GradScaler) -> dict[str, Tensor]:
        sums: dict[str, Tensor] = {}
        for number, host_batch in enumerate(step.parts):
            with self.compute.autocast():
                values: dict[str, Tensor] = self.model(host_batch.to(self.compute.device))
            share = step.share(number)
            torch.autograd.backward(scaler.scale(values["loss"] * share))
            for name, value in values.items():
                sums[name] = sums.get(name, 0) + value.detach() * share
        return sums

    def evaluate(self, model: nn.Module, *, step: int, epoch: int) -> float | None:
        return None

    def save(self, folder: Path, model: nn.Module) -> None:
        save_checkpoint(folder, model, self.description, self.tokenizer)

    def load(self, folder: Path, model: nn.Module) -> None:
        load_weights(model, folder)
