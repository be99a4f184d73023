"""Parts without a screen: the log's tail, speeds, sparklines, columns, the ASCII filter, the table of keys."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.segment import Segment
from textual.color import Color

from app.tui.ascii import AsciiFilter
from app.tui.bindings import TABLE
from app.tui.columns import columns_for, fit, fitted
from app.tui.logtail import LogTail
from app.tui.speed import SpeedMeter
from app.tui.states import GLYPHS, sparkline
from engine.store.database import Store
from engine.store.queries import run_row
from engine.store.views import Progress, RunRow, Status


def test_a_log_of_two_gibibytes_is_read_at_its_end_only(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    with path.open("wb") as file:
        file.truncate(2 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"\nlast but one\nlast\n")
    tail = LogTail(path)
    assert tail.read_on()
    assert tail.lines[-2:] == ["last but one", "last"]
    assert not tail.at_start


def test_a_log_is_paged_back_to_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("".join(f"line {n}\n" for n in range(30_000)))
    tail = LogTail(path)
    tail.read_on()
    while not tail.at_start:
        assert tail.read_before() > 0
    assert tail.lines == [f"line {n}" for n in range(30_000)]


def test_a_log_keeps_its_bounds_and_its_place_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("first\n")
    tail = LogTail(path)
    tail.read_on()
    with path.open("a") as file:
        for n in range(100_000):
            file.write(f"line {n}\n")
    while tail.read_on():
        pass
    assert len(tail.lines) <= 20_000
    assert tail.lines[-1] == "line 99999"
    oldest = int(tail.lines[0].split()[1])
    assert tail.read_before() > 0
    index = tail.lines.index(f"line {oldest}")
    assert tail.lines[index - 1] == f"line {oldest - 1}"


def test_a_log_line_that_grows_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"done\n 10%")
    tail = LogTail(path)
    tail.read_on()
    assert tail.lines == ["done", " 10%"]
    with path.open("ab") as file:
        file.write(b"\r 90%\r100%\nnext \x1b[31m\xff")
    tail.read_on()
    assert tail.lines == ["done", "100%", "next ␛[31m\ufffd"]


def test_a_log_that_is_begun_again_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("old and long\n")
    tail = LogTail(path)
    tail.read_on()
    path.write_text("new\n")
    tail.read_on()
    assert tail.lines == ["new"]
    path.unlink()
    tail.read_on()
    assert tail.lines == []


def test_speed_is_of_the_last_half_minute(store: Store, runs: dict[str, int]) -> None:
    run = run_row(store, runs["model-1"])
    begun = datetime.now(UTC).replace(tzinfo=None)
    meter = SpeedMeter()
    for second in range(100):
        done = second if second < 50 else 50 + (second - 50) * 10
        at = begun + timedelta(seconds=second)
        meter.update(replace(run, progress=Progress(done, 1000, "step"), heartbeat=at))
    pace = meter.pace(replace(run, progress=Progress(540, 1000, "step"), heartbeat=at), at)
    assert round(pace.speed) == 10
    assert round(pace.eta) == 46
    assert not pace.stalled
    assert meter.pace(replace(run, heartbeat=at), at + timedelta(minutes=5)).stalled


def test_sparklines_keep_their_shape_and_survive_gaps() -> None:
    assert sparkline([1.0, 2.0, None, 3.0, float("inf")], 10) == "▁▄ █ "
    assert sparkline([2.0, 2.0], 10) == "▁▁"
    assert sparkline([], 10) == ""


def test_all_scores_fit_into_eighty_columns() -> None:
    titles = [column.title for column, _ in fitted(columns_for(2), 76, 1)]
    assert titles == ["id", "name", "stage", "state", "f1_mean", "l1 mic", "l1 mac", "l2 mic", "l2 mac"]
    assert all(column.title in ("id", "name", "state") for column, _ in fitted(columns_for(2), 10, 1))


def test_texts_are_cut_by_cells() -> None:
    assert fit("模型模型", 5) == "模型…"
    assert fit("ab", 4, right=True) == "  ab"


def test_ascii_has_a_sign_of_its_own_for_every_state_and_leaves_letters_alone() -> None:
    plain = AsciiFilter()
    segments = plain.apply([Segment("".join(GLYPHS.values()) + "╭─┃⣿█模型")], Color(0, 0, 0))
    assert segments[0].text == ".:*+=x!--+-|:#模型"
    assert set(GLYPHS) == set(Status)


def test_every_key_has_an_id_and_none_is_bound_twice_in_a_scope() -> None:
    ids = [binding.id for scope in TABLE.values() for binding in dict.fromkeys(scope)]
    assert all(ids)
    for scope, entries in TABLE.items():
        keys = [key for binding in entries for key in binding.key.split(",")]
        assert len(keys) == len(set(keys)), scope


def test_a_row_has_all_columns(store: Store, runs: dict[str, int]) -> None:
    row: RunRow = run_row(store, runs["model-3"])
    cells = {column.title: column.cell(row) for column in columns_for(2)}
    assert cells["state"] == "✓ finished"
    assert cells["l2 mac"] == "0.6329"
