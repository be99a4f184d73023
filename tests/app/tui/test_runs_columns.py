"""Columns of the table of runs, the words a filter can be completed with, saved views, and what is remembered."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from conftest import new_run
from screen_text import drawn
from test_runs_screen import lines, opened, table
from textual.widgets import Input

from app.tui.app import ReeltopApp
from app.tui.columns import chosen_columns, column_of, default_keys, shown, windowed
from app.tui.completion import key_candidates, place_at, quoted, value_candidates
from app.tui.run_view import View, view_from
from app.tui.screens.choose_columns import ChooseColumns
from app.tui.screens.runs import Runs
from app.tui.screens.views import Views
from app.tui.widgets.filter_bar import FilterBar
from app.tui.widgets.label import Label
from app.tui.widgets.word_list import WordList
from engine.store.database import Store
from engine.store.queries import run_row
from engine.store.runs import create_runs
from engine.store.table_views import Key
from engine.workspace import Workspace

KEYS = tuple(
    Key(name, kind)
    for name, kind in (
        ("stage", "run"),
        ("status", "run"),
        ("started", "run"),
        ("training.lr.text", "setting"),
        ("train/loss.last", "metric"),
        ("train/loss.min", "metric"),
    )
)


def header(app: ReeltopApp) -> str:
    return str(table(app).render_line(0).text)


def words(app: ReeltopApp) -> Label:
    return app.screen.query_one("#runs-filter .filter-words", Label)


def test_any_key_is_a_column_with_a_title_of_its_own() -> None:
    titles = [
        column.title for column in chosen_columns(("training.lr.text", "train/loss.last", "l2_macro", "tag"))
    ]
    assert titles == ["lr.text", "train/loss", "l2 mac", "tags"]
    alike = chosen_columns(("a.lr.text", "b.lr.text", "id"))
    assert [column.title for column in alike] == ["a.lr.text", "b.lr.text", "id"]


def test_cells_show_what_the_store_gave_and_a_dash_for_what_it_did_not(
    store: Store, runs: dict[str, int]
) -> None:
    taken = run_row(store, runs["model-3"])
    assert taken.started is not None
    row = replace(
        taken, tags=("best", "x"), notes="first\nsecond", ended=taken.started + timedelta(seconds=7)
    )
    cells = {key: column_of(key).cell(row, {"training.ema": 0.999, "f1x.max": 0.5}) for key in
             ("tag", "notes", "l1_accuracy", "training.ema", "f1x.max", "no.such", "pinned", "duration")}  # fmt: skip
    assert cells["tag"] == "best x"
    assert cells["notes"] == "first"
    assert cells["l1_accuracy"] == "0.8329"
    assert (cells["training.ema"], cells["f1x.max"], cells["no.such"]) == ("0.999", "0.5000", "-")
    assert (cells["pinned"], cells["duration"]) == ("-", "0:07")


@pytest.mark.parametrize(
    ("value", "key", "text"),
    [
        (None, "", "-"),
        (True, "", "yes"),
        (5e-5, "lr", "5e-05"),
        (3725.0, "duration", "1:02:05"),
        ("a\x1b[m", "", "a␛[m"),
        (7, "", "7"),
        (0.5, "l1_micro", "0.5000"),
    ],
)
def test_values_are_shown_as_people_read_them(value: object, key: str, text: str) -> None:
    assert shown(value, key) == text
    assert len(shown(datetime.now(UTC).replace(tzinfo=None))) == len("11-25 03:30")


def test_columns_that_do_not_fit_are_reached_by_moving_and_id_and_name_stay() -> None:
    columns = chosen_columns(("id", "name", "stage", "f1_mean", "duration", "created", "training.lr.text"))
    first, more = windowed(columns, 0, 44, 1)
    assert [column.key for column, _ in first] == ["id", "name", "stage", "f1_mean", "duration"]
    assert more
    second, more = windowed(columns, 3, 44, 1)
    assert [column.key for column, _ in second] == ["id", "name", "created", "training.lr.text"]
    assert not more


@pytest.mark.parametrize(
    ("text", "typed", "key", "start"),
    [
        ("", "", None, 0),
        ("sta", "sta", None, 0),
        ("stage=fine", "fine", "stage", 6),
        ("a=1 lr<", "", "lr", 7),
        ('name="two wor', "two wor", "name", 5),
        ("stage != ", "", "stage", 9),
        ("a=1 ", "", None, 4),
    ],
)
def test_the_place_in_a_filter_is_known(text: str, typed: str, key: str | None, start: int) -> None:
    place = place_at(text, len(text))
    assert place is not None
    assert (place.typed, place.key, place.start) == (typed, key, start)


def test_what_begins_so_comes_before_what_has_it_inside() -> None:
    assert key_candidates("st", KEYS)[:3] == ("stage", "status", "started")
    assert key_candidates("lr", KEYS) == ("training.lr.text",)
    assert key_candidates("loss", KEYS) == ("train/loss", "train/loss.min")
    assert key_candidates("stage", KEYS) == ()
    assert value_candidates("f", ("finetune", "off")) == ("finetune", "off")
    assert value_candidates("finetune", ("finetune",)) == ()
    assert [quoted(word) for word in ("a", "a b", 'a"b', "=x")] == ["a", '"a b"', "'a\"b'", '"=x"']


def test_a_view_of_the_wrong_kind_is_the_one_of_the_beginning() -> None:
    view = View(("id", "lr"), "-f1_mean", "stage=x", "tag")
    assert view_from(json.loads(json.dumps(view.as_data()))) == view
    for wrong in (None, [], {"columns": [1], "sort": "", "filter": None, "group": 5}, {"columns": "id"}):
        assert view_from(wrong) == View()


async def test_columns_are_added_moved_removed_and_set_back(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(150, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("c")
        await settled(pilot, lambda: isinstance(app.screen, ChooseColumns))
        below = app.screen_stack[0]
        await pilot.press(*"lr.text", "enter")
        await settled(pilot, lambda: "lr.text" in below.query_one("#runs-table").render_line(0).text)
        app.screen.query_one(Input).value = ""
        await settled(pilot, lambda: app.screen.query_one(WordList).chosen == "training.lr.text")
        for _ in range(10):
            await pilot.press("shift+up")
        await pilot.press("escape")
        await settled(pilot, lambda: app.screen is below)
        await settled(pilot, lambda: table(app).keys[:2] == ("id", "training.lr.text"))
        cells = next(line for line in lines(app) if "model-3" in line)
        assert "5e-05" in cells
        await pilot.press("c")
        await settled(pilot, lambda: isinstance(app.screen, ChooseColumns))
        await pilot.press("down", "ctrl+down")  # the setting, one place further right
        await pilot.press("up", "enter", "pageup", "pagedown", "escape")  # not the one above it
        await settled(pilot, lambda: app.screen is below)
        await settled(pilot, lambda: "name" not in table(app).keys and "id" in table(app).keys)
        await pilot.press("c")
        await settled(pilot, lambda: isinstance(app.screen, ChooseColumns))
        await pilot.press("ctrl+r", "escape")
        await settled(pilot, lambda: app.screen is below)
        await settled(pilot, lambda: table(app).keys == default_keys(2))


async def test_the_last_column_cannot_be_removed_and_what_is_not_shown_cannot_be_moved(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    (workspace.root / ".reeltop").mkdir()
    state = {"version": 1, "sections": {"runs": {"columns": ["name"], "sort": "name"}}}
    (workspace.root / ".reeltop" / "state.json").write_text(json.dumps(state))
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        assert header(app).split() == ["name▲"]
        await pilot.press("c")
        await settled(pilot, lambda: isinstance(app.screen, ChooseColumns))
        wrong = app.screen.query_one(".dialog-wrong", Label)
        await pilot.press("enter")
        await settled(pilot, lambda: "one column at least" in str(wrong.content))
        await pilot.press("down", "shift+down")
        await settled(pilot, lambda: "only a column that is shown" in str(wrong.content))


async def test_columns_out_of_sight_are_reached_by_key(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, settled, 4)
        columns = (
            "id",
            "name",
            "stage",
            "status",
            "f1_mean",
            "created",
            "duration",
            "tag",
            "training.lr.text",
        )
        app.screen.show_view(View(columns))
        await settled(pilot, lambda: "created" in header(app) and "lr.text" not in header(app))
        assert header(app).rstrip().endswith("›")
        await pilot.press("right", "greater_than_sign", "right", "right")
        await settled(pilot, lambda: "lr.text" in header(app) and "stage" not in header(app))
        assert header(app).startswith(" ‹")
        assert "name" in header(app)
        await pilot.press("left", "less_than_sign", "left", "left", "left")
        await settled(pilot, lambda: "stage" in header(app) and not header(app).startswith(" ‹"))


async def test_a_filter_is_completed_by_tab_with_keys_and_with_values(
    workspace: Workspace, store: Store, runs: dict[str, int], settled: Callable
) -> None:
    create_runs(store, [new_run("pre", stage="pretrain", tags=("two", "one"))])
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, 5)
        await pilot.press("slash", *"sta")
        await settled(pilot, lambda: words(app).display and "status" in str(words(app).content))
        error = app.screen.query_one("#runs-filter .filter-error", Label)
        assert not error.display  # what is being typed is not wrong yet
        await pilot.press("tab")
        assert app.screen.query_one(FilterBar).text == "stage"
        await pilot.press("tab")
        assert app.screen.query_one(FilterBar).text == "status"
        await pilot.press("shift+tab")
        assert app.screen.query_one(FilterBar).text == "stage"
        await pilot.press("equals_sign")
        await settled(pilot, lambda: words(app).display and "pretrain" in str(words(app).content))
        await pilot.press("p", "tab")
        await settled(pilot, lambda: table(app).matching == 1)
        assert app.screen.query_one(FilterBar).text == "stage=pretrain"
        await pilot.press(*" tag=")
        await settled(pilot, lambda: words(app).display and "one" in str(words(app).content))
        await pilot.press("tab", "enter")
        assert app.screen.query_one(FilterBar).text == "stage=pretrain tag=one"
        await settled(pilot, lambda: table(app).matching == 1 and not words(app).display)
        await pilot.press("slash", *" lr=x", "down")
        await settled(pilot, lambda: app.focused is table(app))


async def test_a_view_is_kept_shown_again_and_forgotten(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(150, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("slash", *"name~model", "enter", "s", "s")
        await settled(pilot, lambda: table(app).matching == 3)
        await pilot.press("v")
        await settled(pilot, lambda: isinstance(app.screen, Views))
        wrong = app.screen.query_one(".dialog-wrong", Label)
        await pilot.press("ctrl+s")
        await settled(pilot, lambda: "type a name first" in str(wrong.content))
        await pilot.press(*"models", "enter")
        await settled(pilot, lambda: "no view to show" in str(wrong.content))
        await pilot.press("ctrl+s", "escape")
        await settled(pilot, lambda: app.memory.views() != {})
        await pilot.press("slash", "escape", "S")
        await settled(pilot, lambda: table(app).matching == 4)
        await pilot.press("v")
        await settled(pilot, lambda: isinstance(app.screen, Views))
        await pilot.press("enter")
        await settled(pilot, lambda: table(app).matching == 3)
        assert app.screen.query_one(FilterBar).text == "name~model"
        assert "by name ▲" in str(table(app).border_title)
        await pilot.press("v")
        await settled(pilot, lambda: isinstance(app.screen, Views))
        await pilot.press("ctrl+x", "escape")
        await settled(pilot, lambda: app.memory.views() == {})


async def test_the_table_is_as_it_was_left(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(150, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        app.screen.show_view(View(("name", "training.lr.text"), "-name", "name~model", ""))
        await settled(pilot, lambda: table(app).matching == 3)
    again = ReeltopApp(workspace, supervise=False)
    async with again.run_test(size=(150, 40)) as pilot:
        await settled(pilot, lambda: again.current_mode == "runs" and again.screen.is_mounted)
        await settled(pilot, lambda: again.screen.query("#runs-table") and table(again).matching == 3)
        assert table(again).keys == ("name", "training.lr.text")
        assert again.screen.query_one(FilterBar).text == "name~model"
        await settled(pilot, lambda: "5e-05" in lines(again)[0])


async def test_a_remembered_view_that_makes_no_sense_any_more_is_no_dead_end(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    (workspace.root / ".reeltop").mkdir()
    gone = {"columns": ["name", "gone"], "sort": "gone/metric", "filter": "gone=1", "group": "gone"}
    state = {"version": 1, "sections": {"runs": gone}}
    (workspace.root / ".reeltop" / "state.json").write_text(json.dumps(state))
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: app.opened)
        await pilot.press("2")
        await settled(pilot, lambda: app.screen.query("#runs-empty"))
        empty = app.screen.query_one("#runs-empty", Label)
        await settled(pilot, lambda: "cannot be understood" in str(empty.content) and empty.display)
        await pilot.press("slash", "escape")
        await settled(pilot, lambda: table(app).matching == 4)
        assert [line.split()[-1] for line in lines(app)] == ["-"] * 4


async def test_a_filter_that_is_no_condition_is_told_so_without_a_cut_at_80_columns(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("slash", *"status=finished baseline", "enter")
        await settled(pilot, lambda: any("▲" in line for line in drawn(app)))
        below = drawn(app)[2:4]
        assert below[0].index("▲") == drawn(app)[1].index("baseline")
        assert (
            below[1].strip() == "`baseline` is not `key op value`: write name~word, f1_mean>0.6 or tag=best"
        )
        await pilot.press("slash", "ctrl+u", *"sta", "enter")  # a key could begin so: wrong once it is left
        await settled(pilot, lambda: any("▲ `sta` is not" in line for line in drawn(app)))


async def test_tab_stays_in_the_filter_where_no_word_fits_so_that_what_follows_is_typed(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, settled, 4)
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
        await opened(app, pilot, settled, 4)
        app.screen.show_view(View(sort="-l1_micro"))
        await settled(pilot, lambda: "l1mic▼ l1 mac l2 mic" in table(app).render_line(0).text)
