"""Keys of the Runs screen that arrange, mark, lead elsewhere and export."""

from collections.abc import Callable

import pytest
from conftest import new_run
from runs_page import order, told
from test_runs_screen import lines, opened, table
from textual.widgets import Input

from app.tui.app import ReeltopApp
from app.tui.screens.pick_key import PickKey
from app.tui.widgets.label import Label
from app.tui.widgets.run_preview import RunPreview
from engine.store.database import Store
from engine.store.queries import run_row
from engine.store.runs import create_runs, delete_run
from engine.workspace import Workspace


async def test_space_marks_and_marks_survive_sorting_and_filtering(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(150, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("down", "space", "end", "space")
        assert app.marked == [runs["model-1"], runs["model-3"]]
        assert [line[1] for line in lines(app)] == [" ", "◆", " ", "◆"]
        assert str(table(app).border_subtitle) == "4 runs · ◆ 2 marked"
        await pilot.press("s", "s")
        await settled(pilot, lambda: "broken" in lines(app)[0])
        assert [line[1] for line in lines(app)] == [" ", "◆", " ", "◆"]
        await pilot.press("slash", *"name=model-3", "enter")
        await settled(pilot, lambda: table(app).matching == 1)
        assert lines(app)[0][1] == "◆"
        await pilot.press("space")
        assert app.marked == [runs["model-1"]]
        await pilot.press("A")
        assert app.marked == []
        assert "marked" not in str(table(app).border_subtitle)


async def test_b_puts_the_best_on_top_and_the_cursor_on_it(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        assert app.screen.current_run().name == "model-2"
        await pilot.press("b")
        await settled(pilot, lambda: order(app)[:2] == ["model-3", "model-1"])
        await settled(pilot, lambda: app.screen.current_run().name == "model-3")
        assert "by f1_mean ▼" in str(table(app).border_title)
        await pilot.press("down", "down", "b")
        assert app.screen.current_run().name == "model-3"


async def test_a_marks_what_the_filter_leaves_and_takes_it_away_again(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    made = create_runs(store, [new_run(f"run-{n}") for n in range(500)] + [new_run("other")])
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 501)
        await pilot.press("slash", *"name~run-", "enter")
        await settled(pilot, lambda: table(app).matching == 500)
        await pilot.press("a")
        await settled(pilot, lambda: len(app.marked) == 500)
        assert set(app.marked) == set(made[:-1])
        await pilot.press("a")
        await settled(pilot, lambda: app.marked == [])


async def test_marks_lead_to_compare_and_ensemble(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        for key, mode in (("equals_sign", "compare"), ("e", "ensemble")):
            await opened(app, pilot, settled, 4)
            app._notifications.clear()
            await pilot.press(key)
            await settled(pilot, lambda: "space marks one" in told(app))
            await settled(pilot, lambda mode=mode: app.current_mode == mode)


async def test_without_those_modes_the_keys_say_so(
    workspace: Workspace, runs: dict[str, int], settled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = {name: mode for name, mode in ReeltopApp.MODES.items() if name not in ("compare", "ensemble")}
    monkeypatch.setattr(ReeltopApp, "MODES", modes)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("equals_sign", "e")
        await settled(pilot, lambda: "no Compare here" in told(app) and "no Ensemble here" in told(app))
        assert app.current_mode == "runs"


async def test_any_key_sorts_from_the_list_of_all(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(150, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("o")
        await settled(pilot, lambda: isinstance(app.screen, PickKey))
        await pilot.press(*"train/loss.min", "enter")
        await settled(pilot, lambda: order(app)[0] == "model-3")
        assert "by train/loss.min ▲" in str(table(app).border_title)
        await pilot.press("g")
        await settled(pilot, lambda: isinstance(app.screen, PickKey))
        await pilot.press(*"tag", "enter")  # not `stage`, which stood there and has it in it
        await settled(pilot, lambda: "groups of tag" in str(table(app).border_title))
        await pilot.press("g")
        await pilot.press("o")
        await settled(pilot, lambda: isinstance(app.screen, PickKey))
        await pilot.press(*"nothing like it")
        await settled(
            pilot, lambda: "nothing has" in str(app.screen.query_one(".dialog-wrong", Label).content)
        )
        await pilot.press("enter", "escape")
        await settled(pilot, lambda: not isinstance(app.screen, PickKey))
        assert "by train/loss.min ▲" in str(table(app).border_title)


async def test_durations_sort_both_ways(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(150, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("o")
        await settled(pilot, lambda: isinstance(app.screen, PickKey))
        await pilot.press(*"duration", "enter")
        await settled(pilot, lambda: "took▲" in table(app).render_line(0).text)
        await settled(pilot, lambda: order(app)[-1] == "model-2")  # it has not begun
        await pilot.press("S")
        await settled(pilot, lambda: "took▼" in table(app).render_line(0).text)
        await settled(pilot, lambda: order(app)[0] == "model-1" and order(app)[-1] == "model-2")


async def test_groups_fold_mark_and_go_away(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    create_runs(store, [new_run("pre", stage="pretrain")])
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(150, 40)) as pilot:
        await opened(app, pilot, settled, 5)

        def shown() -> list[str]:
            return [line.rstrip() for line in lines(app)]

        await pilot.press("z")
        await settled(pilot, lambda: "there are no groups" in told(app))
        await pilot.press("g")
        await settled(pilot, lambda: isinstance(app.screen, PickKey))
        await pilot.press(*"stage", "enter")
        await settled(pilot, lambda: len(shown()) == 2)
        finetune = next(line for line in shown() if "finetune" in line)
        assert "4 runs" in finetune
        assert "best 0.7329" in finetune
        assert "mean 0.6" in finetune  # of two scores
        assert str(table(app).border_subtitle) == "5 runs in 2 groups"
        await pilot.press("end")
        preview = app.screen.query_one(RunPreview)
        await settled(pilot, lambda: str(preview.border_title) == "group finetune")
        assert "best  " in str(preview.query_one(Label).content)
        assert "0.7329" in str(preview.query_one(Label).content)
        await pilot.press("right")
        await settled(pilot, lambda: len(shown()) == 6)
        assert "▾ finetune" in shown()[1]
        assert "model-3" in shown()[5]
        await pilot.press("space")
        assert sorted(app.marked) == sorted(runs.values())
        assert shown()[1][1] == "◆"
        await pilot.press("left")
        await settled(pilot, lambda: len(shown()) == 2)
        await pilot.press("enter")
        await settled(pilot, lambda: len(shown()) == 6)
        await pilot.press("z")
        await settled(pilot, lambda: len(shown()) == 2)
        await pilot.press("z")
        await settled(pilot, lambda: len(shown()) == 7)
        await pilot.press("g")
        await settled(pilot, lambda: table(app).length == 5)


async def test_clone_goes_to_launch_with_the_run(
    workspace: Workspace, runs: dict[str, int], settled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(ReeltopApp, "clone", lambda _app, run_id: asked.append(run_id))
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("end", "y")
        await settled(pilot, lambda: asked == [runs["model-3"]])


async def test_the_id_is_copied(workspace: Workspace, runs: dict[str, int], settled: Callable) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("end", "Y")
        await settled(pilot, lambda: app.clipboard == str(runs["model-3"]))


async def test_what_is_shown_is_exported_by_key(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("slash", *"name~model", "enter")
        await settled(pilot, lambda: table(app).matching == 3)
        await pilot.press("w")
        await settled(pilot, lambda: app.screen.query("Choice"))
        for wrong, said in (("a.xyz", "no format"), ("../b.csv", "in the workspace"), ("experiments.db", "")):
            app.screen.query_one(Input).value = wrong
            await pilot.press("enter")
            await settled(
                pilot, lambda said=said: said in str(app.screen.query_one(".dialog-wrong", Label).content)
            )
        app.screen.query_one(Input).value = "exports/models.csv"
        await pilot.press("enter")
        written = workspace.root / "exports" / "models.csv"
        await settled(pilot, written.exists)
        head, *rows = written.read_text().splitlines()
        assert head.startswith("id,name,stage,status,f1_mean,l1_micro")
        assert [row.split(",")[1] for row in rows] == ["model-2", "model-1", "model-3"]
        await settled(pilot, lambda: "3 runs, 11 columns in exports/models.csv" in told(app))


async def test_what_is_shown_is_copied_as_markdown(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("w")
        await settled(pilot, lambda: app.screen.query("Choice"))
        await pilot.press("ctrl+y")
        await settled(pilot, lambda: app.clipboard.startswith("| id | name |"))
        assert "| 1 | model-3 |" in app.clipboard


async def test_why_a_run_waits_is_on_the_screen_where_the_preview_has_no_room(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, settled, 4)
        line = app.screen.query_one("#runs-line", Label)
        await settled(pilot, lambda: line.display and "needs run" in str(line.content))
        await pilot.press("down")
        await settled(pilot, lambda: not line.display)


async def test_a_run_that_vanishes_under_the_cursor_leaves_the_cursor_in_its_place(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("end", "up")
        await settled(pilot, lambda: table(app).current.name == "broken")
        delete_run(store, runs["broken"])
        await settled(pilot, lambda: table(app).matching == 3)
        assert table(app).current.name == "model-3"
        await pilot.press("t", *"late", "enter")
        await settled(pilot, lambda: run_row(store, runs["model-3"]).tags == ("late",))
