"""Runs, key by key: marks, groups, orders, names, tags, notes, pins, deletion with undo, and where marks lead."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import end, new_run, train
from test_runs_screen import lines, opened, table
from textual.widgets import Input, TextArea

from app.tui.app import ReeltopApp
from app.tui.screens.ask import Ask
from app.tui.screens.pick_key import PickKey
from app.tui.widgets.label import Label
from app.tui.widgets.run_preview import RunPreview
from engine.store.database import Store
from engine.store.queries import list_runs, run_row
from engine.store.runs import create_runs, delete_run
from engine.store.views import Status
from engine.workspace import Workspace


def told(app: ReeltopApp) -> str:
    """All that was said in the corner."""
    return "\n".join(note.message for note in app._notifications)


def order(app: ReeltopApp) -> list[str]:
    """Names of the runs in sight, from above."""
    return [line.split()[1] for line in (text[2:] for text in lines(app))]


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
            return [table(app).render_line(y + 1).text.rstrip() for y in range(table(app).length)]

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


async def test_a_run_is_renamed_by_key_and_the_undo_takes_it_back(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("u")
        await settled(pilot, lambda: "nothing to take back" in told(app))
        await pilot.press("end", "R")
        await settled(pilot, lambda: isinstance(app.screen, Ask) and app.screen.query(Input))
        app.screen.query_one(Input).value = "12"
        await pilot.press("enter")
        await settled(pilot, lambda: "no number" in str(app.screen.query_one(".dialog-wrong", Label).content))
        app.screen.query_one(Input).value = "winner"
        await pilot.press("enter")
        await settled(pilot, lambda: run_row(store, runs["model-3"]).name == "winner")
        await settled(pilot, lambda: any("winner" in line for line in lines(app)))
        await pilot.press("u")
        await settled(pilot, lambda: run_row(store, runs["model-3"]).name == "model-3")


async def test_tags_go_to_all_marked_runs_and_come_back_with_u(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("space", "down", "space", "t")
        await settled(pilot, lambda: isinstance(app.screen, Ask) and app.screen.query(Input))
        assert "2 marked runs: 4 model-2, 3 model-1" in str(app.screen.query(Label).first().content)
        await pilot.press(*"best paper", "enter")
        await settled(pilot, lambda: run_row(store, runs["model-1"]).tags == ("best", "paper"))
        assert run_row(store, runs["model-2"]).tags == ("best", "paper")
        await pilot.press("A", "t")
        await settled(pilot, lambda: isinstance(app.screen, Ask) and app.screen.query(Input))
        assert any("Has: best paper" in str(label.content) for label in app.screen.query(Label))
        app.screen.query_one(Input).value = "-paper"
        await pilot.press("enter")
        await settled(pilot, lambda: run_row(store, runs["model-1"]).tags == ("best",))
        await pilot.press("u")
        await settled(pilot, lambda: run_row(store, runs["model-1"]).tags == ("best", "paper"))
        await pilot.press("u")
        await settled(pilot, lambda: run_row(store, runs["model-2"]).tags == ())


async def test_a_note_of_several_lines_is_written_and_shown(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("end", "n")
        await settled(pilot, lambda: app.screen.query(TextArea))
        await pilot.press(*"one", "enter", *"two", "ctrl+s")
        await settled(pilot, lambda: run_row(store, runs["model-3"]).notes == "one\ntwo")
        line = app.screen.query_one("#runs-line", Label)
        await settled(pilot, lambda: line.display and "one" in str(line.content))
        await pilot.press("n")
        await settled(pilot, lambda: app.screen.query(TextArea))
        await pilot.press(*"never", "escape")
        await settled(pilot, lambda: not app.screen.query(TextArea))
        assert run_row(store, runs["model-3"]).notes == "one\ntwo"


async def test_a_pin_is_set_and_taken_away(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("end", "p")
        await settled(pilot, lambda: run_row(store, runs["model-3"]).pinned)
        await settled(pilot, lambda: table(app).current.pinned)
        await pilot.press("p")
        await settled(pilot, lambda: not run_row(store, runs["model-3"]).pinned)


async def test_marked_runs_are_deleted_together_and_u_brings_them_back(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("end", "space", "up", "space", "delete")
        await settled(pilot, lambda: app.screen.query("#confirm-box"))
        assert "2 marked runs: 1 model-3, 2 broken" in str(app.screen.query(Label).first().content)
        await pilot.press("n")
        await settled(pilot, lambda: not app.screen.query("#confirm-box"))
        assert list_runs(store).total == 4
        await pilot.press("delete", "y")
        await settled(pilot, lambda: list_runs(store).total == 2)
        await settled(pilot, lambda: table(app).matching == 2)
        assert app.marked == []
        await pilot.press("u")
        await settled(pilot, lambda: table(app).matching == 4)


async def test_a_run_that_lives_is_not_deleted_and_says_why(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("down", "delete", "y")
        await settled(pilot, lambda: "is running: stop it first" in told(app))
        assert list_runs(store).total == 4


async def test_several_are_resumed_and_those_that_cannot_be_are_named(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable, supervisors: list[Workspace]
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("end", "space", "up", "space", "r")
        await settled(pilot, lambda: run_row(store, runs["broken"]).status is Status.QUEUED)
        await settled(pilot, lambda: "already finished" in told(app))
        assert "1 queued again" in told(app)


async def test_stop_and_kill_ask_once_for_all_marked(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable, supervisors: list[Workspace]
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("space", "down", "space", "x")
        await settled(pilot, lambda: app.screen.query("#confirm-box"))
        assert "Stop 2 marked runs" in str(app.screen.query(Label).first().content)
        await pilot.press("y")
        await settled(pilot, lambda: run_row(store, runs["model-1"]).intent.value == "stop")
        assert run_row(store, runs["model-2"]).intent.value == "stop"
        await pilot.press("X")
        await settled(pilot, lambda: app.screen.query("#confirm-box"))
        await pilot.press("y")
        await settled(pilot, lambda: run_row(store, runs["model-1"]).intent.value == "kill")


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


async def test_the_error_of_a_failed_run_is_on_the_screen_where_the_preview_has_no_room(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("down", "down")
        line = app.screen.query_one("#runs-line", Label)
        await settled(pilot, lambda: line.display and "loss is NaN at step 310" in str(line.content))
        await pilot.press("down")
        await settled(pilot, lambda: not line.display)


async def test_names_with_markup_and_escapes_are_shown_not_obeyed(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    [run_id] = create_runs(store, [new_run("[red]模型\x1b[31m", tags=("[b]x",), notes="[link]\x1b]0;y")])
    train(store, run_id, steps=110)
    end(store, run_id, Status.FAILED, "[blink]broken\x07")
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, settled, 1)
        await settled(pilot, lambda: "[red]模型␛" in lines(app)[0])
        line = app.screen.query_one("#runs-line", Label)
        await settled(pilot, lambda: "[blink]broken␇" in str(line.content))
        for key in ("n", "t", "R", "delete"):
            await pilot.press(key)
            await settled(pilot, lambda: len(app.screen_stack) == 2)
            await pilot.press("escape")
            await settled(pilot, lambda: len(app.screen_stack) == 1)
        assert Path(workspace.root).exists()


async def test_a_terminal_of_twenty_by_five_shows_every_dialog_and_loses_nothing(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(20, 5)) as pilot:
        await opened(app, pilot, settled, 4)
        for key in ("c", "o", "g", "v", "w", "t", "n", "R", "delete"):
            await pilot.press(key)
            await settled(pilot, lambda: len(app.screen_stack) == 2)
            await pilot.resize_terminal(200, 50)
            await pilot.resize_terminal(20, 5)
            await pilot.press("escape")
            await settled(pilot, lambda: len(app.screen_stack) == 1)
        await pilot.press("slash", *"sta")
        await settled(pilot, lambda: app.screen.query_one("#runs-filter .filter-words", Label).display)
        await pilot.press("escape", "down", "space")
        assert app.marked == [runs["model-1"]]


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


async def test_every_screen_is_drawn_without_colours(
    workspace: Workspace, runs: dict[str, int], settled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: app.opened and app.screen.query("MetricChart.-drawn"))
        for key, mode in (
            ("2", "runs"),
            ("3", "launch"),
            ("4", "compare"),
            ("5", "ensemble"),
            ("1", "monitor"),
        ):
            await pilot.press(key)
            await settled(pilot, lambda mode=mode: app.current_mode == mode and app.screen.is_mounted)
        app.open_run(runs["model-3"])
        await settled(pilot, lambda: len(app.screen_stack) == 2)
        await pilot.press("right_square_bracket", "right_square_bracket")
        await settled(pilot, lambda: app.screen.query("MetricChart.-drawn"))
        assert app.return_code in (None, 0)
