"""The editor, saving as a new file, reading again, and terminals of any size."""

import contextlib
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.widgets import Input

from app.tui.app import ReeltopApp
from app.tui.forms import find_files
from app.tui.screens.ask import Ask
from app.tui.screens.confirm import Confirm
from app.tui.screens.launch import Launch
from app.tui.widgets.config_form import ConfigForm
from app.tui.widgets.field_row import FieldRow
from app.tui.widgets.label import Label
from app.tui.widgets.plan_view import PlanView
from engine.config.load import load_file
from engine.store.database import Store
from engine.store.queries import list_runs
from engine.workspace import Workspace

FILE = """# Worth keeping.
stage: finetune
name: model
gpus: 0
model: {vision: models/clip}
"""
PIPELINE = "name: all\nruns:\n  one: {config: model.yaml}\n  two: {config: model.yaml, set: {seed: 1}}\n"


@pytest.fixture
def launched(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with a config and a pipeline; no supervisor is started, and a terminal that can be given away."""
    (workspace.configs / "model.yaml").write_text(FILE)
    (workspace.root / "data/sample/annotations").mkdir(parents=True)
    monkeypatch.setattr("engine.supervisor.client.ensure_supervisor", lambda _workspace: None)

    @contextlib.contextmanager
    def suspend(_app: ReeltopApp) -> Iterator[None]:
        yield

    monkeypatch.setattr(ReeltopApp, "suspend", suspend)
    return workspace


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """An editor that replaces one text by another in the file that it is given."""

    def becomes(old: str, new: str) -> None:
        script = tmp_path / "my editor"
        script.write_text(
            f"#!{sys.executable}\nimport sys\nfrom pathlib import Path\npath = Path(sys.argv[1])\n"
            f"text = path.read_text()\nassert {old!r} in text\npath.write_text(text.replace({old!r}, {new!r}))\n"
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("VISUAL", f"'{script}'")

    return becomes


def plan(app: ReeltopApp) -> str:
    return str(app.screen.query_one(PlanView).query_one(Label).content)


def row(app: ReeltopApp, key: str) -> FieldRow:
    return app.screen.query_one(ConfigForm)._rows[key]


def notes(app: ReeltopApp) -> str:
    return "\n".join(one.message for one in app._notifications)


async def opened(app: ReeltopApp, pilot: object, settled: Callable, name: str = "model.yaml") -> None:
    await settled(pilot, lambda: app.opened)
    await app.open_config(Path(name))
    title = lambda: str(app.screen.query_one(ConfigForm).border_title)  # noqa: E731
    await settled(pilot, lambda: title() == name and plan(app))
    rows = app.screen.query_one(ConfigForm)._rows
    await settled(pilot, lambda: all(len(one.children) == 3 for one in rows.values()))


async def changed(app: ReeltopApp, pilot: object, settled: Callable, key: str, value: str) -> None:
    row(app, key).query_one(Input).focus()
    await pilot.press("ctrl+u", *value)
    await settled(pilot, lambda: f"{key}: " in plan(app) and app.screen._plan is not None)


async def test_the_editor_opens_the_file_of_an_unchanged_form(
    launched: Workspace, settled: Callable, editor: Callable
) -> None:
    editor("gpus: 0", "gpus: 0\nseed: 7")
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled)
        await pilot.press("o")
        await settled(
            pilot, lambda: "seed" in app.screen.query_one(ConfigForm)._rows and row(app, "seed").value == "7"
        )
        assert "# Worth keeping." in (launched.configs / "model.yaml").read_text()


@pytest.mark.parametrize("key", ["o", "f4"])
async def test_the_editor_gets_a_changed_form_as_a_text_that_comes_back(
    launched: Workspace, settled: Callable, editor: Callable, key: str
) -> None:
    editor("epochs: 9", "epochs: 11")
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled)
        await changed(app, pilot, settled, "training.epochs", "9")
        if key == "o":
            await pilot.press("escape")
        await pilot.press(key)
        await settled(pilot, lambda: row(app, "training.epochs").value == "11")
        await settled(pilot, lambda: "training.epochs: 5 → 11" in plan(app))
        assert (launched.configs / "model.yaml").read_text() == FILE
        assert [path.name for path in launched.root.glob(".reeltop-*.yaml")] == []


async def test_an_edited_text_that_is_wrong_is_told_and_can_be_mended(
    launched: Workspace, settled: Callable, editor: Callable
) -> None:
    editor("epochs: 9", "epochs: many")
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled)
        await changed(app, pilot, settled, "training.epochs", "9")
        await pilot.press("f4")
        await settled(pilot, lambda: "not taken" in notes(app))
        assert "training.epochs" in notes(app)
        assert row(app, "training.epochs").value == "9"
        editor("epochs: many", "epochs: 12")
        await pilot.press("f4")
        await settled(pilot, lambda: row(app, "training.epochs").value == "12")


@pytest.mark.parametrize(
    ("command", "message"),
    [("no-such-editor", "cannot be started"), ("'", "cannot be understood"), ("false", "ended with code 1")],
)
async def test_an_editor_that_does_not_work_is_a_line_and_changes_nothing(
    launched: Workspace, settled: Callable, monkeypatch: pytest.MonkeyPatch, command: str, message: str
) -> None:
    monkeypatch.setenv("VISUAL", command)
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled)
        await pilot.press("o")
        await settled(pilot, lambda: message in notes(app))
        assert (launched.configs / "model.yaml").read_text() == FILE


async def test_without_a_terminal_to_give_away_it_says_so(workspace: Workspace, settled: Callable) -> None:
    (workspace.configs / "model.yaml").write_text(FILE)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled)
        await pilot.press("o")
        await settled(pilot, lambda: "no terminal here" in notes(app))


async def test_a_file_with_a_mistake_is_mended_in_the_editor(
    launched: Workspace, settled: Callable, editor: Callable
) -> None:
    (launched.configs / "bad.yaml").write_text("stage: finetune\nmodel: {vison: x}\n")
    editor("vison", "vision")
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, "bad.yaml")
        await pilot.press("o")
        await settled(pilot, lambda: "✓ 1 run" in plan(app))


@pytest.mark.parametrize("key", ["w", "f2"])
async def test_a_form_is_saved_as_a_new_file_with_its_comments_and_opened(
    launched: Workspace, settled: Callable, key: str
) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled)
        await changed(app, pilot, settled, "training.epochs", "9")
        if key == "w":
            await pilot.press("escape")
        await pilot.press(key)
        await settled(pilot, lambda: isinstance(app.screen, Ask) and app.screen.query(Input))
        assert app.screen.query_one(Input).value == "model-2.yaml"
        await pilot.press("ctrl+u", *"../out", "enter")
        await settled(pilot, lambda: "below configs" in str(app.screen.query_one(".dialog-wrong").content))
        await pilot.press("ctrl+u", *"mine/new", "enter")
        target = launched.configs / "mine" / "new.yaml"
        await settled(pilot, target.exists)
        assert "# Worth keeping." in target.read_text()
        assert load_file(target).training.epochs == 9
        await settled(pilot, lambda: str(app.screen.query_one(ConfigForm).border_title) == "new.yaml")
        assert (launched.configs / "model.yaml").read_text() == FILE


async def test_an_existing_file_is_replaced_only_after_a_question(
    launched: Workspace, settled: Callable
) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled)
        await changed(app, pilot, settled, "training.epochs", "9")
        for answer in ("n", "y"):
            await settled(pilot, lambda: isinstance(app.screen, Launch) and app.screen._plan is not None)
            await pilot.press("f2")
            await settled(pilot, lambda: isinstance(app.screen, Ask) and app.screen.query(Input))
            await pilot.press("ctrl+u", *"model.yaml", "enter")
            await settled(pilot, lambda: isinstance(app.screen, Confirm))
            assert "Replace model.yaml?" in str(app.screen.query("Label").first().content)
            await pilot.press(answer)
            await settled(pilot, lambda: isinstance(app.screen, Launch))
            if answer == "n":
                assert (launched.configs / "model.yaml").read_text() == FILE
        await settled(pilot, lambda: "epochs: 9" in (launched.configs / "model.yaml").read_text())


async def test_a_sweep_is_saved_as_a_file_and_a_pipeline_that_plans_the_same_runs(
    launched: Workspace, store: Store, settled: Callable
) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled)
        await changed(app, pilot, settled, "training.epochs", "1..3")
        await settled(pilot, lambda: "✓ 3 runs" in plan(app))
        await pilot.press("f2")
        await settled(pilot, lambda: isinstance(app.screen, Ask) and app.screen.query(Input))
        await pilot.press("ctrl+u", *"tried", "enter")
        await settled(pilot, lambda: (launched.configs / "tried-sweep.yaml").exists())
        await settled(pilot, lambda: str(app.screen.query_one(ConfigForm).border_title) == "tried-sweep.yaml")
        await settled(pilot, lambda: "✓ 3 runs" in plan(app) and "model-epochs2" in plan(app))
        assert load_file(launched.configs / "tried.yaml").training.epochs == 1


async def test_what_cannot_be_saved_says_why(launched: Workspace, settled: Callable) -> None:
    (launched.configs / "all.yaml").write_text(PIPELINE)
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, "all.yaml")
        await pilot.press("w")
        await settled(pilot, lambda: "a pipeline is edited in its file" in notes(app))
        await opened(app, pilot, settled)
        row(app, "training.epochs").query_one(Input).focus()
        await pilot.press("ctrl+u", *"0")
        await settled(pilot, lambda: "✗ 1 field" in plan(app))
        await pilot.press("f2")
        await settled(pilot, lambda: "correct what is wrong first" in notes(app))


async def test_a_pipeline_takes_settings_for_all_its_runs(
    launched: Workspace, store: Store, settled: Callable
) -> None:
    (launched.configs / "all.yaml").write_text(PIPELINE)
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, "all.yaml")
        await settled(pilot, lambda: "✓ 2 runs" in plan(app))
        row(app, "set").query_one(Input).focus()
        await pilot.press(*"training.epocs=2")
        await settled(pilot, lambda: "did you mean training.epochs" in plan(app))
        await pilot.press("ctrl+u", *"training.epochs=2")
        await settled(pilot, lambda: "✓ 2 runs" in plan(app))
        row(app, "name").query_one(Input).focus()
        await pilot.press("ctrl+u", *"tonight")
        await settled(pilot, lambda: "name: all → tonight" in plan(app) and app.screen._plan is not None)
        await pilot.press("ctrl+s")
        await settled(pilot, lambda: list_runs(store, "epochs=2").matching == 2)
        assert {run.experiment for run in list_runs(store).runs} == {"tonight"}


@pytest.mark.parametrize("size", [(20, 5), (40, 10), (50, 20), (80, 24), (120, 30), (300, 80)])
async def test_launch_is_usable_or_says_that_it_is_too_small(
    launched: Workspace, settled: Callable, size: tuple[int, int]
) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot, settled)
        await pilot.resize_terminal(*size)
        note = app.screen.query_one("#too-small", Label)
        await settled(pilot, lambda: note.display == (size == (20, 5)))
        form = app.screen.query_one(ConfigForm)
        if size != (20, 5):
            assert form.region.width >= 30
            assert form.region.height >= 4
        await pilot.resize_terminal(80, 24)
        await settled(pilot, lambda: not note.display and form.region.height >= 8)
        row(app, "training.warmup").children[1].focus()
        await settled(
            pilot, lambda: "share of the steps" in str(app.screen.query_one("#form-help", Label).content)
        )
        assert app.screen.query_one("#form-help", Label).region.width >= 50


async def test_escape_goes_from_the_form_to_the_files_and_enter_back(
    launched: Workspace, settled: Callable
) -> None:
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled)
        files = app.screen.query_one("#launch-files")
        await pilot.press("escape")
        await settled(pilot, lambda: app.focused is files)
        await pilot.press("enter")
        await settled(pilot, lambda: app.focused is row(app, "name").children[1])


async def test_saving_keeps_what_is_typed_into_other_files_and_names_every_file_that_it_replaces(
    launched: Workspace, settled: Callable
) -> None:
    (launched.configs / "other.yaml").write_text(FILE)
    (launched.configs / "tried-sweep.yaml").write_text(FILE)
    app = ReeltopApp(launched, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, "other.yaml")
        await changed(app, pilot, settled, "seed", "5")
        await opened(app, pilot, settled)
        await changed(app, pilot, settled, "training.epochs", "1, 2")
        await pilot.press("f2")
        await settled(pilot, lambda: isinstance(app.screen, Ask) and app.screen.query(Input))
        await pilot.press("ctrl+u", *"tried", "enter")
        await settled(pilot, lambda: isinstance(app.screen, Confirm))
        assert "Replace tried-sweep.yaml?" in str(app.screen.query("Label").first().content)
        assert not (launched.configs / "tried.yaml").exists()
        await pilot.press("y")
        await settled(pilot, lambda: "matrix" in (launched.configs / "tried-sweep.yaml").read_text())
        await settled(pilot, lambda: isinstance(app.screen, Launch))
        await opened(app, pilot, settled, "other.yaml")
        assert row(app, "seed").value == "5"


async def test_a_folder_begins_with_its_pipelines(launched: Workspace) -> None:
    (launched.configs / "zz").mkdir()
    (launched.configs / "zz" / "whole.yaml").write_text(PIPELINE)
    (launched.configs / "zz" / "a.yaml").write_text(FILE)
    (launched.configs / "zz" / "b.yaml").mkdir()
    assert [str(file) for file in find_files(launched.configs)] == [
        "model.yaml",
        "zz/whole.yaml",
        "zz/a.yaml",
        "zz/b.yaml",
    ]
