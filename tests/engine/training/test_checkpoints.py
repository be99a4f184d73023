"""Checkpoints on disk: complete or absent, the newest to resume from, the best kept."""

from pathlib import Path

import pytest
import torch

from engine.errors import DataError
from engine.pins import pin_of
from engine.recorder import Recorder
from engine.records import RECORDS_FILE, Checkpoint, CheckpointDeleted, read_records
from engine.training.checkpoints import CheckpointFolder, Saved


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


def folder(recorder: Recorder, keep: int = 2) -> CheckpointFolder:
    path = recorder.run_dir / "checkpoints"
    path.mkdir(exist_ok=True)
    return CheckpointFolder(path, recorder, keep=keep)


def save(saved: CheckpointFolder, step: int, f1_mean: float | None = None) -> None:
    best_step, best_f1_mean = saved.candidate(step, f1_mean)
    state = {
        "step": step,
        "epoch": step,
        "kind": "epoch",
        "f1_mean": f1_mean,
        "best_step": best_step,
        "best_f1_mean": best_f1_mean,
    }
    saved.save(
        lambda path: (path / "model.safetensors").write_text(f"weights {step}") and None,
        state,
        step=step,
        epoch=step,
        kind="epoch",
        f1_mean=f1_mean,
    )


def steps(saved: CheckpointFolder) -> list[int]:
    return [one.step for one in saved.saved()]


def test_the_newest_are_kept_and_the_best_besides(recorder: Recorder) -> None:
    saved = folder(recorder)
    for step, f1_mean in enumerate((0.3, 0.9, 0.5, 0.6, 0.7), start=1):
        save(saved, step, f1_mean)
    assert steps(saved) == [2, 4, 5]


def test_a_pinned_checkpoint_stays_and_goes_when_the_pin_does(recorder: Recorder) -> None:
    saved = folder(recorder)
    save(saved, 1)
    pin_of(saved.saved()[0].folder).touch()
    for step in (2, 3, 4):
        save(saved, step)
    assert steps(saved) == [1, 3, 4]
    pin_of(saved.saved()[0].folder).unlink()
    save(saved, 5)
    assert steps(saved) == [4, 5]


def test_without_scores_only_the_newest_are_kept(recorder: Recorder) -> None:
    saved = folder(recorder, keep=1)
    for step in (1, 2, 3):
        save(saved, step)
    assert steps(saved) == [3]


def test_saving_removing_and_the_best_are_reported(recorder: Recorder) -> None:
    saved = folder(recorder, keep=1)
    save(saved, 1, 0.5)
    save(saved, 2, 0.9)
    recorder.close()
    records = read_records(recorder.run_dir / RECORDS_FILE, 0).records
    kinds = [(record.step, record.kind) for record in records if isinstance(record, Checkpoint)]
    assert kinds == [(1, "epoch"), (1, "best"), (2, "epoch"), (2, "best")]
    deleted = [record.path for record in records if isinstance(record, CheckpointDeleted)]
    assert deleted == ["checkpoints/step-00000001"]


def test_a_half_written_checkpoint_is_never_resumed_from(recorder: Recorder) -> None:
    saved = folder(recorder)
    save(saved, 3)
    partial = saved.folder / ".partial-step-00000009"
    partial.mkdir()
    (partial / "model.safetensors").write_text("half")
    newest = folder(recorder).reopen()
    assert newest is not None
    assert newest.step == 3
    assert not partial.exists()


def test_a_resumed_run_remembers_the_best(recorder: Recorder) -> None:
    saved = folder(recorder, keep=1)
    save(saved, 1, 0.9)
    save(saved, 2, 0.1)
    again = folder(recorder, keep=1)
    newest = again.reopen()
    assert newest is not None
    again.restore(newest, newest.trainer_state())
    save(again, 3, 0.5)
    assert steps(again) == [1, 3]


def test_a_strangers_pickle_is_not_loaded(tmp_path: Path) -> None:
    class Evil:  # defined here: only code that runs pickles would need to find it
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return (Path.touch, (tmp_path / "owned",))

    torch.save({"optimizer": Evil()}, tmp_path / "trainer.pt")
    with pytest.raises(DataError, match="cannot be read"):
        Saved(1, tmp_path).trainer_state()
    assert not (tmp_path / "owned").exists()
