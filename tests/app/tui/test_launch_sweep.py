"""Sweeps in Launch: several values in a field make a matrix with its count shown, and ordinary runs."""

from collections.abc import Callable

import pytest
from textual.widgets import Input

from app.tui.app import ReeltopApp
from app.tui.forms import plan_form
from app.tui.screens.confirm import Confirm
from app.tui.screens.launch import Launch
from app.tui.widgets.choice import Choice
from app.tui.widgets.config_form import ConfigForm
from app.tui.widgets.field_row import FieldRow
from app.tui.widgets.label import Label
from app.tui.widgets.plan_view import PlanView
from engine.store.database import Store
from engine.store.queries import list_runs, run_detail
from engine.workspace import Workspace

FILE = """stage: finetune
name: model
gpus: 0
model: {vision: models/clip}
"""


@pytest.fixture
def launched(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with one config and a data set's folder; no supervisor is started."""
    (workspace.configs / "model.yaml").write_text(FILE)
    (workspace.root / "data/sample/annotations").mkdir(parents=True)
    monkeypatch.setattr("engine.supervisor.client.ensure_supervisor", lambda _workspace: None)
    return workspace


def plan(app: ReeltopApp) -> str:
    return str(app.screen.query_one(PlanView).query_one(Label).content)


def row(app: ReeltopApp, key: str) -> FieldRow:
    return app.screen.query_one(ConfigForm)._rows[key]


def note(app: ReeltopApp, key: str) -> str:
    return str(row(app, key).query_one(".field-note", Label).content)


async def opened(app: ReeltopApp, pilot: object, settled: Callable) -> None:
    await settled(pilot, lambda: app.opened)
    await pilot.press("3")
    await settled(pilot, lambda: isinstance(app.screen, Launch) and app.screen.is_mounted)
    await settled(pilot, lambda: "✓ 1 run" in plan(app))
    rows = app.screen.query_one(ConfigForm)._rows
    await settled(pilot, lambda: rows and all(len(one.children) == 3 for one in rows.values()))


async def test_several_values_in_two_fields_are_multiplied_out_and_queued(
    launched: Workspace, store: Store, settled: Callable
) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(160, 50)) as pilot:
        await opened(app, pilot, settled)
        row(app, "training.lr.text").query_one(Input).focus()
        await pilot.press("ctrl+u", *"3e-5, 5e-5")
        await settled(pilot, lambda: "✓ 2 runs" in plan(app))
        assert "training.lr.text: 3e-5, 5e-5" in plan(app)
        assert "← 2 values: a sweep" in note(app, "training.lr.text")
        row(app, "data.fold").query_one(Input).focus()
        await pilot.press("ctrl+u", *"0..2")
        await settled(pilot, lambda: "✓ 6 runs" in plan(app))
        await pilot.press("ctrl+s")
        await settled(pilot, lambda: list_runs(store).total == 6)
        found = list_runs(store, "fold=2 lr.text=3e-5").runs
        assert [run.name for run in found] == ["model-fold2-text3e-5"]
        assert run_detail(store, found[0].id).config["training"]["lr"]["text"] == 3e-5


async def test_a_choice_takes_several_words_with_shift_and_one_again_without(
    launched: Workspace, settled: Callable
) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(160, 50)) as pilot:
        await opened(app, pilot, settled)
        choice = row(app, "training.adversarial.kind").query_one(Choice)
        choice.focus()
        await pilot.press("shift+right", "shift+right")
        await settled(pilot, lambda: "✓ 3 runs" in plan(app))
        assert choice.value == "none, fgm, pgd"
        assert str(choice.render()).count("●") == 3
        await pilot.press("shift+left")
        await settled(pilot, lambda: "✓ 2 runs" in plan(app))
        await pilot.press("right")
        await settled(pilot, lambda: "✓ 1 run:" in plan(app))
        assert choice.value == "pgd"
        await pilot.press("left", "space")
        assert choice.value == "pgd"


async def test_a_click_with_control_adds_a_word_and_takes_it_away(
    launched: Workspace, settled: Callable
) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(160, 50)) as pilot:
        await opened(app, pilot, settled)
        choice = row(app, "model.kind").query_one(Choice)
        choice.scroll_visible(animate=False)
        await pilot.pause()
        await pilot.click(choice, offset=(18, 0), control=True)
        assert choice.value == "single_stream, two_stream"
        await pilot.click(choice, offset=(2, 0), control=True)
        assert choice.value == "two_stream"
        await pilot.click(choice, offset=(2, 0))
        assert choice.value == "single_stream"


async def test_a_range_that_says_too_little_is_told_at_its_field(
    launched: Workspace, settled: Callable
) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(160, 50)) as pilot:
        await opened(app, pilot, settled)
        row(app, "training.warmup").query_one(Input).focus()
        await pilot.press("ctrl+u", *"0..1")
        await settled(pilot, lambda: "how many" in note(app, "training.warmup"))
        assert "✗ 1 field to correct" in plan(app)
        await pilot.press(*" x3")
        await settled(pilot, lambda: "✓ 3 runs" in plan(app))


async def test_a_value_out_of_bounds_among_several_is_told_and_nothing_can_be_queued(
    launched: Workspace, store: Store, settled: Callable
) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(160, 50)) as pilot:
        await opened(app, pilot, settled)
        row(app, "training.warmup").query_one(Input).focus()
        await pilot.press("ctrl+u", *"0.1, 1.7")
        await settled(pilot, lambda: "'1.7' is out of range; allowed is 0 to 1" in plan(app))
        await pilot.press("ctrl+s")
        await settled(pilot, lambda: any("see the errors" in one.message for one in app._notifications))
        assert list_runs(store).total == 0


async def test_many_runs_are_queued_after_one_question(
    launched: Workspace, store: Store, settled: Callable
) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(160, 50)) as pilot:
        await opened(app, pilot, settled)
        row(app, "seed").query_one(Input).focus()
        await pilot.press("ctrl+u", *"1..25")
        await settled(pilot, lambda: "✓ 25 runs" in plan(app))
        assert "and 13 more" in plan(app)
        await pilot.press("ctrl+s")
        await settled(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("n")
        await settled(pilot, lambda: isinstance(app.screen, Launch))
        assert list_runs(store).total == 0
        await settled(pilot, lambda: "✓ 25 runs" in plan(app) and app.screen._plan is not None)
        await pilot.press("ctrl+s")
        await settled(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await settled(pilot, lambda: list_runs(store).total == 25)


def test_too_many_runs_are_refused_before_they_are_planned(launched: Workspace, store: Store) -> None:
    values = {"model.vision": "models/clip", "seed": "1..100", "training.epochs": "1..100"}
    found = plan_form(launched, store, "finetune", values)
    assert found.problem == "10,000 runs are more than 500: give fewer values"
    assert found.runs == ()


def test_an_empty_value_among_several_is_none(launched: Workspace, store: Store) -> None:
    values = {"model.vision": "models/clip", "training.ema": "none, 0.9", "name": "m"}
    found = plan_form(launched, store, "finetune", values)
    assert [run.config["training"]["ema"] for run in found.runs] == [None, 0.9]
    assert [run.name for run in found.runs] == ["m-ema", "m-ema0.9"]
