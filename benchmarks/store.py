"""The store beside bare sqlite3: ingestion, the list of 10,000 runs, a chart of 1,000,000 points. Ratios in one run."""

import argparse
import math
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from engine.records import Metrics
from engine.store import queries
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.models import Metric, MetricSummary
from engine.store.runs import create_runs
from engine.store.views import NewRun, RunPage

FILTER, SORT = "training.lr.text<5e-5", "-f1_mean"


def main() -> None:
    """Print one line a measurement: ours, bare sqlite3 doing the same, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "experiments.db"
        store = Store.open(f"sqlite:///{path}")
        bench_ingestion(store, Path(folder) / "bare.db")
        bench_listing(store, path, options.runs, options.repeats)
        bench_series(store, path, options.points, options.repeats)
        store.close()


def bench_ingestion(store: Store, bare: Path, *, batches: int = 50, steps: int = 400) -> None:
    """5 series in batches of 400 steps, against one executemany a batch into a bare table of points."""
    [run_id] = create_runs(store, [_run(0, random.Random(0))])
    keys = [f"train/value_{index}" for index in range(5)]
    batch_of = [
        [
            Metrics(time=1e9 + step, step=step, values={key: math.sin(step) for key in keys})
            for step in range(number * steps, (number + 1) * steps)
        ]
        for number in range(batches)
    ]
    begin = time.perf_counter()
    for number, batch in enumerate(batch_of):
        ingest(store, run_id, batch, old_offset=number, new_offset=number + 1)
    ours = time.perf_counter() - begin
    connection = sqlite3.connect(bare, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(
        "CREATE TABLE point (metric INTEGER, step INTEGER, time REAL, value REAL, "
        "PRIMARY KEY (metric, step)) WITHOUT ROWID"
    )
    begin = time.perf_counter()
    for batch in batch_of:
        connection.execute("BEGIN IMMEDIATE")
        rows = [
            (index, record.step, record.time, value)
            for record in batch
            for index, value in enumerate(record.values.values())
        ]
        connection.executemany("INSERT INTO point VALUES (?, ?, ?, ?)", rows)
        connection.execute("COMMIT")
    theirs = time.perf_counter() - begin
    connection.close()
    points = batches * steps * len(keys)
    print(f"ingest {points:,} points in batches of {steps * len(keys):,}, with roll-ups and summaries")
    print(
        f"  ours {points / ours:10,.0f} points/s   bare {points / theirs:10,.0f} points/s   ratio {ours / theirs:.2f}"
    )


def bench_listing(store: Store, path: Path, number: int, repeats: int) -> None:
    """The first 100 of all runs by F1, half of them filtered out by a parameter; bare has the same indexes."""
    fill(store, number)
    connection = sqlite3.connect(path)
    page, bare = bare_listing(connection)

    def written() -> None:
        with store.write():
            pass

    def ours() -> RunPage:
        return queries.list_runs(store, FILTER, SORT)

    print(f"{number:,} runs filtered by a parameter, sorted by a metric, first 100")
    rows = _median(page, repeats)
    still = _median(ours, repeats)
    print(f"  ours {still * 1e3:8.2f} ms   bare, the rows {rows * 1e3:8.2f} ms   ratio {still / rows:.2f}")
    changed = _median(ours, repeats, before=written)
    theirs = _median(bare, repeats)
    print("  after a write, with tags, levels, and how many of how many match")
    print(
        f"  ours {changed * 1e3:8.2f} ms   bare           {theirs * 1e3:8.2f} ms   ratio {changed / theirs:.2f}"
    )
    for text, sort in (
        ("", "-created"),
        ("", SORT),
        ("name~17", "name"),
        ("f1_mean>0.9 tag=best", "-val/loss"),
    ):
        took = _median(lambda text=text, sort=sort: queries.list_runs(store, text, sort), repeats)
        print(f"  ours, filter {text!r} sort {sort!r}: {took * 1e3:.2f} ms")
    connection.close()


def bare_listing(connection: sqlite3.Connection) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """`FILTER` and `SORT` by hand: the rows alone, and the whole answer with tags, levels and counts."""
    page = """
        SELECT run.*, summary.max FROM metric_summary AS summary JOIN run ON run.id = summary.run_id
        WHERE summary.key = 'val/f1_mean' AND summary.max IS NOT NULL AND run.deleted_at IS NULL AND run.id IN (
            SELECT run_id FROM run_param WHERE key = 'training.lr.text' AND number < 5e-5)
        ORDER BY summary.max DESC, summary.run_id DESC LIMIT 100"""
    matching = """
        SELECT count(*) FROM run WHERE deleted_at IS NULL AND id IN (
            SELECT run_id FROM run_param WHERE key = 'training.lr.text' AND number < 5e-5)"""
    tags = "SELECT run_id, tag FROM run_tag WHERE run_id IN ({})"
    levels = "SELECT * FROM level_score WHERE evaluation_id IN ({})"

    def bare() -> list[Any]:
        rows = connection.execute(page).fetchall()
        ids = [row[0] for row in rows]
        marks = ",".join("?" * len(ids))
        connection.execute(tags.format(marks), ids).fetchall()
        connection.execute(levels.format(marks), ids).fetchall()
        connection.execute(matching).fetchone()
        connection.execute("SELECT count(*) FROM run WHERE deleted_at IS NULL").fetchone()
        return rows

    return lambda: connection.execute(page).fetchall(), bare


def bench_series(store: Store, path: Path, number: int, repeats: int) -> None:
    """A chart of 400 columns of one series, against reading all its points."""
    [run_id] = create_runs(store, [_run(0, random.Random(0))])
    step = 0
    while step < number:
        batch = [
            Metrics(time=1e9 + at, step=at, values={"loss": math.sin(at)})
            for at in range(step, step + 10_000)
        ]
        ingest(store, run_id, batch, old_offset=step, new_offset=step + 10_000)
        step += 10_000
    connection = sqlite3.connect(path)
    [metric_id] = connection.execute("SELECT id FROM metric WHERE run_id = ?", [run_id]).fetchone()
    query = "SELECT step, time, value FROM metric_point WHERE metric_id = ? ORDER BY step"
    theirs = _median(lambda: connection.execute(query, [metric_id]).fetchall(), 3)
    print(f"a chart of 400 columns from {number:,} points")
    windows = {
        "all": (None, None),
        "a tenth": (number // 3, number // 3 + number // 10),
        "2,000 steps": (7_000, 9_000),
    }
    for name, (first, last) in windows.items():
        ours = _median(
            lambda first=first, last=last: queries.series(
                store, run_id, "loss", first_step=first, last_step=last
            ),
            repeats,
        )
        print(
            f"  {name:12} ours {ours * 1e3:8.2f} ms   reading all points {theirs * 1e3:8.2f} ms   {ours / theirs:.2%}"
        )
    connection.close()


def fill(store: Store, number: int) -> None:
    """Runs with 40 parameters and 20 metrics each; scores and learning rates are drawn at random."""
    draw = random.Random(7)
    ids = create_runs(store, [_run(index, draw) for index in range(number)])
    keys = ["val/f1_mean", "val/loss", "train/loss", *(f"system/value_{index}" for index in range(17))]
    metrics = [{"run_id": run_id, "key": key, "axis": "step"} for run_id in ids for key in keys]
    with store.write() as session:
        session.connection().execute(insert(Metric), metrics)
    with store.write() as session:
        rows = session.execute(Metric.__table__.select().where(Metric.run_id.in_(ids[:1]))).all()
        first = min(row.id for row in rows)
        summaries = []
        for offset, metric in enumerate(metrics):
            low, high = sorted((draw.random(), draw.random()))
            summaries.append(
                {
                    "metric_id": first + offset,
                    "run_id": metric["run_id"],
                    "key": metric["key"],
                    "count": 9,
                    "last": low,
                    "last_step": 9,
                    "min": low,
                    "min_step": 9,
                    "max": high,
                    "max_step": 3,
                }
            )
        session.connection().execute(insert(MetricSummary), summaries)


def _run(index: int, draw: random.Random) -> NewRun:
    params: dict[str, str | int | float | bool | None] = {
        f"data.field_{number}": number for number in range(37)
    }
    params |= {"training.lr.text": draw.choice([1e-5, 3e-5, 5e-5, 1e-4]), "training.ema": 0.999, "kind": "x"}
    return NewRun(
        stage="finetune",
        name=f"model-{index}",
        config={"data": dict.fromkeys(params, "a value of usual length")},
        config_hash="0" * 16,
        params=params,
        seed=index,
        tags=("best",) if index % 10 == 0 else (),
    )


def _median(what: Callable[[], Any], repeats: int, before: Callable[[], None] = lambda: None) -> float:
    what()
    taken = []
    for _ in range(repeats):
        before()
        begin = time.perf_counter()
        what()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
