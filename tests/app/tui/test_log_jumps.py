"""Quick presses in a log: each is one jump, whatever the reader was doing when it came."""

from collections.abc import Callable
from pathlib import Path

import pytest
from test_run_log import LINES, _found, log, long_log

from app.tui.logreader import Find, LogPage, LogReader

__all__ = ["log", "long_log"]


async def test_presses_that_come_before_an_answer_are_a_jump_each(
    log: Callable, long_log: int, settled: Callable
) -> None:
    async with log(long_log, f"step {LINES - 1} ") as (_app, pilot, view):
        for _ in range(3):
            view.action_error(-1)
        await settled(pilot, lambda: "step 25000 " in _found(view))
        for by in (-1, 1, 1):
            view.action_error(by)
        await settled(pilot, lambda: "step 35000 " in _found(view))
        view.search("step 4123")
        view.action_search(-1)
        view.action_search(-1)
        await settled(pilot, lambda: "step 4123" in _found(view) and not view._finding)
        first = _found(view)
        view.action_search(1)
        await settled(pilot, lambda: _found(view) != first and not view._finding)
        view.action_error(-1)
        view.action_follow()
        await settled(
            pilot, lambda: f"step {LINES - 1} " in "\n".join(view.lines_in_sight) and not view._finding
        )
        assert view._found is None


def _lines(folder: Path, every: int = 1000) -> Path:
    path = folder / "log.txt"
    path.write_text("".join(f"{'x ' if n % every == 0 else ''}line {n} {'.' * 60}\n" for n in range(6000)))
    return path


@pytest.mark.parametrize("between", [None, "before", "after"])
def test_a_reader_goes_on_from_what_it_found_though_more_lines_were_asked_for_meanwhile(
    tmp_path: Path, between: str | None
) -> None:
    pages: list[LogPage] = []
    reader = LogReader(_lines(tmp_path), pages.append)
    reader._turn()
    reader.do(Find("x ", len(pages[-1].lines), upwards=True, number=1))
    if between is not None:
        reader.do(between)
    reader.do(Find("x ", None, upwards=True, number=2))
    if between is not None:
        reader.do(between)
    reader._turn()
    page = pages[-1]
    assert page.answered == 2
    assert page.found is not None
    assert page.lines[page.found].startswith("x line 4000 ")


def test_an_index_of_before_more_lines_came_is_still_of_the_same_line(tmp_path: Path) -> None:
    pages: list[LogPage] = []
    reader = LogReader(_lines(tmp_path, 100), pages.append)
    reader._turn()
    last = len(pages[-1].lines)
    reader.do("before")  # not told yet when the index is taken
    reader._turn()
    assert pages[-1].shift > 0
    reader.do(Find("x ", last, upwards=True, moved=0, number=1))
    reader._turn()
    assert pages[-1].lines[pages[-1].found or 0].startswith("x line 5900 ")


def test_a_search_that_finds_no_more_leaves_what_was_found(tmp_path: Path) -> None:
    pages: list[LogPage] = []
    path = tmp_path / "log.txt"
    path.write_text("a\nneedle\nb\n")
    reader = LogReader(path, pages.append)
    reader._turn()
    reader.do(Find("needle", 3, upwards=True, number=1))
    reader.do(Find("needle", None, upwards=True, number=2))
    reader._turn()
    assert pages[-1].found == 1
    assert "no match of needle further up" in str(pages[-1].note)
