"""Monitor: what runs, what waits, the curves and the log of the chosen run, and the keys that act on it."""

import json
from collections.abc import Callable
from itertools import pairwise

import pytest
from conftest import end, new_run, train, write_log

from app.tui.app import ReeltopApp
from app.tui.screens.confirm import Confirm
from app.tui.screens.monitor import Monitor
from app.tui.screens.run import RunScreen
from app.tui.widgets.host_panel import HostPanel
from app.tui.widgets.live_list import LiveList
from app.tui.widgets.log_view import LogView
from app.tui.widgets.metric_chart import MetricChart
from app.tui.widgets.rates_line import RatesLine
from app.tui.widgets.wait_list import WaitList
from engine.records import Metrics
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.queries import run_row
from engine.store.runs import create_runs, transition
from engine.store.views import Intent, Status
from engine.telemetry import HostSample, Telemetry
from engine.workspace import Workspace


def prompts(app: ReeltopApp, kind: type) -> list[str]:
    """The lines of a list."""
    return [str(option.prompt) for option in app.screen.query_one(kind).options]


async def shown(app: ReeltopApp, pilot: object, settled: Callable) -> None:
    await settled(
        pilot,
        lambda: isinstance(app.screen, Monitor) and app.screen.is_mounted and prompts(app, LiveList),
    )


async def test_it_shows_what_runs_and_why_the_others_wait(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot, settled)
        await settled(pilot, lambda: "loss" in prompts(app, LiveList)[0])
        line = prompts(app, LiveList)[0]
        assert "● running" in line
        assert "model-1" in line
        assert "55%" in line
        assert "needs run 3 (model-1) to finish" in prompts(app, WaitList)[0]
        charts = {chart.key: chart for chart in app.screen.query(MetricChart)}
        await settled(pilot, lambda: all(chart.points for chart in charts.values()))
        assert "val/f1_mean 0.5678" in str(charts["val/f1_mean"].border_title)


async def test_the_log_is_at_its_end_and_follows(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot, settled)
        log = app.screen.query_one(LogView)
        await settled(pilot, lambda: "step 219 loss 1.8" in str(log.render_line(log.size.height - 1).text))
        path = workspace.run_dir(runs["model-1"], "model-1") / "log.txt"
        with path.open("a") as file:
            file.write("  0%\r 50%\r100%\x1b[2J\n")
        await settled(pilot, lambda: "100%␛[2J" in log.render_line(log.size.height - 1).text)
        assert "50%" not in log.render_line(log.size.height - 1).text


async def test_a_log_that_cannot_be_read_says_why_and_is_shown_when_it_can(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    path = workspace.run_dir(runs["model-1"], "model-1") / "log.txt"
    path.unlink()
    path.mkdir()
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot, settled)
        log = app.screen.query_one(LogView)
        await settled(pilot, lambda: "cannot be read: [Errno 21] Is a directory" in log.render_line(0).text)
        path.rmdir()
        await settled(pilot, lambda: f"no log in runs/{path.parent.name}" in log.render_line(0).text)


async def test_speed_learning_rate_and_gradient_are_a_line_below_the_charts_where_there_is_room(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 36)) as pilot:
        await shown(app, pilot, settled)
        line = app.screen.query_one(RatesLine)
        await settled(pilot, lambda: str(line.content) == "grad 1.3")
        charts = list(app.screen.query(MetricChart))
        before = [chart.region for chart in charts]
        values = {"speed/videos": 531.2, "lr/text": 4.1234e-5}
        ingest(
            store, runs["model-1"], [Metrics(time=1.0, step=220, values=values)], old_offset=2, new_offset=3
        )
        await settled(pilot, lambda: str(line.content) == "531 videos/s · lr 4.1e-05 · grad 1.3")
        assert [chart.region for chart in charts] == before
        assert line.region.height == 1
        assert line.region.y >= max(region.bottom for region in before)
        await pilot.resize_terminal(80, 24)
        await settled(pilot, lambda: not line.display)


@pytest.mark.parametrize("size", [(80, 24), (110, 30), (120, 36), (160, 50)])
async def test_the_machine_panel_shows_its_rates_whole(
    workspace: Workspace, settled: Callable, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    most, rate = (1 << 40) - 1, (1 << 20) - 1  # as long as sizes and rates get
    sample = HostSample(100.0, 128, most, most, most, most, rate, rate)
    monkeypatch.setattr(Telemetry, "host", lambda _telemetry: sample)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=size) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.screen.is_mounted)
        panel = app.screen.query_one(HostPanel)
        await settled(pilot, lambda: "RAM" in str(panel.content))
        assert "net 1024KiB/s in 1024KiB/s out" in str(panel.content)
        assert max(len(line) for line in str(panel.content).splitlines()) <= panel.content_size.width


async def test_when_nothing_runs_the_newest_run_with_a_curve_is_charted(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    trained, predicted = create_runs(store, [new_run("trained"), new_run("predicted", stage="predict")])
    train(store, trained, steps=150)
    end(store, trained, Status.FINISHED)
    for before, after in pairwise((Status.QUEUED, Status.STARTING, Status.RUNNING, Status.FINISHED)):
        transition(store, predicted, from_={before}, to=after)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.screen.is_mounted)
        log = app.screen.query_one(LogView)
        await settled(pilot, lambda: "trained" in str(log.border_title))
        await settled(pilot, lambda: all(chart.points for chart in app.screen.query(MetricChart)))
        assert app.screen.current_run().id == trained


async def test_the_curves_are_those_that_the_stage_has(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    (only,) = create_runs(store, [new_run("before", stage="pretrain")])
    for before, after in pairwise((Status.QUEUED, Status.STARTING, Status.RUNNING)):
        transition(store, only, from_={before}, to=after)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot, settled)
        charts = app.screen.query(MetricChart)
        await settled(pilot, lambda: [chart.key for chart in charts] == ["train/loss", "train/mlm"])


async def test_without_any_curve_the_newest_run_is_followed(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    (only,) = create_runs(store, [new_run("only")])
    for before, after in pairwise((Status.QUEUED, Status.STARTING, Status.RUNNING)):
        transition(store, only, from_={before}, to=after)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot, settled)
        log = app.screen.query_one(LogView)
        await settled(pilot, lambda: "only" in str(log.border_title))
        transition(store, only, from_={Status.RUNNING}, to=Status.FINISHED)
        await settled(
            pilot, lambda: "nothing runs" in str(prompts(app, LiveList)) and app.screen._charted_known
        )
        assert app.screen.current_run().id == only
        assert "only" in str(log.border_title)


async def test_stop_asks_once_writes_the_intent_and_has_it_seen_to(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable, supervisors: list[Workspace]
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot, settled)
        await pilot.press("s")
        await settled(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("n")
        await settled(pilot, lambda: isinstance(app.screen, Monitor))
        assert run_row(store, runs["model-1"]).intent is Intent.RUN
        assert not supervisors
        await pilot.press("s", "y")
        await settled(pilot, lambda: run_row(store, runs["model-1"]).intent is Intent.STOP)
        await settled(pilot, lambda: "stopping" in prompts(app, LiveList)[0])
        await pilot.press("X", "y")
        await settled(pilot, lambda: run_row(store, runs["model-1"]).intent is Intent.KILL)
        await settled(pilot, lambda: supervisors == [workspace, workspace])
        manifest = json.loads((workspace.run_dir(runs["model-1"], "model-1") / "run.json").read_text())
        assert "kill" in json.dumps(manifest)


async def test_the_newest_run_is_followed_until_another_is_chosen(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot, settled)
        (newer,) = create_runs(store, [new_run("newer")])
        train(store, newer, steps=30)
        write_log(workspace, newer, "newer", "hello from the newer one\n")
        log = app.screen.query_one(LogView)
        await settled(pilot, lambda: "newer" in str(log.border_title))
        await pilot.press("down")
        await settled(pilot, lambda: "model-1" in str(log.border_title))
        (newest,) = create_runs(store, [new_run("newest")])
        train(store, newest, steps=30)
        await settled(pilot, lambda: len(prompts(app, LiveList)) == 3)
        assert "model-1" in str(log.border_title)


async def test_enter_opens_the_run_and_escape_comes_back(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(app, pilot, settled)
        await pilot.press("enter")
        await settled(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press("escape")
        await settled(pilot, lambda: isinstance(app.screen, Monitor))


async def test_the_log_fills_the_screen_and_gives_it_back(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(app, pilot, settled)
        await pilot.press("l", "l")
        await settled(pilot, lambda: app.screen.maximized is app.screen.query_one(LogView))
        await pilot.press("f")
        await settled(pilot, lambda: app.screen.maximized is None)


async def test_names_with_markup_and_escapes_are_shown_as_they_are(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    name = "[bold red]x[/] [@click=app.quit]\x1b[31m 模型"
    (run_id,) = create_runs(store, [new_run(name)])
    train(store, run_id, steps=20)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(200, 40)) as pilot:
        await shown(app, pilot, settled)
        expected = "[bold red]x[/] [@click=app.quit]␛[31m 模型"
        assert expected in prompts(app, LiveList)[0]
        assert expected in app.screen.query_one(LogView)._border_title.plain
        await pilot.press("2", "enter")
        await settled(pilot, lambda: isinstance(app.screen, RunScreen))
        await settled(pilot, lambda: expected in str(app.screen.query_one("RunHead").content))
        await pilot.press("x")
        await settled(pilot, lambda: isinstance(app.screen, Confirm))
        assert expected in str(app.screen.query("Label").first().content)


async def test_help_lists_the_keys_of_the_screen(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(app, pilot, settled)
        await pilot.press("question_mark")
        await settled(pilot, lambda: app.screen.query("HelpPanel"))
        await pilot.press("escape")
        await settled(pilot, lambda: not app.screen.query("HelpPanel"))


async def test_every_screen_survives_twenty_by_five_and_growing_again(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(app, pilot, settled)
        await pilot.resize_terminal(1, 1)
        for key in ("1", "2", "enter", "]", "]", "]", "]", "]", "escape", "3"):
            await pilot.press(key)
            for size in ((20, 5), (80, 24)):
                await pilot.resize_terminal(*size)
                await pilot.pause()
        assert app.is_running
