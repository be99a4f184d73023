"""An ensemble leaves the screen: as a run with its submission and its page, to the clipboard, into a file."""

import json
from pathlib import Path
from typing import Any

import pytest
from ensemble_page import Settled, opened, screen, shown, three_members
from textual.widgets import TabbedContent

from app.tui.app import ReeltopApp
from app.tui.screens.ask import Ask
from app.tui.screens.run import RunScreen
from app.tui.widgets.ensemble_view import EnsembleView
from app.tui.widgets.label import Label
from engine.records import Artifact
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.queries import run_detail, run_row
from engine.store.runs import transition
from engine.store.views import Status
from engine.workspace import Workspace


@pytest.fixture
def members(store: Store, workspace: Workspace) -> list[int]:
    return three_members(store, workspace)


def data_set(workspace: Workspace) -> None:
    """A data set with a test split, as far as queueing looks."""
    folder = workspace.root / "data" / "sample" / "annotations"
    folder.mkdir(parents=True)
    (folder / "test.json").write_text("[]")


@pytest.mark.parametrize(
    ("keys", "kind", "values", "count"),
    [
        ((), "equal", [], 3),
        (("left", "end", "0"), "given", [0.9, 1], 2),
        (("f",), "bagged", [], 3),
    ],
)
async def test_it_is_saved_as_a_run_under_the_name_that_is_asked_for(
    workspace: Workspace,
    store: Store,
    members: list[int],
    settled: Settled,
    supervisors: list[Workspace],
    keys: tuple[str, ...],
    kind: str,
    values: list[float],
    count: int,
) -> None:
    data_set(workspace)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, members)
        await pilot.press(*keys)
        if "f" in keys:
            await settled(pilot, lambda: screen(app).bench.kind == kind)
        await pilot.press("s")
        await settled(pilot, lambda: isinstance(app.screen, Ask) and app.screen.is_mounted)
        await pilot.press(*["backspace"] * len("ensemble"), "enter")
        assert "a run needs a name" in str(app.screen.query_one(".dialog-wrong", Label).content)
        await pilot.press(*"best-of", "enter")
        await settled(pilot, lambda: "saved as run" in shown(app, "#ensemble-notes"))
        run = run_detail(store, members[-1] + 1)
        assert (run.run.name, run.run.stage) == ("best-of", "ensemble")
        assert run.config["weights"] == {"kind": kind, "values": values}
        assert run.config["data"] == run.config["data"] | {"root": "data/sample", "split": "test"}
        assert [given.source_run for given in run.inputs] == members[:count]
        assert supervisors == [workspace]


async def test_nothing_is_queued_where_the_name_is_refused_or_the_data_is_gone(
    workspace: Workspace, store: Store, members: list[int], settled: Settled, supervisors: list[Workspace]
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, members)
        await pilot.press("s", "escape", "s", "enter")
        await settled(
            pilot, lambda: any("has no annotations folder" in note.message for note in app._notifications)
        )
        assert supervisors == []
        with pytest.raises(Exception, match="no run"):
            run_row(store, members[-1] + 1)


async def test_a_saved_run_is_followed_to_its_submission_and_opened(
    workspace: Workspace, store: Store, members: list[int], settled: Settled, supervisors: list[Workspace]
) -> None:
    data_set(workspace)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, members)
        await pilot.press("f")
        await settled(pilot, lambda: screen(app).bench.found is not None)
        await pilot.press("s", "enter")
        await settled(pilot, lambda: "◌ queued" in shown(app, "#ensemble-notes"))
        run_id = members[-1] + 1
        folder = finish_ensemble(store, workspace, run_id, screen(app).bench.found)
        path = f"{run_row(store, run_id).directory}/artifacts/submission.csv"
        await settled(pilot, lambda: f"submission {path}" in shown(app, "#ensemble-notes"))
        await pilot.press("o")
        await settled(
            pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.current_run() is not None
        )
        tabs = app.screen.query_one(TabbedContent)
        await settled(pilot, lambda: tabs.get_tab("ensemble").display)
        await pilot.press("right_square_bracket")
        view = app.screen.query_one(EnsembleView)
        label = view.query_one(Label)
        await settled(pilot, lambda: "bagged selection" in str(label.content))
        found = screen_report(folder)
        for told in (
            "model-2",
            f"{found['members'][1]['f1_mean']:.4f}",
            f"honest      F1-mean {found['ensemble']['f1_mean']:.4f} (95% {found['interval'][0]:.4f}",
            f"in sample   {found['in_sample']:.4f}",
            f"gain        {found['gain']:+.4f} over model-2",
            f"submission  {path}",
        ):
            assert told in str(label.content)
        await pilot.press("c")
        assert "| model-2 |" in app.clipboard
        (folder / "ensemble.json").write_text("{}")
        ingest(store, run_id, [], old_offset=2, new_offset=3)
        await settled(pilot, lambda: "this is no report of an ensemble" in str(label.content))


def finish_ensemble(store: Store, workspace: Workspace, run_id: int, report: dict[str, Any]) -> Path:
    """Let an ensemble's run end as if it had been carried out; the folder of its report."""
    transition(store, run_id, from_={Status.QUEUED}, to=Status.STARTING)
    transition(store, run_id, from_={Status.STARTING}, to=Status.RUNNING)
    folder = workspace.root / run_row(store, run_id).directory / "artifacts"
    folder.mkdir(parents=True)
    (folder / "ensemble.json").write_text(json.dumps(report))
    made = [
        Artifact(time=1.0, kind=kind, path=f"artifacts/{name}", bytes=1, sha256="0" * 64)
        for kind, name in (("report", "ensemble.json"), ("submission", "submission.csv"))
    ]
    ingest(store, run_id, made, old_offset=0, new_offset=2)
    transition(store, run_id, from_={Status.RUNNING}, to=Status.FINISHED)
    return folder


def screen_report(folder: Path) -> dict[str, Any]:
    """The report in a run's folder."""
    found: dict[str, Any] = json.loads((folder / "ensemble.json").read_text())
    return found


async def test_the_table_is_copied_and_written(
    workspace: Workspace, members: list[int], settled: Settled
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, members)
        await settled(pilot, lambda: screen(app).bench.report is not None)
        report = screen(app).bench.report
        await pilot.press("c")
        lines = app.clipboard.splitlines()
        assert lines[0] == "| member | weight | f1_mean | l1 mic | l1 mac | l2 mic | l2 mac | without |"
        assert lines[2].startswith(f"| model-1 | 1.00 | {report['members'][0]['f1_mean']:.4f} |")
        assert lines[-1].startswith(f"| ensemble |  | {report['in_sample']:.4f} |")
        await pilot.press("C")
        assert app.clipboard.splitlines()[1].startswith("model-1,1.00,")
        await pilot.press("w")
        folder = workspace.root / "exports"
        await settled(
            pilot, lambda: folder.is_dir() and any(path.stat().st_size for path in folder.iterdir())
        )
        (path,) = folder.iterdir()
        assert path.read_text() == app.clipboard
