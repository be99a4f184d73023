"""Launch: files, the form made from the config model, what would run, and queueing it."""

import errno
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from textual.app import App, ComposeResult
from textual.widgets import Input

from app.tui.app import ReeltopApp
from app.tui.screens.launch import Launch
from app.tui.widgets.choice import Choice
from app.tui.widgets.config_form import ConfigForm
from app.tui.widgets.field_row import FieldRow
from app.tui.widgets.label import Label
from app.tui.widgets.plan_view import PlanView
from engine.store.database import Store
from engine.store.queries import list_runs
from engine.workspace import Workspace

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.fixture
def launched(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with the sample configs and a data set's folder; no supervisor is started."""
    shutil.copytree(CONFIGS / "sample", workspace.configs / "sample")
    (workspace.root / "data/sample/annotations").mkdir(parents=True)
    monkeypatch.setattr("engine.supervisor.client.ensure_supervisor", lambda _workspace: None)
    return workspace


def plan(app: ReeltopApp) -> str:
    """The right side as text."""
    return str(app.screen.query_one(PlanView).query_one(Label).content)


def row(app: ReeltopApp, key: str) -> FieldRow:
    """The row of a field."""
    return app.screen.query_one(ConfigForm)._rows[key]


async def opened(app: ReeltopApp, pilot: object, settled: Callable, path: str) -> None:
    await settled(pilot, lambda: app.opened)
    await pilot.press("3")
    await settled(pilot, lambda: isinstance(app.screen, Launch) and app.screen.is_mounted)
    app.screen.open_config(Path(path))
    name = Path(path).name
    await settled(pilot, lambda: name in str(app.screen.query_one(ConfigForm).border_title) and plan(app))
    rows = app.screen.query_one(ConfigForm)._rows
    await settled(pilot, lambda: all(len(one.children) == 3 for one in rows.values()))


async def test_the_form_has_help_bounds_and_choices_from_the_model(
    launched: Workspace, settled: Callable
) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await opened(app, pilot, settled, "sample/finetune.yaml")
        assert row(app, "training.epochs").query_one(Input).value == "6"
        assert "passes over the training videos" in row(app, "training.epochs").help_text
        assert "0 to 1" in row(app, "training.warmup").help_text
        assert isinstance(row(app, "training.schedule").children[1], Choice)


async def test_a_value_out_of_range_is_told_while_typing_and_cannot_be_queued(
    launched: Workspace, store: Store, settled: Callable
) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await opened(app, pilot, settled, "sample/extract.yaml")
        await settled(pilot, lambda: "✓ 1 run" in plan(app))
        field = row(app, "batch_frames")
        field.query_one(Input).focus()
        await pilot.press("ctrl+u", *"0")
        await settled(pilot, lambda: field.problem is not None and "1 to 65536" in field.problem)
        assert "✗ 1 field to correct" in plan(app)
        await pilot.press("ctrl+s")
        await settled(pilot, lambda: any("see the errors" in note.message for note in app._notifications))
        assert list_runs(store).total == 0


async def test_a_changed_form_is_compared_with_the_file_and_queued(
    launched: Workspace, store: Store, settled: Callable
) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await opened(app, pilot, settled, "sample/extract.yaml")
        await settled(pilot, lambda: "✓ 1 run" in plan(app))
        row(app, "batch_frames").query_one(Input).focus()
        await pilot.press("ctrl+u", *"64")
        await settled(pilot, lambda: "batch_frames: 128 → 64" in plan(app) and "✓ 1 run" in plan(app))
        row(app, "data.on_error").children[1].focus()
        await pilot.press("right")
        await settled(pilot, lambda: "data.on_error: skip → fail" in plan(app) and "✓ 1 run" in plan(app))
        await pilot.press("ctrl+s")
        await settled(pilot, lambda: list_runs(store).total == 1)
        (run,) = list_runs(store, filter="batch_frames=64 on_error=fail").runs
        assert run.name == "features"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OperationalError("INSERT INTO run", {}, sqlite3.OperationalError("No space left on device")),
    ],
)
async def test_a_full_disk_while_queueing_is_a_line_and_the_interface_stays(
    launched: Workspace,
    store: Store,
    settled: Callable,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("engine.planning.submit.submit", fail)
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await opened(app, pilot, settled, "sample/extract.yaml")
        await settled(pilot, lambda: "✓ 1 run" in plan(app))
        await pilot.press("ctrl+s")
        await settled(pilot, lambda: app._notifications)
        (note,) = app._notifications
        assert "No space left on device" in note.message
        assert "INSERT" not in note.message
        assert note.severity == "error"
        assert app.is_running


async def test_a_pipeline_shows_its_runs_and_is_queued_as_a_whole(
    launched: Workspace, store: Store, settled: Callable
) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await opened(app, pilot, settled, "sample/pipeline.yaml")
        await settled(pilot, lambda: "runs: ctrl+s queues" in plan(app))
        assert "needs features of features" in plan(app)
        await pilot.press("ctrl+s")
        await settled(pilot, lambda: list_runs(store).total >= 3)


async def test_a_file_with_a_mistake_shows_the_line(launched: Workspace, settled: Callable) -> None:
    (launched.configs / "bad.yaml").write_text("stage: extract\nmodel: {vison: x}\n")
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await opened(app, pilot, settled, "bad.yaml")
        text = lambda: str(app.screen.query_one("#form-rows").query(Label).first().content)  # noqa: E731
        await settled(pilot, lambda: "bad.yaml:2" in text() and "vision" in text())


async def test_an_input_that_names_no_run_is_told(launched: Workspace, settled: Callable) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(140, 45)) as pilot:
        await opened(app, pilot, settled, "sample/predict.yaml")
        await settled(pilot, lambda: "inputs.model: no run" in plan(app))
        assert row(app, "inputs.model").has_class("-wrong")


async def test_a_workspace_without_configs_says_what_to_do(workspace: Workspace, settled: Callable) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, lambda: app.opened)
        await pilot.press("3")
        await settled(pilot, lambda: isinstance(app.screen, Launch) and app.screen.is_mounted)
        rows = app.screen.query_one("#form-rows")
        await settled(
            pilot, lambda: rows.query(Label) and "reeltop init" in str(rows.query(Label).first().content)
        )


async def test_the_palette_opens_runs_and_configs(
    launched: Workspace, store: Store, settled: Callable
) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, lambda: app.opened and app.current_mode == "monitor")
        await pilot.press("ctrl+p", *"extract")
        await settled(
            pilot, lambda: "extract" in str(getattr(app.screen.query("OptionList").first(), "options", ""))
        )
        options = app.screen.query("OptionList").first()
        await settled(
            pilot, lambda: options.option_count and "launch sample/extract" in str(options.options[0].prompt)
        )
        await pilot.press("enter")
        await settled(pilot, lambda: isinstance(app.screen, Launch) and app.screen.is_mounted)
        await settled(pilot, lambda: "extract.yaml" in str(app.screen.query_one(ConfigForm).border_title))


class Words(App[None]):
    """Five words where there is no room for them in a line."""

    CSS = "Choice { width: 24; height: auto; }"

    def compose(self) -> ComposeResult:
        yield Choice(("equal", "given", "bagged", "greedy", "coordinate"), "bagged")


async def test_choices_that_do_not_fit_a_line_go_on_in_the_next_and_are_clicked_there() -> None:
    app = Words()
    async with app.run_test(size=(40, 10)) as pilot:
        choice = app.query_one(Choice)
        assert [line.text.rstrip() for line in map(choice.render_line, range(choice.size.height))] == [
            "○ equal ○ given",
            "● bagged ○ greedy",
            "○ coordinate",
        ]
        await pilot.click(Choice, offset=(10, 1))
        assert choice.value == "greedy"
        await pilot.click(Choice, offset=(2, 2))
        assert choice.value == "coordinate"
        await pilot.click(Choice, offset=(20, 2))
        assert choice.value == "coordinate"


async def test_a_form_that_is_made_anew_keeps_no_help_of_a_field_that_is_left(
    workspace: Workspace, settled: Callable
) -> None:
    (workspace.configs / "model.yaml").write_text("stage: finetune\nmodel: {vision: models/clip}\n")
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: app.opened)
        await pilot.press("3")
        await settled(pilot, lambda: isinstance(app.screen, Launch) and app.screen.query(Input))
        form = app.screen.query_one(ConfigForm)
        help_line = form.query_one("#form-help", Label)
        form.focus_first()
        await settled(pilot, lambda: str(help_line.content))
        first = next(iter(form._rows.values()))
        await pilot.press("f5")
        await settled(
            pilot, lambda: next(iter(form._rows.values())) is not first and not form.has_focus_within
        )
        await settled(pilot, lambda: not str(help_line.content))
