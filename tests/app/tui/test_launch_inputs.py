"""Inputs picked from runs, runs started from others, and what the plan says of needs, cost and differences."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import end, new_run, train
from textual.widgets import Input, OptionList

from app.tui.app import ReeltopApp
from app.tui.candidates import candidates
from app.tui.screens.launch import Launch
from app.tui.screens.pick_input import PickInput
from app.tui.widgets.config_form import ConfigForm
from app.tui.widgets.field_row import FieldRow
from app.tui.widgets.label import Label
from app.tui.widgets.plan_view import PlanView
from engine.config.load import plain
from engine.config.stages import STAGES
from engine.store.database import Store
from engine.store.runs import create_runs, transition
from engine.store.views import NewRun, Status
from engine.workspace import Workspace

FILE = """stage: finetune
name: model
gpus: 0
inputs: {features: features}
"""
ENSEMBLE = """stage: ensemble
name: all
gpus: 0
inputs: {members: [model-a]}
"""


def run_of(stage: str, name: str, **settings: object) -> NewRun:
    config = STAGES[stage].model_validate({"stage": stage, "name": name, **settings})
    return NewRun(stage, name, plain(config), name, {}, 802, 0)


@pytest.fixture
def filled(workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Features, a pretrain run, two trained models, and a failed one; two configs that build on them."""
    (workspace.configs / "model.yaml").write_text(FILE)
    (workspace.configs / "more").mkdir()
    (workspace.configs / "more" / "ensemble.yaml").write_text(ENSEMBLE)
    (workspace.root / "data/sample/annotations").mkdir(parents=True)
    monkeypatch.setattr("engine.supervisor.client.ensure_supervisor", lambda _workspace: None)
    made = [
        run_of("extract", "features", model={"vision": "models/clip"}),
        run_of("pretrain", "pretrain", inputs={"features": "features"}),
        run_of("finetune", "model-a", inputs={"features": "features"}),
        run_of("finetune", "model-b", inputs={"features": "features"}),
        run_of("finetune", "broken", inputs={"features": "features"}),
    ]
    ids = dict(zip([run.name for run in made], create_runs(store, made), strict=True))
    for name in ("features", "pretrain", "model-a", "broken"):
        train(store, ids[name], steps=200, best=0.7)
        end(store, ids[name], Status.FAILED if name == "broken" else Status.FINISHED)
    train(store, ids["model-b"], steps=220)
    return ids


def plan(app: ReeltopApp) -> str:
    return str(app.screen.query_one(PlanView).query_one(Label).content)


def row(app: ReeltopApp, key: str) -> FieldRow:
    return app.screen.query_one(ConfigForm)._rows[key]


def lines(app: ReeltopApp) -> list[str]:
    return [str(option.prompt) for option in app.screen.query_one(OptionList).options]


def title(app: ReeltopApp) -> str:
    return str(app.screen.query_one(ConfigForm).border_title)


async def opened(app: ReeltopApp, pilot: object, settled: Callable, name: str = "model.yaml") -> None:
    await settled(pilot, lambda: app.opened)
    await app.open_config(Path(name))
    await settled(pilot, lambda: title(app) == name.rpartition("/")[2] and plan(app))
    await ready(app, pilot, settled)


async def ready(app: ReeltopApp, pilot: object, settled: Callable) -> None:
    rows = app.screen.query_one(ConfigForm)._rows
    await settled(pilot, lambda: rows and all(len(one.children) == 3 for one in rows.values()))
    await settled(pilot, lambda: app.screen._plan is not None)


async def picking(app: ReeltopApp, pilot: object, settled: Callable, key: str) -> None:
    row(app, key).children[1].focus()
    await pilot.press("enter")
    await settled(pilot, lambda: isinstance(app.screen, PickInput) and lines(app))


async def test_enter_on_an_input_offers_fitting_runs_with_their_checkpoints(
    workspace: Workspace, filled: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await opened(app, pilot, settled)
        await picking(app, pilot, settled, "inputs.init")
        shown = "\n".join(lines(app))
        assert "model-a" in shown
        assert "pretrain" in shown
        assert "● running" in shown
        assert "features" not in shown
        assert "broken" not in shown
        assert shown.index("model-a") < shown.index("model-b")  # finished ones first
        await pilot.press(*"model-a epoch-1")
        await settled(pilot, lambda: lines(app) == ["       @epoch-1"])
        await pilot.press("enter")
        await settled(pilot, lambda: isinstance(app.screen, Launch))
        await settled(pilot, lambda: row(app, "inputs.init").query_one(Input).value == "model-a@epoch-1")
        await settled(
            pilot,
            lambda: f"needs init @epoch-1 of run {filled['model-a']} model-a  ✓ finished" in plan(app),
        )
        assert f"needs features of run {filled['features']} features  ✓ finished" in plan(app)


async def test_arrows_pages_and_escape_of_the_picker(
    workspace: Workspace, filled: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await opened(app, pilot, settled)
        await picking(app, pilot, settled, "inputs.init")
        options = app.screen.query_one(OptionList)
        await pilot.press("down", "down")
        assert options.highlighted == 2
        await pilot.press("up")
        assert options.highlighted == 1
        await pilot.press("pagedown")
        assert options.highlighted == 11 or options.highlighted == len(lines(app)) - 1
        await pilot.press("pageup", "pageup")
        assert options.highlighted == 0
        await pilot.press(*"zzz")
        await settled(
            pilot, lambda: "nothing matches" in str(app.screen.query_one("#pick-note", Label).content)
        )
        await pilot.press("enter")
        assert isinstance(app.screen, PickInput)
        await pilot.press("escape")
        await settled(pilot, lambda: isinstance(app.screen, Launch))
        assert row(app, "inputs.init").query_one(Input).value == ""


async def test_control_n_leaves_the_input_empty(
    workspace: Workspace, filled: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await opened(app, pilot, settled)
        await picking(app, pilot, settled, "inputs.features")
        await pilot.press("ctrl+n")
        await settled(pilot, lambda: isinstance(app.screen, Launch))
        assert row(app, "inputs.features").query_one(Input).value == ""


async def test_members_are_marked_with_tab_and_taken_together(
    workspace: Workspace, filled: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await opened(app, pilot, settled, "more/ensemble.yaml")
        await picking(app, pilot, settled, "inputs.members")
        assert any(line.startswith("◆") and "model-a" in line for line in lines(app))
        await pilot.press(*"model-b last")
        await settled(pilot, lambda: len(lines(app)) == 1)
        await pilot.press("tab")
        await settled(pilot, lambda: lines(app)[0].startswith("◆"))
        await pilot.press("enter")
        await settled(pilot, lambda: isinstance(app.screen, Launch))
        assert row(app, "inputs.members").query_one(Input).value == "model-a, model-b@last"
        await settled(pilot, lambda: "● running" in plan(app))


async def test_an_empty_picker_says_what_to_launch_first(
    workspace: Workspace, filled: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, settled)
        row(app, "inputs.vision").children[1].focus()
        await pilot.press("enter")
        await settled(pilot, lambda: isinstance(app.screen, PickInput))
        note = lambda: str(app.screen.query_one("#pick-note", Label).content)  # noqa: E731
        await settled(pilot, lambda: note() != "loading")
        assert "runs of contrast or finetune" in note() or "no run of contrast" in note()


def test_candidates_name_a_run_by_its_id_where_the_name_is_not_enough(
    store: Store, filled: dict[str, int]
) -> None:
    (twin,) = create_runs(store, [run_of("finetune", "model-a", inputs={"features": "features"})])
    references = {one.reference for one in candidates(store, "init")}
    assert f"{filled['model-a']}@best" in references
    assert str(twin) in references
    assert "model-b@last" in references
    assert all(one.which is None for one in candidates(store, "features"))


async def test_a_clone_is_the_runs_config_under_a_free_name_and_is_compared_with_it(
    workspace: Workspace, store: Store, filled: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await settled(pilot, lambda: app.opened)
        app.clone(filled["model-a"])
        await settled(pilot, lambda: isinstance(app.screen, Launch) and app.screen.is_mounted)
        await settled(pilot, lambda: title(app) == f"again: run {filled['model-a']}")
        await ready(app, pilot, settled)
        assert row(app, "name").value == "model-a-2"
        assert row(app, "inputs.features").value == "features"
        await settled(pilot, lambda: "the same as run" in plan(app))
        row(app, "training.epochs").query_one(Input).focus()
        await pilot.press("ctrl+u", *"9")
        await settled(pilot, lambda: f"differs from run {filled['model-a']}\n" in plan(app))
        await pilot.press("f5")
        await settled(pilot, lambda: row(app, "training.epochs").value != "9")


async def test_a_clone_waits_for_a_file_to_be_chosen_and_a_second_one_replaces_it(
    workspace: Workspace, store: Store, filled: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await opened(app, pilot, settled)
        await app.clone(filled["pretrain"])
        await settled(pilot, lambda: title(app) == f"again: run {filled['pretrain']}")
        await app.clone(filled["model-b"])
        await settled(pilot, lambda: title(app) == f"again: run {filled['model-b']}")
        await ready(app, pilot, settled)
        await pilot.press("escape", "down", "down")
        await settled(pilot, lambda: title(app) == "ensemble.yaml")
        await app.clone(filled["model-b"])
        await settled(pilot, lambda: title(app) == f"again: run {filled['model-b']}")
        await ready(app, pilot, settled)
        await pilot.press("escape", "enter")
        await settled(pilot, lambda: title(app) == "model.yaml")


async def test_a_finetune_run_starts_from_a_checkpoint(
    workspace: Workspace, filled: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await settled(pilot, lambda: app.opened)
        app.launch_from(filled["pretrain"], "last")
        await settled(pilot, lambda: isinstance(app.screen, Launch) and app.screen.is_mounted)
        await settled(pilot, lambda: title(app) == f"finetune from run {filled['pretrain']}@last")
        await ready(app, pilot, settled)
        assert row(app, "inputs.init").value == "pretrain@last"
        assert row(app, "name").value == "pretrain-finetuned"


async def test_a_run_that_nothing_can_start_from_is_told(
    workspace: Workspace, filled: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await settled(pilot, lambda: app.opened)
        app.launch_from(filled["features"], "last")
        await settled(pilot, lambda: isinstance(app.screen, Launch) and app.screen.is_mounted)
        text = lambda: str(app.screen.query_one("#form-rows").query(Label).first().content)  # noqa: E731
        await settled(pilot, lambda: "finetune from" in title(app) and "only pretrain, contrast" in text())


async def test_the_plan_says_memory_time_and_the_last_similar_run(
    workspace: Workspace, filled: dict[str, int], settled: Callable
) -> None:
    models = workspace.root / "models/sample"
    (models / "bert").mkdir(parents=True)
    (models / "bert" / "config.json").write_text(
        '{"model_type": "bert", "hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128, '
        '"vocab_size": 1000, "max_position_embeddings": 512}'
    )
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await opened(app, pilot, settled)
        await settled(pilot, lambda: "estimating" not in plan(app))
        assert "memory about" in plan(app) or "no estimate" in plan(app)
        assert "the same as run" in plan(app) or "differs from run" in plan(app)


async def test_what_is_typed_stays_with_its_file(
    workspace: Workspace, filled: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await opened(app, pilot, settled)
        row(app, "training.epochs").query_one(Input).focus()
        await pilot.press("ctrl+u", *"9")
        await settled(pilot, lambda: "training.epochs: 5 → 9" in plan(app))
        await pilot.press("escape", "down", "down")
        await settled(pilot, lambda: title(app) == "ensemble.yaml")
        await pilot.press("up", "up")
        await settled(pilot, lambda: title(app) == "model.yaml")
        await ready(app, pilot, settled)
        assert row(app, "training.epochs").value == "9"
        await pilot.press("f5")
        await settled(pilot, lambda: row(app, "training.epochs").value == "5")


@pytest.mark.parametrize("key", ["up", "down"])
async def test_arrows_go_from_field_to_field(
    workspace: Workspace, filled: dict[str, int], settled: Callable, key: str
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, settled)
        start, goal = ("name", "experiment") if key == "down" else ("experiment", "name")
        row(app, start).children[1].focus()
        await pilot.pause()
        await pilot.press(key)
        await settled(pilot, lambda: app.focused is row(app, goal).children[1])
        help_line = str(app.screen.query_one("#form-help", Label).content)
        assert row(app, goal).spec.help in help_line
        await pilot.press("enter")
        await settled(pilot, lambda: app.focused is not row(app, goal).children[1])


async def test_page_keys_scroll_the_form(
    workspace: Workspace, filled: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, settled)
        row(app, "name").children[1].focus()
        await pilot.press("pagedown")
        rows = app.screen.query_one("#form-rows")
        await settled(pilot, lambda: rows.scroll_y > 0)
        await pilot.press("pageup")
        await settled(pilot, lambda: rows.scroll_y == 0)


def test_queued_and_cancelled_runs(store: Store, filled: dict[str, int]) -> None:
    late, gone = create_runs(store, [new_run("late"), new_run("gone")])
    transition(store, gone, from_={Status.QUEUED}, to=Status.CANCELLED)
    names = [one.run.id for one in candidates(store, "model")]
    assert late in names
    assert gone not in names


async def test_y_in_runs_clones_the_run_under_the_cursor(
    workspace: Workspace, filled: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await settled(pilot, lambda: app.opened)
        await pilot.press("2")
        await settled(pilot, lambda: getattr(app.screen, "MODE", "") == "runs" and app.screen.current_run())
        run = app.screen.current_run()
        await pilot.press("y")
        await settled(pilot, lambda: isinstance(app.screen, Launch) and app.screen.is_mounted)
        await settled(pilot, lambda: title(app) == f"again: run {run.id}")


async def test_a_form_from_a_checkpoint_may_be_asked_for_in_a_worker(
    workspace: Workspace, filled: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await settled(pilot, lambda: app.opened)
        app.run_worker(app.launch_from(filled["model-a"], "epoch-2"), name="launch")
        await settled(pilot, lambda: isinstance(app.screen, Launch) and app.screen.is_mounted)
        await settled(pilot, lambda: title(app) == f"finetune from run {filled['model-a']}@epoch-2")
        await ready(app, pilot, settled)
        assert row(app, "inputs.init").value == "model-a@epoch-2"
