"""The same questions to reeltop's store and, as the reference, to bare sqlite3 on the same tables and indexes."""

import random
import sqlite3
from pathlib import Path

from benchmarks import store as measured
from benchmarks.peers.queries import COLUMNS, timed
from engine.records import Metrics
from engine.store import queries
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.runs import create_runs
from engine.store.views import NewRun

_BATCH = 10_000


def runs(folder: Path, number: int, repeats: int) -> dict[str, float]:
    """Milliseconds for the first 100 by a metric among those that a parameter lets through."""
    store = Store.open(f"sqlite:///{folder}/experiments.db")
    measured.fill(store, number)
    connection = sqlite3.connect(folder / "experiments.db")
    rows, answer = measured.bare_listing(connection)
    taken = timed(
        {
            "reeltop": lambda: queries.list_runs(store, measured.FILTER, measured.SORT),
            "reeltop, after a write": lambda: _written(store),
            "bare sqlite3, the rows alone": rows,
            "bare sqlite3, with tags, levels and counts": answer,
        },
        repeats,
    )
    taken["reeltop, after a write"] -= timed({"a write": lambda: _write(store)}, repeats)["a write"]
    connection.close()
    store.close()
    return taken


def _write(store: Store) -> None:
    with store.write():
        pass


def _written(store: Store) -> None:
    _write(store)
    queries.list_runs(store, measured.FILTER, measured.SORT)


def series(folder: Path, number: int, repeats: int) -> dict[str, float]:
    """Milliseconds for a chart of 400 columns of one long series."""
    store = Store.open(f"sqlite:///{folder}/experiments.db")
    [run_id] = create_runs(store, [NewRun("peers", "long", {"stage": "peers"}, "0", {}, 1)])
    draw = random.Random(3)
    for step in range(0, number, _BATCH):
        batch = [
            Metrics(time=1e9 + at, step=at, values={"loss": draw.random()})
            for at in range(step, step + _BATCH)
        ]
        ingest(store, run_id, batch, old_offset=step, new_offset=step + _BATCH)
    connection = sqlite3.connect(folder / "experiments.db")
    [of] = connection.execute("SELECT id FROM metric WHERE run_id = ?", [run_id]).fetchone()
    points = "SELECT step, time, value FROM metric_point WHERE metric_id = ? ORDER BY step"
    grouped = f"""
        SELECT min(step), avg(time), avg(value), min(value), max(value), count(*) FROM metric_point
        WHERE metric_id = ? GROUP BY step * {COLUMNS} / {number}"""
    level = "SELECT * FROM metric_bucket WHERE metric_id = ? AND level = ? ORDER BY first_step"
    sizes = dict(
        connection.execute("SELECT level, count(*) FROM metric_bucket WHERE metric_id = ? GROUP BY 1", [of])
    )
    drawn = min((at for at in sizes if sizes[at] <= 16 * COLUMNS), default=1)
    taken = timed(
        {
            "reeltop": lambda: queries.series(store, run_id, "loss", max_points=COLUMNS),
            "bare sqlite3, all points": lambda: connection.execute(points, [of]).fetchall(),
            "bare sqlite3, grouped into 400": lambda: connection.execute(grouped, [of]).fetchall(),
            "bare sqlite3, the roll-up rows alone": lambda: connection.execute(level, [of, drawn]).fetchall(),
        },
        repeats,
    )
    connection.close()
    store.close()
    return taken
