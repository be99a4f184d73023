"""Compare: runs side by side, which they are, what of them is shown, and what becomes of them meanwhile."""

import time
from collections.abc import Callable

import pytest
from compare_page import WIDE, chart, classes, legend, lines, opened, table, three_runs, title
from conftest import end, new_run, train
from textual.widgets import Input, OptionList

from app.tui.app import ReeltopApp
from app.tui.run_marks import run_marks
from app.tui.screens.compare import Compare
from app.tui.screens.run import RunScreen
from app.tui.screens.run_picker import RunPicker
from app.tui.widgets.compare_table import CompareTable
from app.tui.widgets.label import Label
from engine.records import Metrics, Progress
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.runs import create_runs, delete_run
from engine.store.views import Status
from engine.workspace import Workspace


@pytest.fixture
def pair(store: Store) -> tuple[int, int, int]:
    return three_runs(store)


async def test_marked_runs_stand_side_by_side(
    workspace: Workspace, pair: tuple[int, int, int], settled: Callable
) -> None:
    (workspace.root / "data" / "sample").mkdir(parents=True)
    (workspace.root / "data" / "sample" / "categories.json").write_text(
        '{"2003": "hotels"}', encoding="utf-8"
    )
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled, pair[0], pair[1])
        marks = run_marks(pair[:2])
        shown = lines(table(app))
        assert (
            shown[0] == f"{marks[pair[0]].glyph} {pair[0]} model-1 {marks[pair[1]].glyph} {pair[1]} model-2"
        )
        assert shown[1] == "base ✓ finished ✓ finished"
        assert "▸f1_mean 0.7000 0.7200 +0.0200 ▲ best" in shown
        assert "l2 macro 0.6000 0.6200 +0.0200 ▲ best" in shown
        assert "training.ema 0.999 0.9999" in shown
        assert "python 3.11 3.12" in shown
        assert not any(line.startswith("training.epochs") for line in shown)
        await settled(
            pilot,
            lambda: any("2003 hotels 0.4000 0.5200 ▲ +0.1200 63" in line for line in lines(classes(app))),
        )
        assert lines(classes(app))[1].startswith("2003 hotels")  # the largest change first
        assert lines(classes(app))[2].startswith("2007 0.5500 0.4800 ▼ -0.0700")
        assert "▲ 1 gain ▼ 1 lose 3 the same" in " ".join(str(classes(app).border_subtitle).split())
        await settled(pilot, lambda: chart(app).has_class("-drawn") and "1.0" in legend(app))
        assert title(app) == "train/loss  by step"
        assert f"{marks[pair[1]].glyph} {pair[1]} model-2" in legend(app)


async def test_marks_are_read_every_time_the_mode_is_shown(
    workspace: Workspace, pair: tuple[int, int, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled)
        empty = app.screen.query_one("#compare-empty", Label)
        assert "space marks a run" in str(empty.content)
        assert empty.display
        await pilot.press("1")
        app.marked[:] = [pair[2]]
        await pilot.press("4")
        await settled(pilot, lambda: lines(table(app))[0].endswith("model-3"))
        assert not empty.display
        notes = app.screen.query_one("#compare-notes", Label)
        assert "one run alone: a adds another" in str(notes.content)
        assert any(
            line.startswith("training.epochs 5") for line in lines(table(app))
        )  # nothing to differ from
        await pilot.press("1")
        app.marked[:] = [pair[0], pair[2]]
        await pilot.press("4")
        await settled(pilot, lambda: "model-1" in lines(table(app))[0])
        await settled(pilot, lambda: not notes.display)


async def test_runs_are_added_and_taken_out_in_place(
    workspace: Workspace, pair: tuple[int, int, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled, pair[0])
        await pilot.press("a")
        await settled(pilot, lambda: isinstance(app.screen, RunPicker))
        await pilot.press(*str(pair[1]), "enter")  # quicker than the store may answer
        await settled(pilot, lambda: isinstance(app.screen, Compare))
        assert app.marked == [pair[0], pair[1]]
        await settled(pilot, lambda: "model-2" in lines(table(app))[0])
        await pilot.press("a")
        await settled(pilot, lambda: isinstance(app.screen, RunPicker))
        await pilot.press(*"model")
        options = app.screen.query_one(OptionList)
        await settled(pilot, lambda: options.option_count == 3 and options.highlighted == 0)
        await pilot.press("down", "up", "enter")
        await settled(pilot, lambda: app.marked == [*pair])
        await settled(
            pilot, lambda: str(table(app).border_subtitle).startswith("f1_mean: 0.6")
        )  # on the new one
        await pilot.press("a")
        await settled(pilot, lambda: isinstance(app.screen, RunPicker))
        await pilot.press(*"nmae=x")
        error = app.screen.query_one("#run-picker-error", Label)
        await settled(pilot, lambda: "✗" in str(error.content))
        app.screen.query_one(Input).value = "f1_mean>0.71"
        await settled(
            pilot, lambda: app.screen.query_one(OptionList).option_count == 1 and str(error.content) == ""
        )
        await pilot.press("escape")
        await settled(pilot, lambda: isinstance(app.screen, Compare))
        assert app.marked == [*pair]
        await pilot.press("delete")
        await settled(
            pilot, lambda: app.marked == [pair[0], pair[1]] and "model-3" not in lines(table(app))[0]
        )
        await pilot.press("delete", "delete")
        await settled(pilot, lambda: app.marked == [])
        await settled(pilot, lambda: app.screen.query_one("#compare-empty", Label).display)
        await pilot.press(
            "delete", "b", "enter", "c", "w", "n", "x", "y", "m", "left", "o", "l"
        )  # of nothing


async def test_a_run_that_is_compared_already_is_not_added_twice(
    workspace: Workspace, pair: tuple[int, int, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled, pair[0], pair[1])
        await pilot.press("a")
        await settled(pilot, lambda: isinstance(app.screen, RunPicker))
        await pilot.press(*str(pair[1]), "enter")
        await settled(pilot, lambda: any("compared already" in note.message for note in app._notifications))
        assert app.marked == [pair[0], pair[1]]


async def test_the_base_is_chosen_and_the_run_under_the_cursor_is_measured_against_it(
    workspace: Workspace, pair: tuple[int, int, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled, *pair)
        await settled(pilot, lambda: "model-2 against" in str(classes(app).border_title))
        await pilot.press("right")
        await settled(pilot, lambda: "model-3 against" in str(classes(app).border_title))
        assert str(table(app).border_subtitle).startswith("f1_mean: 0.6000")
        await pilot.press("b")
        await settled(pilot, lambda: str(classes(app).border_title).endswith(f"{pair[2]} model-3"))
        assert lines(table(app))[1] == "✓ finished ✓ finished base ✓ finished"
        await pilot.press("left", "left")
        await settled(pilot, lambda: "model-1 against" in str(classes(app).border_title))
        await pilot.press("h", "l")
        await settled(pilot, lambda: "model-2 against" in str(classes(app).border_title))
        await pilot.press("enter")
        await settled(
            pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.current_run() is not None
        )
        assert app.screen.current_run().id == pair[1]
        await pilot.press("escape")
        await settled(pilot, lambda: isinstance(app.screen, Compare))


async def test_all_settings_or_only_those_that_differ(
    workspace: Workspace, pair: tuple[int, int, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled, pair[0], pair[1])
        assert "config: 11 more are the same" in lines(table(app))
        await pilot.press("e")
        await settled(pilot, lambda: "training.epochs 5 5" in lines(table(app)))
        assert "config" in lines(table(app))
        await pilot.press("e")
        await settled(pilot, lambda: "training.epochs 5 5" not in lines(table(app)))


async def test_the_cursor_of_the_table_moves_by_line_page_and_end(
    workspace: Workspace, pair: tuple[int, int, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 16)) as pilot:
        await opened(app, pilot, settled, pair[0], pair[1])

        def cursor() -> str:
            return next((line for line in lines(table(app)) if line.startswith("▸")), "")

        await pilot.press("down", "j")
        assert cursor().startswith("▸l1 macro")
        await pilot.press("up", "k", "end")
        assert cursor().startswith("▸python")
        await pilot.press("home", "pagedown", "pageup", "down")
        assert cursor().startswith("▸f1_mean")
        assert lines(table(app))[2] == "scores"
        await pilot.click(CompareTable, offset=(40, 6))
        await settled(pilot, lambda: cursor().startswith("▸l1 macro"))


async def test_a_click_on_a_heading_chooses_the_run_and_a_double_click_opens_it(
    workspace: Workspace, pair: tuple[int, int, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled, *pair)
        at = table(app).render_line(0).text.index("model-3") + 1
        await pilot.click(CompareTable, offset=(at, 1))
        await settled(pilot, lambda: "model-3 against" in str(classes(app).border_title))
        assert app.focused is table(app)
        await pilot.click(CompareTable, offset=(at, 1), times=2)
        await settled(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_panels_one_at_a_time_where_there_is_no_room_and_in_full(
    workspace: Workspace, pair: tuple[int, int, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, settled, pair[0], pair[1])

        def seen() -> list[bool]:
            return [widget.size.width > 0 for widget in (table(app), chart(app), classes(app))]

        await settled(pilot, lambda: seen() == [True, False, False])
        await pilot.press("right_square_bracket")
        await settled(pilot, lambda: seen() == [False, True, False])
        await settled(pilot, lambda: type(app.focused).__name__ == "Plot")
        await pilot.press("right_square_bracket")
        await settled(pilot, lambda: seen() == [False, False, True] and app.focused is classes(app))
        await pilot.press("left_square_bracket", "left_square_bracket")
        await settled(pilot, lambda: seen() == [True, False, False] and app.focused is table(app))
        await pilot.press("slash")  # what is typed belongs to the curves
        await settled(pilot, lambda: seen() == [False, True, False])
        await pilot.press("escape")
        await pilot.resize_terminal(*WIDE)
        await settled(pilot, lambda: seen() == [True, True, True])
        table(app).focus()
        await pilot.press("f")
        await settled(pilot, lambda: seen() == [True, False, False])
        await pilot.press("f")
        await settled(pilot, lambda: seen() == [True, True, True])


async def test_classes_are_sorted_and_shown_by_level(
    workspace: Workspace, pair: tuple[int, int, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled, *pair)
        await settled(pilot, lambda: len(lines(classes(app))[5:]) > 0)
        classes(app).focus()

        def codes() -> list[str]:
            return [line.split()[0] for line in lines(classes(app))[1:] if line]

        assert codes()[:2] == ["2003", "2007"]
        await pilot.press("o", "o")
        await settled(pilot, lambda: codes()[0] == "2007")
        assert "losses first" in str(classes(app).border_subtitle)
        await pilot.press("o")
        await settled(pilot, lambda: codes()[0] == "20")  # most videos
        await pilot.press("o")
        await settled(pilot, lambda: codes() == ["11", "1104", "20", "2003", "2007"])
        await pilot.press("l")
        await settled(pilot, lambda: codes() == ["11", "20"])
        await pilot.press("l")
        await settled(pilot, lambda: codes() == ["1104", "2003", "2007"])
        await pilot.press("l", "right")
        await settled(pilot, lambda: "model-3 against" in str(classes(app).border_title))
        await pilot.press("left")
        await settled(pilot, lambda: "model-2 against" in str(classes(app).border_title))
        await pilot.resize_terminal(150, 16)
        await pilot.press("end")
        await settled(pilot, lambda: classes(app).scroll_offset.y > 0)
        await pilot.press("home", "down", "pagedown", "pageup", "up", "up")
        await settled(pilot, lambda: classes(app).scroll_offset.y == 0)


async def test_a_run_that_is_deleted_while_compared_is_told_and_left_out(
    workspace: Workspace, store: Store, pair: tuple[int, int, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled, *pair)
        await pilot.press("right", "b")
        delete_run(store, pair[2])
        notes = app.screen.query_one("#compare-notes", Label)
        await settled(pilot, lambda: f"run {pair[2]}: not there any more" in str(notes.content))
        assert lines(table(app))[1] == "base ✓ finished ✓ finished"
        delete_run(store, pair[0])
        delete_run(store, pair[1])
        empty = app.screen.query_one("#compare-empty", Label)
        await settled(pilot, lambda: empty.display and "not there any more" in str(empty.content))


async def test_runs_without_scores_or_series_are_compared_by_what_they_have(
    workspace: Workspace, store: Store, pair: tuple[int, int, int], settled: Callable
) -> None:
    (bare,) = create_runs(store, [new_run("bare")])
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled, pair[0], bare)
        assert "▸f1_mean 0.7000" in lines(table(app))
        assert f"{bare} bare has no validation scores" in str(
            app.screen.query_one("#compare-notes", Label).content
        )
        assert lines(classes(app))[0] == f"{bare} bare has no scores of classes"
        await settled(pilot, lambda: "bare has none" in legend(app))
        await pilot.press("1")
        app.marked[:] = [bare]
        await pilot.press("4")
        empty = chart(app).query_one(".chart-empty", Label)
        await settled(pilot, lambda: "these runs have no series yet" in str(empty.content))
        assert "another run is needed" in lines(classes(app))[0]


async def test_ten_runs_at_80_by_24_keep_the_base_in_sight(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    names = [f"run\x1b[31m-{n}[bold]" for n in range(10)]
    ids = create_runs(store, [new_run(name) for name in names])
    for run_id in ids:
        train(store, run_id, steps=100)
        end(store, run_id, Status.FINISHED)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, settled, *ids)
        for _ in range(12):
            await pilot.press("right")
        await settled(pilot, lambda: f"{ids[9]} run␛" in lines(table(app))[0])
        assert f"{ids[0]} run␛" in lines(table(app))[0]
        assert lines(table(app))[1].startswith("base")
        assert "more runs ← →" in str(table(app).border_subtitle)
        assert all(strip.cell_length <= 80 for strip in (table(app).render_line(y) for y in range(18)))
        await pilot.press("right_square_bracket")
        await settled(pilot, lambda: chart(app).has_class("-drawn"))
        assert "[bold]" in legend(app)
        assert "\x1b" not in legend(app)
        for size in ((20, 5), (300, 80), (40, 10), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await settled(pilot, lambda: chart(app).has_class("-drawn"))


async def test_a_live_run_is_followed(
    workspace: Workspace, store: Store, pair: tuple[int, int, int], settled: Callable
) -> None:
    (live,) = create_runs(store, [new_run("live")])
    train(store, live, steps=50)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled, pair[0], live)
        assert "running 12%" in lines(table(app))[1]
        more = [
            Progress(time=time.time(), done=300, total=400, unit="step"),
            Metrics(time=time.time(), step=300, values={"train/loss": 0.123}),
        ]
        ingest(store, live, more, old_offset=1, new_offset=2)
        await settled(pilot, lambda: "running 75%" in lines(table(app))[1] and "live 0.123" in legend(app))
