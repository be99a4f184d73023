"""The training loop: one place that shows, in order, all that happens in a step.

Shapes: see `engine.models.single_stream`.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from engine.config.base import Checkpoints
from engine.config.training import Training
from engine.data.videos import Step
from engine.errors import DataError
from engine.format import brief, duration, number
from engine.recorder import Recorder, StopRequested
from engine.training.checkpoints import TRAINER_FILE, CheckpointFolder, Saved
from engine.training.device import Compute
from engine.training.ema import WeightAverage
from engine.training.meter import Meter
from engine.training.optimizer import make_optimizer, make_schedule, parameter_groups

log = logging.getLogger(__name__)


class Task(Protocol):
    """What a stage trains: its data in order, its loss with gradients, its evaluation."""

    @property
    def model(self) -> nn.Module:
        """What is trained."""

    def part_of(self, parameter: str) -> str:
        """The learning-rate part that a parameter belongs to."""

    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch, the same for all epochs."""

    def data_fingerprint(self) -> str:
        """Hash of what is trained and validated on: a resumed run must see the same."""

    def batches(self, epoch: int, start: int) -> Iterator[Step[Any]]:
        """Steps of an epoch from the `start`-th on; order and content depend on seed and epoch alone."""

    def backward(self, step: Step[Any], scaler: torch.amp.GradScaler) -> dict[str, Tensor]:
        """Accumulate the gradients of this process's parts of a step, so that summed over the processes they are
        those of the whole step's loss; returns this process's share of the losses by name, on the device, detached.
        """

    def evaluate(self, model: nn.Module, *, step: int, epoch: int) -> float | None:
        """Score `model`, report it, and return its F1-mean; None where there is nothing to score on.

        Raises:
            StopRequested: asked to stop before anything was reported.
        """

    def save(self, folder: Path, model: nn.Module) -> None:
        """Write `model` so that it can be used without this run."""

    def load(self, folder: Path, model: nn.Module) -> None:
        """Load what `save` wrote into `model`."""


class Trainer:
    """Runs a task for its epochs, resumable at every step.

    The random choices of a step derive from (seed, step), so that a resumed run makes the same ones.
    """

    def __init__(
        self,
        task: Task,
        training: Training,
        checkpoints: Checkpoints,
        *,
        compute: Compute,
        recorder: Recorder,
        folder: Path,
        seed: int,
    ) -> None:
        self.task = task
        self.training = training
        self.checkpoints = checkpoints
        self.compute = compute
        self.recorder = recorder
        self.seed = seed
        self.steps_per_epoch = task.steps_per_epoch()
        self.total_steps = self.steps_per_epoch * training.epochs
        rates = training.lr.model_dump()
        self.optimizer = make_optimizer(
            parameter_groups(task.model, task.part_of, rates, training.weight_decay)
        )
        self.schedule = make_schedule(
            self.optimizer, training.schedule, warmup=training.warmup, total_steps=self.total_steps
        )
        self.scaler = compute.grad_scaler()
        self.ema = WeightAverage(task.model, training.ema) if training.ema is not None else None
        self.evaluate_every = getattr(training, "evaluate_every", None)
        self.saved = CheckpointFolder(folder, recorder, keep=checkpoints.keep)
        self.step = 0
        # True between the end of an epoch's steps and the end of its evaluation.
        self._to_evaluate = False
        self._loss: Tensor | None = None

    def run(self, *, resume: bool) -> None:
        """Train to the end.

        Raises:
            StopRequested: asked to stop; a checkpoint of this very step was written.
            FloatingPointError: the loss is no longer a number.
            DataError: what to resume from is broken, or of other data.
        """
        if resume:
            self._resume()
        while self._to_evaluate or self.step < self.total_steps:
            if not self._to_evaluate:
                self._train_until_evaluation(self.step // self.steps_per_epoch)
                self._to_evaluate = True
            self._evaluate()

    def _evaluate(self) -> None:
        """Evaluate what the steps so far have made; save it where it is due, the best, or the run is to stop."""
        epoch, within = divmod(self.step, self.steps_per_epoch)
        model = self.ema.module if self.ema else self.task.model
        try:
            f1_mean = self.task.evaluate(model, step=self.step, epoch=epoch)
        except StopRequested:
            self._save(epoch, kind="last")
            raise
        self._to_evaluate = False
        best = self.saved.candidate(self.step, f1_mean)[0] == self.step
        last = self.step == self.total_steps
        stop = self._should_stop() and not last
        due = self._checkpoint_due() if within else epoch % self.checkpoints.every_epochs == 0
        if last or best or stop or due:
            self._save(epoch, kind="last" if within else "epoch", f1_mean=f1_mean)
        if stop:
            raise StopRequested

    def _train_until_evaluation(self, epoch: int) -> None:
        """Train to the end of the epoch, or to the next evaluation within it."""
        meter = Meter()
        start = self.step - epoch * self.steps_per_epoch
        steps = self.task.batches(epoch, start)
        processes = self.compute.processes
        self.task.model.train()
        for position in range(start, self.steps_per_epoch):
            with meter.waiting():
                step = next(steps)
            torch.manual_seed((self.seed * 1_000_003 + self.step + (processes.rank << 40)) % 2**63)

            self.optimizer.zero_grad(set_to_none=True)
            losses = self.task.backward(step, self.scaler)
            processes.sum_gradients(self.task.model.parameters())
            losses = {name: processes.sum_(loss) for name, loss in losses.items()}
            self._loss = losses["loss"]
            self.scaler.unscale_(self.optimizer)
            grad_norm = nn.utils.get_total_norm(
                [p.grad for p in self.task.model.parameters() if p.grad is not None]
            )
            if self.training.clip_grad_norm is not None:
                nn.utils.clip_grads_with_norm_(
                    self.task.model.parameters(), self.training.clip_grad_norm, grad_norm
                )
            rates = {f"lr/{group['part']}": float(group["lr"]) for group in self.optimizer.param_groups}
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.schedule.step()
            if self.ema:
                self.ema.update(self.task.model)
            self.step += 1

            meter.add(step.size())
            values: dict[str, float | Tensor] = {f"train/{name}": loss for name, loss in losses.items()}
            values["train/grad_norm"] = grad_norm
            values.update(rates | meter.rates() | self._device_memory())
            self.recorder.log(self.step, values)
            self.recorder.progress(self.step, self.total_steps, unit="step")
            if meter.line_due() or position + 1 == self.steps_per_epoch:
                self._log_line(epoch, meter)

            if position + 1 < self.steps_per_epoch:
                if self.evaluate_every is not None and self.step % self.evaluate_every == 0:
                    return  # what is due here, a checkpoint or a stop, comes after the evaluation
                if self._should_stop():
                    self._save(epoch, kind="last")
                    raise StopRequested
                if self._checkpoint_due():
                    self._save(epoch, kind="last")

    def _checkpoint_due(self) -> bool:
        every = self.checkpoints.every_steps
        return every is not None and self.step % every == 0

    def _should_stop(self) -> bool:
        return self.compute.processes.any(self.recorder.should_stop())

    def _checked_loss(self) -> float:
        """The latest loss, copied from the device.

        Raises:
            FloatingPointError: it is not a number: what made it must not be saved over good checkpoints.
        """
        value = 0.0 if self._loss is None else float(self._loss)
        if value != value:
            raise FloatingPointError(
                f"train/loss is NaN at step {self.step}: lower training.lr, or set training.precision to fp32"
            )
        return value

    def _log_line(self, epoch: int, meter: Meter) -> None:
        value = self._checked_loss()
        left = (self.total_steps - self.step) / max(meter.steps_per_second(), 1e-9)
        log.info(
            "epoch %d/%d step %d/%d loss %s %s videos/s ETA %s",
            epoch + 1,
            self.training.epochs,
            self.step,
            self.total_steps,
            number(value),
            number(meter.rates()["speed/videos"], 3),
            duration(left),
        )

    def _device_memory(self) -> dict[str, float]:
        if self.compute.device.type != "cuda":
            return {}
        return {"train/gpu_memory_gib": torch.cuda.max_memory_allocated(self.compute.device) / 2**30}

    def _save(self, epoch: int, *, kind: str, f1_mean: float | None = None) -> None:
        self._checked_loss()
        if not self.compute.processes.main:
            self.saved.note(self.step, f1_mean)
            self.compute.processes.wait()
            return
        best_step, best_f1_mean = self.saved.candidate(self.step, f1_mean)
        state: dict[str, Any] = {
            "step": self.step,
            "epoch": epoch,
            "data": self.task.data_fingerprint(),
            "kind": kind,
            "to_evaluate": self._to_evaluate,
            "f1_mean": f1_mean,
            "best_step": best_step,
            "best_f1_mean": best_f1_mean,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
        }
        if self.ema:
            state |= {"ema_updates": self.ema.updates, "model": self.task.model.state_dict()}
        model = self.ema.module if self.ema else self.task.model
        self.saved.save(
            lambda folder: self.task.save(folder, model),
            state,
            step=self.step,
            epoch=epoch,
            kind=kind,
            f1_mean=f1_mean,
        )
        self.compute.processes.wait()
        log.info("saved checkpoint of step %d", self.step)

    def _resume(self) -> None:
        newest = self.saved.reopen()
        if newest is None:
            self.recorder.resumed(-1)
            log.info("no checkpoint yet: starting again from step 0")
            return
        state = newest.trainer_state()
        try:
            self._take_up(newest, state)
        except torch.OutOfMemoryError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise DataError(
                f"checkpoint {newest.folder}: {TRAINER_FILE} is not of this run "
                f"({brief(f'{type(error).__name__}: {error}', 200)}); remove the folder to resume from the one before"
            ) from error
        log.info("resumed from the checkpoint of step %d", self.step)

    def _take_up(self, newest: Saved, state: dict[str, Any]) -> None:
        if state["data"] != self.task.data_fingerprint():
            raise DataError(
                "the data set, its folds or the features are not those that this run began with: "
                "put them back, or start a new run"
            )
        if self.ema:
            self.task.load(newest.folder, self.ema.module)
            self.ema.updates = state["ema_updates"]
            self.task.model.load_state_dict(state["model"])
        else:
            self.task.load(newest.folder, self.task.model)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self._to_evaluate = state["step"], state["to_evaluate"]
        self.recorder.resumed(self.step)
        self.saved.restore(newest, state)
        if self.compute.processes.main:
            self.saved.remove_old()
