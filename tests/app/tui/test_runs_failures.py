"""A run that failed says why in a second line of the table; the cursor, the mouse and the end of the table know it."""

from collections.abc import Callable, Sequence

import pytest
import screen_text
from conftest import new_run
from test_runs_screen import opened, table
from textual.pilot import Pilot

from app.tui.app import ReeltopApp
from app.tui.row_places import Place, lowest_top, places
from engine.store.database import Store
from engine.store.runs import create_runs, transition
from engine.store.views import Status
from engine.workspace import Workspace


def failed(store: Store, names: Sequence[str], error: str = "out of memory") -> list[int]:
    """Runs that failed, the last of them the newest."""
    ids = create_runs(store, [new_run(name) for name in names])
    for run_id in ids:
        transition(store, run_id, from_={Status.QUEUED}, to=Status.STARTING)
        transition(store, run_id, from_={Status.STARTING}, to=Status.FAILED, error=error)
    return list(ids)


def drawn(app: ReeltopApp) -> list[str]:
    """The lines below the titles, as they are on the screen."""
    return [table(app).render_line(y).text.rstrip() for y in range(1, table(app).size.height)]


def test_a_window_has_second_lines_where_rows_are_tall() -> None:
    assert places(3, 4, 9, lambda index: index == 4) == [
        Place(3, False),
        Place(4, False),
        Place(4, True),
        Place(5, False),
    ]
    assert places(8, 4, 9, lambda _index: True) == [Place(8, False), Place(8, True)]
    assert places(0, 3, 0, lambda _index: True) == []


@pytest.mark.parametrize("height", range(1, 9))
@pytest.mark.parametrize("every", [1, 2, 3, 50])
def test_the_window_that_ends_with_a_row_shows_all_of_it_and_no_later_one_could_begin_earlier(
    height: int, every: int
) -> None:
    def tall(index: int) -> bool:
        return index % every == 0

    for last in range(20):
        top = lowest_top(last, height, tall)
        own = [place for place in places(top, height, 20, tall) if place.row == last]
        assert len(own) == min(height, 1 + tall(last))
        if top > 0 and top < last:
            before = [place for place in places(top - 1, height, 20, tall) if place.row == last]
            assert len(before) < 1 + tall(last)


@pytest.mark.parametrize("size", [(80, 24), (150, 40)])
async def test_a_failed_run_says_why_below_its_row(
    workspace: Workspace, runs: dict[str, int], settled: Callable, size: tuple[int, int]
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot, settled, 4)
        rows = drawn(app)
        place = next(y for y, row in enumerate(rows) if "broken" in row)
        assert rows[place + 1].strip().startswith("└ loss is NaN at step 310: lower training.lr.text")
        assert "model-3" in rows[place + 2]
        assert sum("└" in row for row in rows) == 1


async def test_a_click_on_the_second_line_or_below_it_takes_the_run_that_stands_there(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(150, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        second = next(y for y, row in enumerate(drawn(app)) if "└" in row) + 1  # the titles are above
        for below, name in ((0, "broken"), (1, "model-3")):
            await pilot.click("#runs-table", offset=(12, second + below + 1))  # and the frame
            await settled(pilot, lambda name=name: table(app).current.name == name)


async def test_only_what_the_cursor_left_and_where_it_went_is_painted_anew_and_both_are_right(
    workspace: Workspace, runs: dict[str, int], settled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(150, 40)) as pilot:
        await opened(app, pilot, settled, 4)
        await pilot.press("down")
        await pilot.pause()
        painted: list[int] = []
        paint = type(table(app)).render_line
        monkeypatch.setattr(
            type(table(app)), "render_line", lambda self, y: (painted.append(y), paint(self, y))[1]
        )
        await pilot.press("down")
        await settled(pilot, lambda: table(app).current.name == "broken")
        await pilot.pause()
        assert set(painted) == {2, 3, 4}
        shown = screen_text.drawn(app)
        assert [line for line in shown if "▸" in line and "broken" in line]
        assert not [line for line in shown if "▸" in line and "model-1" in line]


async def test_the_end_of_a_table_of_failures_is_reached_by_keys_and_by_scrolling(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    ids = failed(store, [f"run-{n}" for n in range(130)])
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, settled, 130)
        await ends_with(pilot, app, settled, "end", "run-0 ")
        assert table(app).current.id == ids[0]
        await pilot.press("home")
        await settled(pilot, lambda: "run-129" in drawn(app)[0])
        for _ in range(12):
            await pilot.press("down")
        await settled(pilot, lambda: table(app).current.name == "run-117")
        rows = drawn(app)
        held = table(app).scrollable_content_region.height - 1
        assert "run-117" in "".join(rows[held - 3 : held])
        table(app).scroll_end(animate=False)
        await settled(pilot, lambda: any("run-0 " in row for row in drawn(app)))
        await pilot.press("home", "pagedown", "pagedown")
        await settled(pilot, lambda: table(app).current.name != "run-129")
        assert any(table(app).current.name in row for row in drawn(app))


async def ends_with(pilot: Pilot[None], app: ReeltopApp, settled: Callable, key: str, name: str) -> None:
    """After a key the last row, and its second line, are the last lines of the table."""
    await pilot.press(key)

    def reached() -> bool:
        rows = [row for row in drawn(app) if row]
        return len(rows) > 2 and name in rows[-2] and "out of memory" in rows[-1]

    await settled(pilot, reached)


async def test_an_error_is_one_line_of_plain_characters(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    failed(store, ["bad"], "[bold]first\x1b[31m\nsecond" + "x" * 300)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, settled, 1)
        row = drawn(app)[1]
        assert row.strip().startswith("└ [bold]first")
        assert "\x1b" not in row
        assert "second" not in row
