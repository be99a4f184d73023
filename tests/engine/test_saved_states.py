"""What a person does to checkpoints: pinned, removed, named for other runs; refused where it would do harm."""

from pathlib import Path

import pytest

from engine.errors import RunError
from engine.pins import is_pinned, pin_of
from engine.records import Checkpoint
from engine.saved_states import pin, reference_to, remove
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.queries import run_detail
from engine.store.runs import create_runs, transition
from engine.store.saved import match_disk
from engine.store.views import NewInput, NewRun, Status
from engine.workspace import Workspace

PATHS = {epoch: f"checkpoints/step-{epoch:08}" for epoch in (1, 2, 3)}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


@pytest.fixture
def store(workspace: Workspace) -> Store:
    return Store.open(workspace.store_url)


@pytest.fixture
def run_id(workspace: Workspace, store: Store) -> int:
    """A finished run with three epochs, of which the second is the best, and a last state within the fourth."""
    (run,) = create_runs(store, [NewRun("finetune", "model", {}, "0", {}, 1)])
    for before, after in ((Status.QUEUED, Status.STARTING), (Status.STARTING, Status.RUNNING)):
        transition(store, run, from_={before}, to=after)
    ingest(store, run, _records(), old_offset=0, new_offset=1)
    transition(store, run, from_={Status.RUNNING}, to=Status.FINISHED)
    for path in PATHS.values():
        folder = _folder(workspace, run) / path
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"weights")
    return run


def _records() -> list[Checkpoint]:
    kinds = [(1, "epoch"), (1, "best"), (2, "epoch"), (2, "best"), (3, "epoch")]
    return [
        Checkpoint(time=1.0, step=epoch * 10, epoch=epoch, kind=kind, path=PATHS[epoch], bytes=7, sha256="0")
        for epoch, kind in kinds
    ]


def _folder(workspace: Workspace, run: int) -> Path:
    return workspace.run_dir(run, "model")


def _paths(store: Store, run: int) -> set[str]:
    return {row.path for row in run_detail(store, run).checkpoints}


def test_a_pin_is_in_the_store_and_beside_the_folder_and_survives_a_second_report(
    workspace: Workspace, store: Store, run_id: int
) -> None:
    pin(workspace, store, run_id, PATHS[1], True)
    assert is_pinned(_folder(workspace, run_id) / PATHS[1])
    ingest(store, run_id, _records(), old_offset=1, new_offset=2)
    assert {row.path for row in run_detail(store, run_id).checkpoints if row.pinned} == {PATHS[1]}
    with pytest.raises(RunError, match="pinned"):
        remove(workspace, store, run_id, PATHS[1])
    pin(workspace, store, run_id, PATHS[1], False)
    assert not is_pinned(_folder(workspace, run_id) / PATHS[1])


def test_a_removed_checkpoint_is_gone_from_store_and_disk(
    workspace: Workspace, store: Store, run_id: int
) -> None:
    remove(workspace, store, run_id, PATHS[2])
    assert _paths(store, run_id) == {PATHS[1], PATHS[3]}
    assert sorted(path.name for path in (_folder(workspace, run_id) / "checkpoints").iterdir()) == [
        "step-00000001",
        "step-00000003",
    ]
    with pytest.raises(RunError, match="any more"):
        remove(workspace, store, run_id, PATHS[2])


def test_what_a_waiting_run_builds_on_is_not_removed(workspace: Workspace, store: Store, run_id: int) -> None:
    create_runs(store, [NewRun("predict", "next", {}, "0", {}, 1, inputs=(NewInput("model", run_id),))])
    with pytest.raises(RunError, match="is an input of run 2"):
        remove(workspace, store, run_id, PATHS[1])
    assert (_folder(workspace, run_id) / PATHS[1]).exists()


def test_a_live_runs_checkpoints_are_its_own(workspace: Workspace, store: Store) -> None:
    (run,) = create_runs(store, [NewRun("finetune", "model", {}, "0", {}, 1)])
    transition(store, run, from_={Status.QUEUED}, to=Status.STARTING)
    ingest(store, run, _records(), old_offset=0, new_offset=1)
    with pytest.raises(RunError, match="until it has ended"):
        remove(workspace, store, run, PATHS[1])


def test_nothing_outside_the_runs_directory_is_touched(
    workspace: Workspace, store: Store, run_id: int
) -> None:
    outside = workspace.root / "precious"
    outside.mkdir()
    link = _folder(workspace, run_id) / "checkpoints" / "link"
    link.symlink_to(outside)
    for path in ("../../precious", "checkpoints/link", str(outside), "."):
        evil = Checkpoint(time=1.0, step=9, epoch=9, kind="epoch", path=path, bytes=7, sha256="0")
        ingest(store, run_id, [evil], old_offset=1, new_offset=1)
        with pytest.raises(RunError, match="outside"):
            remove(workspace, store, run_id, path)
    assert outside.exists()


def test_a_checkpoint_is_named_as_other_runs_would(store: Store, run_id: int) -> None:
    assert [reference_to(store, run_id, PATHS[epoch]) for epoch in (1, 2, 3)] == [
        "epoch-1",
        "best",
        "epoch-3",
    ]
    assert reference_to(store, run_id, "checkpoints/nothing") is None


def test_a_store_made_again_knows_what_was_removed_and_pinned(
    workspace: Workspace, store: Store, run_id: int
) -> None:
    folder = _folder(workspace, run_id)
    pin_of(folder / PATHS[3]).touch()
    (folder / PATHS[1] / "model.safetensors").unlink()
    (folder / PATHS[1]).rmdir()
    match_disk(store, run_id, folder)
    assert _paths(store, run_id) == {PATHS[2], PATHS[3]}
    assert {row.path for row in run_detail(store, run_id).checkpoints if row.pinned} == {PATHS[3]}
