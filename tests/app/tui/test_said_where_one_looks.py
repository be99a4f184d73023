"""What a newcomer reads first: it says what is, is not cut at 80 columns, and stands below what it belongs to."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from run_page import on_run
from textual.app import App, ComposeResult
from textual.widgets import Input, TabbedContent

from app.tui.app import ReeltopApp
from app.tui.run_view import View
from app.tui.screens.launch import Launch
from app.tui.screens.runs import Runs
from app.tui.widgets.chart_grid import ChartGrid
from app.tui.widgets.config_form import ConfigForm
from app.tui.widgets.filter_bar import FilterBar
from app.tui.widgets.label import Label
from app.tui.widgets.metric_chart import MetricChart
from app.tui.widgets.overview import _written
from app.tui.widgets.run_table import RunTable
from app.tui.widgets.scores_view import _course
from app.tui.widgets.top_bar import TopBar
from engine.store.views import EvaluationRow, Series
from engine.workspace import Workspace


def screen_lines(app: ReeltopApp) -> list[str]:
    """The screen as it is drawn."""
    return ["".join(part.text for part in strip) for strip in app.screen._compositor.render_strips()]


@pytest.mark.parametrize(("width", "told"), [(80, "● 1 ◌ 1"), (100, "1 running · 1 queued")])
async def test_how_much_runs_and_waits_is_said_at_any_width(
    workspace: Workspace, runs: dict[str, int], settled: Callable, width: int, told: str
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(width, 24)) as pilot:
        await settled(pilot, lambda: told in str(app.screen.query_one(TopBar).render()))


@pytest.mark.parametrize(
    ("width", "told", "at"), [(40, " reeltop  1  2 Runs  3  4  5 ", 21), (20, " 1  2 Runs  3  4  5 ", 12)]
)
async def test_a_narrow_terminal_names_the_mode_that_is_shown_and_a_click_still_goes_to_another(
    workspace: Workspace, settled: Callable, width: int, told: str, at: int
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(width, 8)) as pilot:
        await settled(pilot, lambda: app.opened)
        await pilot.press("2")
        await settled(pilot, lambda: isinstance(app.screen, Runs))
        await settled(pilot, lambda: screen_lines(app)[0].startswith(told.rstrip()))
        await pilot.click(TopBar, offset=(at, 0))
        await settled(pilot, lambda: app.current_mode == "launch")


async def test_an_ended_run_is_not_said_to_make_anything_yet(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await on_run(app, pilot, settled, runs["broken"], "scores")
        told = {
            "scores": (".courses-text", "this run has made no evaluation"),
            "classes": (".classes-status", "this run has made no evaluation"),
            "checkpoints": (".checkpoint-status", "this run has written no checkpoint"),
        }
        for tab, (place, text) in told.items():
            app.screen.query_one(TabbedContent).active = tab
            await settled(
                pilot, lambda place=place, text=text: str(app.screen.query_one(place, Label).content) == text
            )


async def test_charts_appear_all_at_once_and_not_one_alone_before_their_number_is_known(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await on_run(app, pilot, settled, runs["model-3"])
        grid = app.screen.query_one("#charts-grid", ChartGrid)
        await settled(pilot, lambda: grid._summaries)
        assert not grid.in_sight
        app.screen.query_one(TabbedContent).active = "charts"
        await settled(pilot, lambda: grid.in_sight)
        assert len(grid.in_sight) == 4


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


def test_values_of_a_section_stand_below_each_other() -> None:
    lines = [
        line.plain for line in _written([("settings", [("seed", "1"), ("training.adversarial.eps", "2")])])
    ]
    assert lines[1].index("1") == lines[2].index("2")
    wide = [line.plain for line in _written([("series", [("模型/损失/training/x", "1"), ("lr", "2")])])]
    assert wide[1].index("1") + 4 == wide[2].index("2"), "four characters are two cells wide"


def test_a_course_of_scores_has_as_many_digits_as_the_table_above_it() -> None:
    row = EvaluationRow(1, datetime.now(UTC), 44, 1, "val", 0, 2.5, 0.886, ())
    assert "0.8860 to 0.8860, best 0.8860 at epoch 1" in _course("f1_mean", [0.886], [row]).plain
    assert "2.5 to 2.5" in _course("loss", [2.5], [row]).plain


async def test_a_filter_that_is_no_condition_is_told_so_without_a_cut_at_80_columns(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: app.opened)
        await pilot.press("2")
        await settled(pilot, lambda: isinstance(app.screen, Runs) and app.screen.query_one(RunTable).matching)
        await pilot.press("slash", *"status=finished baseline", "enter")
        await settled(pilot, lambda: any("▲" in line for line in screen_lines(app)))
        below = screen_lines(app)[2:4]
        assert below[0].index("▲") == screen_lines(app)[1].index("baseline")
        assert (
            below[1].strip() == "`baseline` is not `key op value`: write name~word, f1_mean>0.6 or tag=best"
        )
        await pilot.press("slash", "ctrl+u", *"sta", "enter")  # a key could begin so: wrong once it is left
        await settled(pilot, lambda: any("▲ `sta` is not" in line for line in screen_lines(app)))


async def test_tab_stays_in_the_filter_where_no_word_fits_so_that_what_follows_is_typed(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: app.opened)
        await pilot.press("2")
        await settled(pilot, lambda: isinstance(app.screen, Runs) and app.screen.query_one(RunTable).matching)
        await pilot.press("slash")
        bar = app.screen.query_one(FilterBar)
        await settled(pilot, lambda: bar.completes)
        await pilot.press(*"stage=x", "tab", *"t")
        await settled(pilot, lambda: bar.text == "stage=xt")
        assert isinstance(app.screen, Runs), "t has not asked for tags"


async def test_the_column_that_is_sorted_by_keeps_its_name_beside_the_arrow(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: app.opened)
        await pilot.press("2")
        await settled(pilot, lambda: isinstance(app.screen, Runs) and app.screen.query_one(RunTable).matching)
        app.screen.show_view(View(sort="-l1_micro"))
        await settled(
            pilot, lambda: "l1mic▼ l1 mac l2 mic" in app.screen.query_one(RunTable).render_line(0).text
        )


async def test_a_chart_claims_to_have_no_points_only_when_it_was_told_so(settled: Callable) -> None:
    class One(App[None]):
        def compose(self) -> ComposeResult:
            yield MetricChart("train/loss", asked=True)

    app = One()
    async with app.run_test(size=(60, 20)) as pilot:
        chart = app.query_one(MetricChart)
        told = chart.query_one(Label)
        await settled(pilot, lambda: str(told.content) == "loading")
        chart.show(Series("train/loss", "step", (), 0))
        await settled(pilot, lambda: str(told.content) == "no points yet")
