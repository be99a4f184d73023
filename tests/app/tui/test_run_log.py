"""The log: searched, jumped through, paged back and forth, however long; its reader without a screen too."""

import os
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import write_log
from run_page import on_run

from app.tui.app import ReeltopApp
from app.tui.logreader import Find, LogPage, LogReader
from app.tui.logtail import MAX_LINES, MAX_LINES_BACK, LogTail, find_line
from app.tui.widgets.log_view import LogView
from engine.workspace import Workspace

LINES = 50_000


@pytest.fixture
def long_log(workspace: Workspace, runs: dict[str, int]) -> int:
    """The finished run, with an error in every ten thousand lines."""
    text = "".join(
        f"{'ERROR out of luck' if n % 10_000 == 5000 else 'INFO'} step {n} 损失 {n % 7}\n"
        for n in range(LINES)
    )
    write_log(workspace, runs["model-3"], "model-3", text.replace("ERROR", "a ERROR b"))
    return runs["model-3"]


@pytest.fixture
def log(workspace: Workspace, settled: Callable) -> Callable[..., Any]:
    """Open a run's log."""

    @asynccontextmanager
    async def opened(run_id: int, last: str) -> Any:
        app = ReeltopApp(workspace, supervise=False)
        async with app.run_test(size=(100, 30)) as pilot:
            await on_run(app, pilot, settled, run_id, "log")
            view = app.screen.query_one(LogView)
            await settled(pilot, lambda: app.focused is view and last in "\n".join(view.lines_in_sight))
            yield app, pilot, view

    return opened


def _found(view: LogView) -> str:
    return view._page.lines[view._found] if view._found is not None else ""


async def test_a_log_is_searched_upwards_and_downwards(
    log: Callable, long_log: int, settled: Callable
) -> None:
    async with log(long_log, f"step {LINES - 1} ") as (_app, pilot, view):
        await pilot.press("n")
        await settled(pilot, lambda: "nothing is searched yet" in str(view.border_subtitle))
        await pilot.press("slash", *"step 123")
        await settled(pilot, lambda: "step 12399 " in _found(view))
        await pilot.press("enter", "n")
        await settled(pilot, lambda: "step 12398 " in _found(view))
        assert any("step 12398 " in line for line in view.lines_in_sight)
        await pilot.press("N")
        await settled(pilot, lambda: "step 12399 " in _found(view))
        await pilot.press("N")
        await settled(pilot, lambda: "no match of step 123 further down" in str(view.border_subtitle))
        await pilot.press("end")
        await settled(pilot, lambda: any(f"step {LINES - 1} " in line for line in view.lines_in_sight))


async def test_matches_are_marked_and_capital_letters_count_when_they_are_typed(
    log: Callable, long_log: int, settled: Callable
) -> None:
    async with log(long_log, f"step {LINES - 1} ") as (_app, pilot, view):
        await pilot.press("slash", *"error")
        await settled(pilot, lambda: "step 45000 " in _found(view))
        strip = view.render_line(view._found - view.scroll_offset.y)
        assert [segment.text for segment in strip if segment.style and segment.style.reverse] == ["ERROR"]
        await pilot.press("escape", "slash", *"Error")
        await settled(pilot, lambda: "no match of Error further up" in str(view.border_subtitle))


async def test_errors_are_jumped_to(log: Callable, long_log: int, settled: Callable) -> None:
    async with log(long_log, f"step {LINES - 1} ") as (_app, pilot, view):
        for step in (45_000, 35_000, 25_000):
            await pilot.press("e")
            await settled(pilot, lambda step=step: f"step {step} " in _found(view))
        await pilot.press("E")
        await settled(pilot, lambda: "step 35000 " in _found(view))
        await pilot.press("home")
        await settled(pilot, lambda: view.lines_in_sight and "step 0 " in view.lines_in_sight[0])
        await pilot.press("e")
        await settled(pilot, lambda: "no error further up" in str(view.border_subtitle))


async def test_a_log_is_paged_from_its_begin_to_its_end(
    log: Callable, long_log: int, settled: Callable
) -> None:
    async with log(long_log, f"step {LINES - 1} ") as (app, pilot, view):
        await pilot.press("home")
        await settled(pilot, lambda: view.lines_in_sight and "step 0 " in view.lines_in_sight[0])
        lines = len(view._page.lines)
        assert lines < LINES
        view.scroll_end(animate=False, immediate=True, force=True)
        await settled(pilot, lambda: len(view._page.lines) > lines)
        view.scroll_home(animate=False, immediate=True, force=True)
        await pilot.press("G")
        await settled(pilot, lambda: any(f"step {LINES - 1} " in line for line in view.lines_in_sight))
        await pilot.press("c")
        await settled(pilot, lambda: f"step {LINES - 1} " in app.clipboard)
        await pilot.press("f")
        await settled(pilot, lambda: app.screen.maximized is view)


async def test_a_log_of_two_gibibytes_is_opened_searched_and_left_at_once(
    log: Callable, workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    path = write_log(workspace, runs["model-3"], "model-3", "first needle\n")
    with path.open("r+b") as file:
        file.truncate(2 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"\nlast line\n")
    async with log(runs["model-3"], "last line") as (app, pilot, view):
        await pilot.press("home")
        await settled(pilot, lambda: view.lines_in_sight and "first needle" in view.lines_in_sight[0])
        await pilot.press("end")
        await settled(pilot, lambda: "last line" in view.lines_in_sight)
        await pilot.press("slash", *"needle", "enter")
        await settled(pilot, lambda: "searching" in str(view.border_subtitle) or "needle" in _found(view))
        await pilot.press("escape")
        await settled(pilot, lambda: len(app.screen_stack) == 1)


def test_lines_are_found_across_blocks_in_both_directions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.tui.logtail._BLOCK_BYTES", 64)
    path = tmp_path / "log.txt"
    lines = [f"line {n} {'x' * (n % 50)} {'Mark' if n in (3, 700) else ''}\n" for n in range(1000)]
    path.write_text("".join(lines))
    size = path.stat().st_size
    offsets = [sum(len(line) for line in lines[:n]) for n in (3, 700)]
    assert find_line(path, (b"Mark",), 0, size, upwards=True) == offsets[1]
    assert find_line(path, (b"Mark",), 0, offsets[1], upwards=True) == offsets[0]
    assert find_line(path, (b"Mark",), 0, size, upwards=False) == offsets[0]
    assert find_line(path, (b"Mark",), offsets[0] + 40, size, upwards=False) == offsets[1]
    assert find_line(path, (b"mark", b"line 999 "), 0, size, upwards=True, fold=True) == size - len(
        lines[999]
    )
    assert find_line(path, (b"mark",), 0, size, upwards=True) is None
    assert find_line(path, (b"Mark",), 0, size, upwards=True, stopped=lambda: True) is None


def test_a_window_moves_to_any_line_and_stays_bounded(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    lines = [f"line {n}\n" for n in range(200_000)]
    path.write_text("".join(lines))
    tail = LogTail(path)
    tail.read_on()
    offset = sum(len(line) for line in lines[:77_777])
    index = tail.open_at(offset)
    assert tail.away
    assert tail.lines[index] == "line 77777"
    assert tail.offset_of(index) == offset
    assert not tail.read_on()
    while not tail.at_start:
        tail.read_before()
        assert len(tail.lines) <= MAX_LINES_BACK
    while tail.away:
        tail.read_after()
        assert len(tail.lines) <= MAX_LINES_BACK
    assert tail.lines[-1] == "line 199999"
    assert len(tail.lines) <= MAX_LINES
    with path.open("a") as file:
        file.write("more\n")
    assert tail.read_on()
    assert tail.lines[-1] == "more"


def test_a_progress_bar_is_one_line_wherever_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    bars = [f"begin {n}\n" + "".join(f"\r{n}: {p:3}%" for p in range(101)) + "\n" for n in range(300)]
    path.write_text("".join(bars))
    tail = LogTail(path)
    tail.read_on()
    tail.read_before()
    assert tail.lines[-2:] == ["begin 299", "299: 100%"]
    assert tail.lines[-4:-2] == ["begin 298", "298: 100%"]


def test_a_reader_tells_what_cannot_be_read_and_stops(tmp_path: Path) -> None:
    pages: list[LogPage] = []
    reader = LogReader(tmp_path, pages.append)  # a folder

    def tell(page: LogPage) -> None:
        pages.append(page)
        reader.stop()

    reader._tell = tell
    reader.do(Find("x", 0, True))
    reader.run()
    assert "the log cannot be read" in pages[0].empty
