"""Compare's curves: series, axes, zoom and crosshair, and how each run looks."""

from collections.abc import Callable

import pytest
from compare_page import WIDE, chart, legend, lines, opened, table, three_runs, title
from conftest import evaluation, new_run, train

from app.tui.app import ReeltopApp
from app.tui.overlay import Overlay, look_of, plain_look
from app.tui.run_marks import rich_colour, run_marks
from app.tui.widgets.label import Label
from engine.records import Metrics
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.runs import create_runs
from engine.workspace import Workspace


@pytest.fixture
def pair(store: Store) -> tuple[int, int, int]:
    return three_runs(store)


async def test_curves_change_series_axis_scale_and_smoothing(
    workspace: Workspace, pair: tuple[int, int, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled, pair[0], pair[1])
        await settled(pilot, lambda: chart(app).has_class("-drawn"))
        await pilot.press("n")
        await settled(pilot, lambda: title(app) == "val/f1_mean  by step")
        assert "series 2 of" in str(chart(app).border_subtitle)
        await pilot.press("N", "x")
        await settled(pilot, lambda: title(app) == "train/loss  by epoch")
        await pilot.press("x")
        await settled(pilot, lambda: title(app) == "train/loss  by relative")
        await pilot.press("x")
        await settled(pilot, lambda: title(app) == "train/loss  by time")
        await pilot.press("x", "m", "m", "M", "y")
        await settled(pilot, lambda: title(app) == "train/loss  by step  smoothing 0.6  log")
        await pilot.press("slash", *"^val/l2_f1")
        await settled(pilot, lambda: title(app).startswith("val/l2_f1"))
        assert "series 1 of 2" in str(chart(app).border_subtitle)
        await pilot.press(*"zzz")
        await settled(
            pilot,
            lambda: (
                "no series of these runs matches"
                in str(app.screen.query_one("#overlay-filter .filter-error", Label).content)
            ),
        )
        await pilot.press("escape")
        await settled(pilot, lambda: title(app).startswith("val/l2_f1"))
        await pilot.press("slash", "(", "escape")
    assert app.memory.get("compare")["smoothing"] == 0.6


async def test_a_series_of_one_run_says_so_and_comes_after_those_of_several(
    workspace: Workspace, pair: tuple[int, int, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled, pair[0], pair[1])
        await settled(pilot, lambda: chart(app).has_class("-drawn"))
        await pilot.press("N")  # from the first, backwards: the last
        await settled(pilot, lambda: title(app).startswith("train/alone  1 of 2 runs"))
        assert "model-1 7.5" in legend(app)
        assert "model-2 has none" in legend(app)


async def test_the_crosshair_and_the_zoom_are_those_of_every_chart(
    workspace: Workspace, pair: tuple[int, int, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled, pair[0], pair[1])
        await settled(pilot, lambda: chart(app).has_class("-drawn"))
        await pilot.press("n")
        await settled(pilot, lambda: "0.7" in legend(app))
        last = legend(app)
        await pilot.press("right_square_bracket")
        await settled(pilot, lambda: app.focused is not None and type(app.focused).__name__ == "Plot")
        await pilot.press("full_stop")
        await settled(pilot, lambda: "at step" in str(chart(app).border_subtitle))
        assert legend(app) != last
        await pilot.press("plus")
        await settled(pilot, lambda: chart(app).look.window is not None)
        low, high = chart(app).look.window or (0, 0)
        assert high - low < 300
        await settled(pilot, lambda: bool(chart(app)._overlay._parts))
        await pilot.press("0", "h")
        await settled(pilot, lambda: chart(app).look.window is None and legend(app) == last)


async def test_values_that_are_no_numbers_are_gaps(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    ids = create_runs(store, [new_run("nan"), new_run("huge")])
    for run_id, values in zip(
        ids, ([float("nan")] * 5, [1e300, float("inf"), -1e300, 0.0, 1.0]), strict=True
    ):
        train(store, run_id, steps=0)
        points = [Metrics(time=1e9 + n, step=n, values={"x": value}) for n, value in enumerate(values)]
        scores = evaluation(1e9, 9, 1, float("nan"))
        ingest(store, run_id, [*points, scores], old_offset=1, new_offset=2)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled, *ids)
        assert not any(line.startswith("▸f1_mean") for line in lines(table(app)))
        await pilot.press("slash", *"^x$")
        await settled(pilot, lambda: title(app).startswith("x  by step") and chart(app).has_class("-drawn"))
        await pilot.press("enter", "y", "m", "x", "full_stop")
        await settled(pilot, lambda: "log" in title(app))


def test_marks_are_of_the_id_and_never_two_the_same() -> None:
    assert run_marks([3, 4]) == run_marks([4, 3])
    assert run_marks([3])[3] == run_marks([9, 3])[3]
    marks = run_marks([5, 15, 25, 35])
    assert len({mark.glyph for mark in marks.values()}) == 4
    assert marks[5] == run_marks([5])[5]
    assert len(run_marks(range(40))) == 40


def test_colours_of_any_theme_are_ones_that_rich_knows() -> None:
    theme = {
        "a": "#57A5E2",
        "b": "#E0E0E099",
        "c": "ansi_bright_blue",
        "d": "ansi_green 50%",
        "e": "auto 87%",
    }
    assert [rich_colour(theme, name) for name in "abcdef"] == [
        "#57A5E2", "#E0E0E0", "bright_blue", "green", "default", "default",
    ]  # fmt: skip


def test_a_look_is_remembered_and_a_broken_one_is_not() -> None:
    look = look_of({"axis": "epoch", "smoothing": 0.9, "log_y": True})
    assert plain_look(look) == {"axis": "epoch", "smoothing": 0.9, "log_y": True}
    assert look_of({"axis": 3, "smoothing": "much", "log_y": "yes"}) == look_of({})
    assert Overlay(look).steps() == {}
