"""What finetune trains: cross-entropy on leaf classes, attacked words, scores at every level of the taxonomy.

Shapes: see `engine.data.videos`.
"""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from engine.config.stages import FinetuneConfig
from engine.data.skipping import SkipLimit
from engine.data.splits import split_rows
from engine.data.taxonomy import Taxonomy
from engine.data.videos import Step, VideoBatch, Videos, load_batches, load_steps, plan_batches
from engine.models.checkpoint import ClassifierSpec, load_weights, save_classifier
from engine.models.initialise import part_of
from engine.models.single_stream import SingleStreamClassifier
from engine.models.two_stream import TwoStreamClassifier
from engine.recorder import Recorder, StopRequested
from engine.training.adversarial import make_attack
from engine.training.device import Compute

log = logging.getLogger(__name__)

_RATE_OF_PART = {"text": "text", "video": "text", "cross": "text", "vision": "vision"}


class ClassificationTask:
    """Trains on the labelled videos outside the validation fold, and scores those in it."""

    def __init__(
        self,
        config: FinetuneConfig,
        model: SingleStreamClassifier | TwoStreamClassifier,
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
        data = config.data
        self.train_rows, self.valid_rows = split_rows(videos.labels, data.fold, data.folds, data.split_seed)
        self.attack = make_attack(
            config.training.adversarial,
            model.word_embeddings,
            # The vision backbone runs once a step, so its weights cannot be moved between two passes.
            [weight for name, weight in model.named_parameters() if part_of(name) != "vision"],
            compute.processes.sum_,
        )
        self._skips = SkipLimit(
            len(videos.ids), on_error=config.data.on_error, max_skipped=config.data.max_skipped
        )

    def part_of(self, parameter: str) -> str:
        """`text` for all that attends, `vision`, or `other` for what frames enter by and the classifier."""
        return _RATE_OF_PART.get(part_of(parameter), "other")

    def steps_per_epoch(self) -> int:
        return -(-len(self.train_rows) // self.config.training.batch_size)

    def data_fingerprint(self) -> str:
        digest = hashlib.sha256()
        for rows in (self.train_rows, self.valid_rows):
            digest.update("\n".join(map(str, self.videos.ids[rows])).encode())
            digest.update(self.videos.labels[rows].tobytes())
            digest.update(self.videos.lengths(rows).tobytes())
        return digest.hexdigest()

    def batches(self, epoch: int, start: int) -> Iterator[Step[VideoBatch]]:
        training = self.config.training
        plan = plan_batches(
            self.videos,
            self.train_rows,
            training.batch_size,
            seed=self.config.seed,
            epoch=epoch,
            shuffle=True,
        )
        return load_steps(
            self.videos,
            plan[start:],
            seed=self.config.seed,
            epoch=epoch,
            workers=self.config.data.workers,
            pin=self.compute.device.type == "cuda",
            note=self._skips.note,
            accumulate=training.accumulate,
            rank=self.compute.processes.rank,
            processes=self.compute.processes.count,
        )

    def backward(self, step: Step[VideoBatch], scaler: torch.amp.GradScaler) -> dict[str, Tensor]:
        parts = []
        losses = {"loss": torch.zeros((), device=self.compute.device)}
        for number, host_batch in enumerate(step.parts):
            batch = host_batch.to(self.compute.device)
            with self.compute.autocast():
                frames_BFV = self.model.embed_frames(batch)
            # The attack leaves the vision backbone alone, so it runs once: all passes of the encoder start from
            # these embeddings, and their summed gradient goes back through it in one sweep.
            leaf_BFV = frames_BFV.detach().requires_grad_(frames_BFV.requires_grad)
            part = _Part(batch, frames_BFV, leaf_BFV, step.share(number))
            losses["loss"] += self._accumulate(part, scaler)
            if self.attack is None:
                part.to_vision()
            else:
                parts.append(part)
        if self.attack is not None:
            losses["loss_adversarial"] = torch.zeros_like(losses["loss"])
            with self.attack.perturbed(lambda: self._table_gradient(parts, scaler)):
                for part in parts:
                    losses["loss_adversarial"] += self._accumulate(part, scaler)
            for part in parts:
                part.to_vision()
        return losses

    def evaluate(self, model: nn.Module, *, step: int, epoch: int) -> float | None:
        if not len(self.valid_rows):
            return None
        probabilities_NC, loss = self.classify(model)
        fold = self.config.data.fold
        scores = self.recorder.evaluation(
            split="val",
            fold=None if fold == "full" else fold,
            step=step,
            epoch=epoch,
            y_true=self.videos.labels[self.valid_rows],
            y_pred=probabilities_NC.argmax(axis=1),
            taxonomy=self.taxonomy,
            loss=loss,
        )
        log.info(
            "epoch %d val f1_mean %.4f %s",
            epoch,
            scores.f1_mean,
            " ".join(f"l{level.level} {level.f1_micro:.4f}/{level.f1_macro:.4f}" for level in scores.levels),
        )
        return float(scores.f1_mean)

    @torch.inference_mode()
    def classify(self, model: nn.Module) -> tuple[NDArray[np.float32], float]:
        """Probabilities of the validation videos, float32 [n, C], and their mean loss.

        Raises:
            StopRequested: asked to stop.
        """
        plan = plan_batches(
            self.videos,
            self.valid_rows,
            2 * self.config.training.batch_size,
            seed=self.config.seed,
            epoch=0,
            shuffle=False,
        )
        place = {int(row): position for position, row in enumerate(self.valid_rows)}
        processes = self.compute.processes
        own = plan[processes.rank :: processes.count]
        model.eval()
        probabilities_NC = torch.zeros(
            len(self.valid_rows), len(self.taxonomy.codes), device=self.compute.device
        )
        loss_sum = torch.zeros((), device=self.compute.device)
        loaded = load_batches(
            self.videos,
            own,
            seed=self.config.seed,
            epoch=None,
            workers=self.config.data.workers,
            pin=self.compute.device.type == "cuda",
        )
        for rows, (_, host_batch, problems) in zip(own, loaded, strict=True):
            for problem in problems:
                self._skips.note(problem)
            if processes.count == 1 and self.recorder.should_stop():
                raise StopRequested
            batch = host_batch.to(self.compute.device)
            with self.compute.autocast():
                logits_BC = model(batch)
            loss_sum += F.cross_entropy(logits_BC, batch.labels_B, reduction="sum")
            positions = torch.tensor([place[int(row)] for row in rows], device=self.compute.device)
            probabilities_NC[positions] = logits_BC.softmax(dim=1)
        processes.sum_(probabilities_NC)
        processes.sum_(loss_sum)
        return probabilities_NC.cpu().numpy(), float(loss_sum) / len(self.valid_rows)

    def save(self, folder: Path, model: nn.Module) -> None:
        save_classifier(folder, model, self.spec, self.tokenizer)

    def load(self, folder: Path, model: nn.Module) -> None:
        load_weights(model, folder)

    def _loss(self, part: "_Part") -> Tensor:
        with self.compute.autocast():
            logits_BC = self.model(part.batch, part.leaf_BFV)
            return F.cross_entropy(logits_BC, part.batch.labels_B) * part.share

    def _accumulate(self, part: "_Part", scaler: torch.amp.GradScaler) -> Tensor:
        loss = self._loss(part)
        torch.autograd.backward(scaler.scale(loss))
        return loss.detach()

    def _table_gradient(self, parts: Sequence["_Part"], scaler: torch.amp.GradScaler) -> Tensor:
        """Gradient of the whole step's loss at the word embeddings; the other gradients stay as they are."""
        table = self.model.word_embeddings.weight
        total = torch.zeros_like(table)
        for part in parts:
            total += torch.autograd.grad(scaler.scale(self._loss(part)), table)[0]
        return total


class _Part:
    """One forward pass of a step: its frames are embedded once, and `share` is its weight in the step's loss."""

    def __init__(self, batch: VideoBatch, frames_BFV: Tensor, leaf_BFV: Tensor, share: float) -> None:
        self.batch = batch
        self.frames_BFV = frames_BFV
        self.leaf_BFV = leaf_BFV
        self.share = share

    def to_vision(self) -> None:
        """Send what has gathered at the frame embeddings back through the vision backbone."""
        if self.leaf_BFV.grad is not None:
            torch.autograd.backward(self.frames_BFV, self.leaf_BFV.grad)
