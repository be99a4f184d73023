"""Checkpoints that a person wants to keep: a file beside each, which a training run sees though it opens no store."""

from pathlib import Path


def pin_of(checkpoint: Path) -> Path:
    """The file that says so when it is there."""
    return checkpoint.with_name(f"{checkpoint.name}.pinned")


def is_pinned(checkpoint: Path) -> bool:
    """The checkpoint is to stay whatever a retention rule says."""
    return pin_of(checkpoint).exists()
