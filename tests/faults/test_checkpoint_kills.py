"""A writer killed at each single operation on its files: what is listed is whole, and nothing listed is lost."""

import hashlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from engine.recorder import Recorder
from engine.records import RECORDS_FILE, Checkpoint, CheckpointDeleted, read_records
from engine.training.checkpoints import CheckpointFolder

WATCHED = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}
SAVES = [(1, 0.5), (2, None), (2, 0.2), (3, 0.95)]  # the second of step 2 replaces the first


def save_all(run_dir: Path) -> None:
    saved = CheckpointFolder(run_dir / "checkpoints", Recorder(run_dir), keep=1)
    for step, f1_mean in SAVES:
        best_step, best_f1_mean = saved.candidate(step, f1_mean)
        state: dict[str, Any] = {"step": step, "epoch": step, "kind": "epoch", "f1_mean": f1_mean}
        state |= {"best_step": best_step, "best_f1_mean": best_f1_mean}

        def write(folder: Path, step: int = step) -> None:
            (folder / "model.safetensors").write_text(f"weights {step}")

        saved.save(write, state, step=step, epoch=step, kind="epoch", f1_mean=f1_mean)


def in_a_child(work: Callable[[], None], killed_at: int) -> bool:
    """Whether the child was killed, by itself, before its `killed_at`-th operation on a file."""
    child = os.fork()
    if child == 0:
        seen = 0

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal seen
            if event in WATCHED:
                seen += 1
                if seen == killed_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        os.fsync = lambda _fd: None  # a kill, not a power cut
        try:
            work()
        finally:
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status)


def listed(run_dir: Path) -> dict[tuple[str, str], Checkpoint]:
    """What the store would list, by path and kind."""
    found: dict[tuple[str, str], Checkpoint] = {}
    for record in read_records(run_dir / RECORDS_FILE).records:
        if isinstance(record, Checkpoint):
            found[record.path, record.kind] = record
        elif isinstance(record, CheckpointDeleted):
            found = {key: value for key, value in found.items() if key[0] != record.path}
    return found


def assert_whole(run_dir: Path, checkpoint: Checkpoint) -> None:
    folder = run_dir / checkpoint.path
    assert hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() == checkpoint.sha256
    assert torch.load(folder / "trainer.pt", weights_only=True)["step"] == checkpoint.step


def test_killed_at_any_operation_every_listed_checkpoint_is_whole_then_and_once_the_run_is_resumed(
    tmp_path: Path,
) -> None:
    killed_at = 0
    killed = True
    while killed:
        killed_at += 1
        run_dir = tmp_path / str(killed_at)
        (run_dir / "checkpoints").mkdir(parents=True)
        killed = in_a_child(lambda run_dir=run_dir: save_all(run_dir), killed_at)
        before = listed(run_dir)
        for checkpoint in before.values():
            assert_whole(run_dir, checkpoint)
        recorder = Recorder(run_dir)
        again = CheckpointFolder(run_dir / "checkpoints", recorder, keep=1)
        newest = again.reopen()
        if newest is not None:
            again.restore(newest, newest.trainer_state())
            again.remove_old()
            assert again.best is not None
            assert {one.step for one in again.saved()} <= {newest.step, again.best.step}, killed_at
        recorder.close()
        assert (newest.step if newest else 0) >= max((one.step for one in before.values()), default=0), (
            killed_at
        )
        for checkpoint in listed(run_dir).values():
            assert_whole(run_dir, checkpoint)
        assert not [path for path in (run_dir / "checkpoints").iterdir() if path.name.startswith(".")]
    assert killed_at > 30
