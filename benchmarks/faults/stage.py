"""A run's process for the faults: `engine.run` with a stage that keeps books of what it was told is safe.

    python -m benchmarks.faults.stage RUN_DIR

Books, beside the records: `acked`, the last step for which `log` has returned; `launches`, a line for each process.
`kind: log` logs at a pace; `kind: train` is the real training loop with its checkpoints around a model of two layers.
`starve: {what, step}` takes something away from the first attempt once that step is logged, see `starving`.
"""

import os
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat

from ruamel.yaml import YAML

from benchmarks.faults import starving
from engine.recorder import Recorder, StopRequested
from engine.run import run_stage
from engine.stages.context import RunContext

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from engine.data.videos import BatchSize, Step

LAUNCHES, ACKED = "launches", "acked"
STEP = struct.Struct("<q")


class Books:
    """Wraps a recorder's `log` and `resumed` so that what was acknowledged is known after a kill."""

    def __init__(self, context: RunContext, starve: dict[str, Any] | None) -> None:
        self._starve = None if context.resumed else starve
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        fd = os.open(context.run_dir / LAUNCHES, flags)
        os.write(fd, f"{context.recorder.attempt} {os.getpid()}\n".encode())
        os.close(fd)
        self._fd = os.open(context.run_dir / ACKED, os.O_WRONLY | os.O_CREAT)
        self._log, self._resumed = context.recorder.log, context.recorder.resumed
        # The recorder as the stage has it, each call also noted in the book that is compared after the kill.
        context.recorder.log = self.log  # type: ignore[method-assign]
        context.recorder.resumed = self.resumed  # type: ignore[method-assign]

    def log(self, step: int, values: Mapping[str, SupportsFloat]) -> None:
        self._log(step, values)
        os.pwrite(self._fd, STEP.pack(step), 0)
        if self._starve is not None and step == self._starve["step"]:
            starving.KINDS[self._starve["what"]]()

    def resumed(self, step: int) -> None:
        os.pwrite(self._fd, STEP.pack(step), 0)  # first: what lies behind it is about to be void
        self._resumed(step)


def stage(context: RunContext) -> None:
    """What the run's config asks for."""
    config = YAML(typ="safe", pure=True).load(context.run_dir / "config.yaml")
    Books(context, config.get("starve"))
    (train if config["kind"] == "train" else log)(config, context)


def log(config: dict[str, Any], context: RunContext) -> None:
    """Points at a pace, from where the last process of the run came to."""
    recorder, pause = context.recorder, threading.Event()
    if context.resumed:
        recorder.resumed(-1)
    rate, begin = config.get("rate"), time.monotonic()
    keys = [f"train/{name}" for name in ("loss", "lr", "norm", "speed", "wait")]
    for step in range(config["steps"]):
        recorder.log(step, dict.fromkeys(keys, float(step)))
        recorder.progress(step + 1, config["steps"])
        pause.wait(max(0.0, begin + step / rate - time.monotonic()) if rate else config["pause"])
        if recorder.should_stop():
            raise StopRequested


def train(config: dict[str, Any], context: RunContext) -> None:
    """The real loop: optimiser, schedule, averaged weights, evaluations, checkpoints, resumption."""
    import torch

    from engine.config.base import Checkpoints
    from engine.config.training import ClassifierTraining
    from engine.training.device import Compute
    from engine.training.trainer import Trainer

    torch.manual_seed(config["seed"])
    torch.set_num_threads(1)
    Trainer(
        Toy(config, context.recorder),
        ClassifierTraining(epochs=config["epochs"], ema=0.9),
        Checkpoints(every_steps=config["every_steps"], keep=2),
        compute=Compute(torch.device("cpu"), "fp32"),
        recorder=context.recorder,
        folder=context.checkpoints,
        seed=config["seed"],
    ).run(resume=context.resumed)


class Toy:
    """A task of random numbers; `width` sets how long a checkpoint takes to write."""

    def __init__(self, config: dict[str, Any], recorder: Recorder) -> None:
        from torch import nn

        width = config["width"]
        self.width, self.pause, self.recorder = width, config["pause"], recorder
        self.workers: int = config.get("workers", 0)
        self.model: nn.Module = nn.Sequential(
            nn.Linear(16, width), nn.Dropout(0.1), nn.Linear(width, width), nn.Linear(width, 4)
        )

    def part_of(self, parameter: str) -> str:
        return "other"

    def steps_per_epoch(self) -> int:
        return 20

    def data_fingerprint(self) -> str:
        return "toy"

    def batches(self, epoch: int, start: int) -> "Iterator[Step[Any]]":
        import numpy as np

        from engine.data.videos import load_steps

        plan = [np.full(8, epoch * 1000 + position) for position in range(start, self.steps_per_epoch())]
        return load_steps(
            _Maker(), plan, seed=0, epoch=epoch, workers=self.workers, pin=False, note=_no_problem
        )

    def backward(self, step: "Step[Any]", scaler: "torch.amp.GradScaler") -> "dict[str, Tensor]":
        from torch import nn

        threading.Event().wait(self.pause)
        inputs, labels = step.parts[0]
        loss = nn.functional.cross_entropy(self.model(inputs), labels)
        scaler.scale(loss).backward()
        return {"loss": loss.detach()}

    def evaluate(self, model: "nn.Module", *, step: int, epoch: int) -> float | None:
        import torch

        from engine.data.taxonomy import Taxonomy

        inputs, labels = _data(-1)
        with torch.no_grad():
            chosen = model.eval()(inputs).argmax(dim=1)
        model.train()
        taxonomy = Taxonomy.from_codes(["0101", "0102", "0201", "0202"], {})
        return self.recorder.evaluation(
            split="val",
            y_true=labels.numpy(),
            y_pred=chosen.numpy(),
            taxonomy=taxonomy,
            step=step,
            epoch=epoch,
        ).f1_mean

    def save(self, folder: Path, model: "nn.Module") -> None:
        from safetensors.torch import save_model

        save_model(model, str(folder / "model.safetensors"))

    def load(self, folder: Path, model: "nn.Module") -> None:
        from safetensors.torch import load_model

        load_model(model, str(folder / "model.safetensors"))


class _Maker:
    """Batches of random numbers, made in a data worker where there are any."""

    def batch(
        self, rows: "NDArray[np.int64]", *, seed: int, epoch: int | None
    ) -> "tuple[BatchSize, tuple[Tensor, Tensor], list[str]]":
        from engine.data.videos import BatchSize

        return BatchSize(8, 8, 8, 8), _data(int(rows[0])), []


def _no_problem(problem: str) -> None:
    raise AssertionError(problem)


def _data(seed: int) -> "tuple[Tensor, Tensor]":
    import torch

    generator = torch.Generator().manual_seed(seed + 10)
    return torch.randn(8, 16, generator=generator), torch.randint(0, 4, (8,), generator=generator)


def command(run_dir: Path) -> list[str]:
    """The command line of a run's process."""
    return [sys.executable, "-m", "benchmarks.faults.stage", str(run_dir)]


def main(run: Callable[[RunContext], None] = stage) -> int:
    """Carry out the run of the directory on the command line."""
    return run_stage(Path(sys.argv[1]), run)


if __name__ == "__main__":
    sys.exit(main())
