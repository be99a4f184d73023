"""Checkpoints on the Run screen: what they are, and the keys that keep, remove and use one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_page import on_run

from app.tui.app import ReeltopApp
from app.tui.screens.confirm import Confirm
from app.tui.widgets.checkpoint_table import CheckpointTable
from app.tui.widgets.label import Label
from engine.pins import pin_of
from engine.store.database import Store
from engine.store.queries import run_detail
from engine.workspace import Workspace


@pytest.fixture
def folders(workspace: Workspace, runs: dict[str, int]) -> dict[int, Path]:
    """The finished run's checkpoints on the disk, by step."""
    made = {}
    for step in (99, 199, 299, 399):
        made[step] = workspace.run_dir(runs["model-3"], "model-3") / "checkpoints" / f"step-{step}"
        made[step].mkdir(parents=True)
        (made[step] / "model.safetensors").write_bytes(b"weights")
    return made


async def _open(app: ReeltopApp, pilot: Any, settled: Callable, run_id: int) -> CheckpointTable:
    await on_run(app, pilot, settled, run_id, "checkpoints")
    table = app.screen.query_one(CheckpointTable)
    await settled(pilot, lambda: app.focused is table)
    return table


def _notes(app: ReeltopApp) -> str:
    return "\n".join(note.message for note in app._notifications)


async def test_checkpoints_tell_size_score_and_which_is_the_best(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        table = await _open(app, pilot, settled, runs["model-1"])
        await settled(pilot, lambda: table.row_count == 2)
        assert [str(cell) for cell in table.get_row_at(0)][:5] == ["best", "2", "199", "0.5678", "64 MiB"]
        assert str(table.get_row_at(1)[0]) == "best until then"
        rows = table._shown
        table.show(())
        table.show(rows)  # at once, not when it comes to measuring
        first, *_ = table.ordered_columns
        assert (first.width, first.auto_width) == (len("best until then"), False)
        assert "2 checkpoints, 128 MiB" in str(app.screen.query_one(".checkpoint-status", Label).content)


async def test_a_checkpoint_is_pinned_beside_its_folder_and_then_not_deleted(
    workspace: Workspace, store: Store, runs: dict[str, int], folders: dict[int, Path], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        table = await _open(app, pilot, settled, runs["model-3"])
        await pilot.press("p")
        await settled(pilot, lambda: "pinned" in str(table.get_row_at(0)[5]))
        assert pin_of(folders[399]).exists()
        await pilot.press("delete")
        await settled(pilot, lambda: "is pinned: p takes the pin away" in _notes(app))
        await pilot.press("p")
        await settled(pilot, lambda: str(table.get_row_at(0)[5]) == "")
        assert not pin_of(folders[399]).exists()
        assert not any(row.pinned for row in run_detail(store, runs["model-3"]).checkpoints)


async def test_deleting_a_checkpoint_asks_says_that_it_is_for_good_and_removes_its_files(
    workspace: Workspace, store: Store, runs: dict[str, int], folders: dict[int, Path], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(110, 30)) as pilot:
        table = await _open(app, pilot, settled, runs["model-3"])
        await pilot.press("down", "delete")
        await settled(pilot, lambda: isinstance(app.screen, Confirm))
        question = " ".join(str(label.content) for label in app.screen.query(Label))
        assert "Delete checkpoint checkpoints/step-299" in question
        assert "This can't be undone" in question
        assert "It is the best" not in question
        await pilot.press("n")
        await settled(pilot, lambda: not isinstance(app.screen, Confirm))
        assert folders[299].exists()
        await pilot.press("backspace", "y")
        await settled(pilot, lambda: table.row_count == 3 and not folders[299].exists())
        assert list(folders[99].parent.glob(".*")) == []
        assert [row.step for row in run_detail(store, runs["model-3"]).checkpoints] == [99, 199, 399]


async def test_deleting_the_best_warns_and_a_live_run_keeps_its_checkpoints(
    workspace: Workspace, runs: dict[str, int], folders: dict[int, Path], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(110, 30)) as pilot:
        await _open(app, pilot, settled, runs["model-3"])
        await pilot.press("delete")
        await settled(pilot, lambda: isinstance(app.screen, Confirm))
        assert "It is the best" in " ".join(str(label.content) for label in app.screen.query(Label))
        await pilot.press("n", "escape")
        await _open(app, pilot, settled, runs["model-1"])
        await pilot.press("delete")
        await settled(pilot, lambda: "its checkpoints are its own until it has ended" in _notes(app))


async def test_a_checkpoint_is_handed_over_to_a_new_run(
    workspace: Workspace, runs: dict[str, int], settled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, str]] = []
    monkeypatch.setattr(
        ReeltopApp, "launch_from", lambda _app, run_id, which: given.append((run_id, which)), raising=False
    )
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await _open(app, pilot, settled, runs["model-3"])
        await pilot.press("u")
        await settled(pilot, lambda: given == [(runs["model-3"], "best")])
        assert app.clipboard == "1@best"
        await pilot.press("down", "u")
        await settled(pilot, lambda: given[1:] == [(runs["model-3"], "epoch-3")])


async def test_a_run_without_checkpoints_says_when_they_come(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await _open(app, pilot, settled, runs["model-2"])
        assert "no checkpoint yet" in str(app.screen.query_one(".checkpoint-status", Label).content)
        for key in ("u", "p", "delete", "c", "w"):
            await pilot.press(key)
        await settled(pilot, lambda: "there is no checkpoint yet" in _notes(app))
