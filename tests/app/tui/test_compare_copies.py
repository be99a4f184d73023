"""A comparison leaves the screen: to the clipboard, into files."""

import csv
import io
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from compare_page import WIDE, chart, opened, three_runs
from conftest import CONFIG, evaluation, new_run, train

from app.tui.app import ReeltopApp
from app.tui.comparison_tables import comma_separated, markdown
from app.tui.run_marks import run_marks
from engine.comparison import compare
from engine.records import ClassScores
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.runs import create_runs
from engine.workspace import Workspace


@pytest.fixture
def pair(store: Store) -> tuple[int, int, int]:
    return three_runs(store)


async def test_the_comparison_is_copied_and_written(
    workspace: Workspace, pair: tuple[int, int, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled, pair[0], pair[1])
        await pilot.press("c")
        await settled(pilot, lambda: "| f1_mean | 0.7000 | 0.7200 ▲ best |" in app.clipboard)
        await pilot.press("C")
        await settled(pilot, lambda: "scores,f1_mean,0.7000,0.7200" in app.clipboard)
        await pilot.press("w")
        await settled(pilot, lambda: any("written exports/" in note.message for note in app._notifications))
        chart(app).focus_plot()
        await settled(pilot, lambda: type(app.focused).__name__ == "Plot")
        await pilot.press("w")
        folder = workspace.root / "exports"
        await settled(pilot, lambda: list(folder.glob("*.svg")))
    (page,) = folder.glob(f"compare-{pair[0]}-{pair[1]}-*.md")
    (rows,) = folder.glob(f"compare-{pair[0]}-{pair[1]}-*.csv")
    assert ["config", "training.ema", "0.999", "0.9999"] in list(csv.reader(rows.open(encoding="utf-8")))
    assert "training.epochs" not in page.read_text(encoding="utf-8")
    (picture,) = folder.glob("*.svg")
    drawn = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
    texts = [each.text or "" for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert any("train/loss" in text and "model-2" in text for text in texts)
    for mark in run_marks(pair[:2]).values():
        assert texts.count(mark.glyph) >= 6  # on the line, as on the screen
    lines_drawn = list(drawn.iter("{http://www.w3.org/2000/svg}polyline"))
    assert len({line.attrib["stroke"] for line in lines_drawn}) == 2


def test_copies_are_tables_that_programs_read_and_foreign_text_is_shown_as_it_is(store: Store) -> None:
    ids = create_runs(store, [new_run("one\x1b[31m|x"), new_run("two", config={**CONFIG, "seed": 1})])
    for run_id, hotels in zip(ids, (0.4, 0.5), strict=True):
        train(store, run_id, steps=0)
        scores = evaluation(1e9, 1, 1, 0.5 + hotels / 10)
        scores.classes[2:3] = [
            ClassScores(level=2, category="2003", precision=0.5, recall=0.5, f1=hotels, support=63)
        ]
        ingest(store, run_id, [scores], old_offset=1, new_offset=2)
    found = compare(store, ids)
    text = markdown(found, ids[0], {"2003": "hotels"})
    assert "\x1b" not in text
    assert f"|  | {ids[0]} one␛[31m\\|x | {ids[1]} two |" in text
    assert "| f1_mean | 0.5400 | 0.5500 ▲ best |" in text
    assert "| 2003 hotels | 0.4000 | 0.5000 | +0.1000 | 63 |" in text
    assert "| 20 |" not in text  # neither gains nor loses
    rows = list(csv.reader(io.StringIO(comma_separated(found, {"2003": "hotels"}))))
    assert rows[0] == ["section", "key", f"{ids[0]} one␛[31m|x", f"{ids[1]} two"]
    assert ["scores", "f1_mean", "0.5400", "0.5500"] in rows
    assert ["f1 of level 2", "2003 hotels", "0.4000", "0.5000"] in rows
    assert {len(row) for row in rows} == {4}


async def test_a_folder_that_cannot_be_written_is_told(
    workspace: Workspace, pair: tuple[int, int, int], settled: Callable
) -> None:
    (workspace.root / "exports").write_text("a file")
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=WIDE) as pilot:
        await opened(app, pilot, settled, pair[0], pair[1])
        await pilot.press("w")
        await settled(pilot, lambda: any(note.severity == "error" for note in app._notifications))
