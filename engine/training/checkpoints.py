"""Checkpoints of a training run: complete or absent, the newest to resume from, the best always kept."""

import errno
import os
import re
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from engine.data.regular import require_regular_files
from engine.errors import DataError
from engine.format import brief
from engine.pins import is_pinned
from engine.recorder import Recorder

TRAINER_FILE = "trainer.pt"
_FULL_BYTES = 1 << 20
_UNREADABLE = (
    *(OSError, RuntimeError, EOFError, ValueError, UnpicklingError, struct.error, LookupError, TypeError),
    *(AttributeError, AssertionError, OverflowError, MemoryError),
)
_NAME = re.compile(r"step-(\d+)")


@dataclass(frozen=True)
class Saved:
    """A complete checkpoint of `step`."""

    step: int
    folder: Path

    def trainer_state(self) -> dict[str, Any]:
        """Optimiser, schedule and position, on the CPU.

        Raises:
            DataError: the file is broken.
        """
        path = self.folder / TRAINER_FILE
        require_regular_files(self.folder)
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            if not isinstance(state, dict):
                raise ValueError("no group of values")
        except _UNREADABLE as error:
            reason = brief(next(iter(str(error).strip().splitlines()), type(error).__name__), 200)
            raise DataError(f"checkpoint {self.folder}: {TRAINER_FILE} cannot be read ({reason})") from error
        return state


class CheckpointFolder:
    """The checkpoints of one run: written under a temporary name and renamed, so that a kill leaves none by halves."""

    def __init__(self, folder: Path, recorder: Recorder, *, keep: int) -> None:
        self.folder = folder
        self.recorder = recorder
        self.keep = keep
        self.best: Saved | None = None
        self.best_f1_mean: float | None = None

    def saved(self) -> list[Saved]:
        """Complete checkpoints, oldest first."""
        found = [
            Saved(int(match[1]), path)
            for path in self.folder.iterdir()
            if path.is_dir() and (match := _NAME.fullmatch(path.name))
        ]
        return sorted(found, key=lambda saved: saved.step)

    def save(
        self,
        write: Callable[[Path], None],
        trainer_state: dict[str, Any],
        *,
        step: int,
        epoch: int,
        kind: str,
        f1_mean: float | None = None,
    ) -> None:
        """Write a checkpoint, report it, and remove what the retention rule no longer keeps.

        Args:
            write: writes the model into the folder it is given.
            kind: `epoch` at an epoch's end, `last` within one; the best so far is reported as `best` too.

        Raises:
            OSError: it cannot be written, as when the disk is full; those before it are as they were.
        """
        final = self._path(step)
        partial = self.folder / f".partial-{final.name}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            write(partial)
            _write_state(trainer_state, partial / TRAINER_FILE)
            _sync(partial)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)  # the space is needed to report what happened
            raise
        if final.exists():
            # Saved before its epoch was evaluated, and of the same weights: whole at every moment of the exchange.
            _exchange(partial, final)
        else:
            partial.rename(final)
        _sync_folder(self.folder)
        saved = Saved(step, final)
        self._report(saved, epoch=epoch, kind=kind, f1_mean=f1_mean)
        self.remove_old()

    def reopen(self) -> Saved | None:
        """The newest checkpoint, to resume from; half-written ones are removed."""
        for partial in self.folder.glob(".partial-*"):
            shutil.rmtree(partial, ignore_errors=True)
        newest = self.saved()
        return newest[-1] if newest else None

    def restore(self, saved: Saved, state: dict[str, Any]) -> None:
        """Take up the memory of the best so far, and report `saved` again: the kill may have come before its report."""
        self.best_f1_mean = state["best_f1_mean"]
        best = state["best_step"]
        if best is not None:
            self.best = Saved(best, self._path(best))
        self._report(saved, epoch=state["epoch"], kind=state["kind"], f1_mean=state["f1_mean"])

    def candidate(self, step: int, f1_mean: float | None) -> tuple[int | None, float | None]:
        """Step and score of the best checkpoint once one of `step` with `f1_mean` is saved."""
        if f1_mean is not None and (self.best_f1_mean is None or f1_mean > self.best_f1_mean):
            return step, f1_mean
        return (self.best.step if self.best else None), self.best_f1_mean

    def note(self, step: int, f1_mean: float | None) -> None:
        """Take up that another process saves `step`: all must agree on the best so far."""
        best_step, best_f1_mean = self.candidate(step, f1_mean)
        if best_step == step:
            self.best, self.best_f1_mean = Saved(step, self._path(step)), best_f1_mean

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"

    def _report(self, saved: Saved, *, epoch: int, kind: str, f1_mean: float | None) -> None:
        self.recorder.checkpoint(saved.folder, step=saved.step, epoch=epoch, kind=kind, f1_mean=f1_mean)
        best_step, best_f1_mean = self.candidate(saved.step, f1_mean)
        if best_step == saved.step:
            self.best, self.best_f1_mean = saved, best_f1_mean
            self.recorder.checkpoint(saved.folder, step=saved.step, epoch=epoch, kind="best", f1_mean=f1_mean)

    def remove_old(self) -> None:
        """Remove what the retention rule no longer keeps; after `restore` too, as the kill may have come before it."""
        for saved in self.saved()[: -self.keep]:
            if (self.best is None or saved.step != self.best.step) and not is_pinned(saved.folder):
                # Reported first: a kill in between may leave one that is not listed, never a listed one that is gone.
                self.recorder.checkpoint_deleted(saved.folder)
                self._remove(saved.folder)

    def _remove(self, folder: Path) -> None:
        # Renamed first: a kill in the middle of the removal must not leave a checkpoint by halves.
        doomed = folder.with_name(f".partial-old-{folder.name}")
        shutil.rmtree(doomed, ignore_errors=True)
        folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def _write_state(state: dict[str, Any], path: Path) -> None:
    try:
        # A file of ours: torch's own would keep the space of a failed attempt for as long as the error is looked at.
        with path.open("wb") as file:
            torch.save(state, file)
    except RuntimeError as error:  # in which torch does not say why
        if shutil.disk_usage(path.parent).free < _FULL_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise


def _exchange(new: Path, old: Path) -> None:
    """Move the files of a folder over those of another, each at once."""
    for path in sorted(path for path in new.rglob("*") if path.is_file()):
        target = old / path.relative_to(new)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    shutil.rmtree(new, ignore_errors=True)


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
