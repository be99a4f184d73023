"""What a person asks of a store, of one tracker in its own environment: the best of many runs, and a long series.

Stores are filled by the tracker's own bulk path, or row by row with its own classes where it has none; only the
questions are timed. The runs have 40 parameters and 20 metrics each; the filter holds for half of them.
"""

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers.logs import PROJECT

RATE, SCORE, FIRST, COLUMNS = "training.lr.text", "val/f1_mean", 100, 400
LOW, HIGH = 1e-5, 1e-4
_CHUNK = 10_000
Ask = Callable[[], Any]
Params, Values = dict[str, float], dict[str, float]


def made_runs(number: int) -> Iterator[tuple[str, Params, Values]]:
    """Names, parameters and last values, drawn as in `benchmarks.store`."""
    draw = random.Random(7)
    for index in range(number):
        params: Params = {f"data.field_{place}": float(place) for place in range(39)}
        params[RATE] = draw.choice((LOW, HIGH))
        values = {f"system/value_{place}": draw.random() for place in range(19)}
        yield f"model-{index}", params, {**values, SCORE: draw.random()}


def mlflow_runs(folder: Path, number: int) -> dict[str, Ask]:
    """`search_runs`; it compares parameters as texts alone."""
    from mlflow import MlflowClient
    from mlflow.store.tracking.dbmodels import models

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    client.search_experiments()
    runs, metrics, params = [], [], []
    for index, (name, given, values) in enumerate(made_runs(number)):
        run = {"run_uuid": f"{index:032x}"}
        runs.append(
            run | {"name": name, "experiment_id": 0, "status": "FINISHED", "lifecycle_stage": "active"}
        )
        runs[-1] |= {"artifact_uri": "", "user_id": "somebody"}
        metrics += [run | {"key": key, "value": value, "step": 9} for key, value in values.items()]
        params += [run | {"key": key, "value": str(value)} for key, value in given.items()]
    _insert(folder, {models.SqlRun: runs, models.SqlLatestMetric: metrics, models.SqlParam: params})
    where = {"filter_string": f"params.`{RATE}` = '{LOW}'", "order_by": [f"metrics.`{SCORE}` DESC"]}
    return {"search_runs": lambda: client.search_runs(["0"], max_results=FIRST, **where)}


def mlflow_series(folder: Path, number: int) -> dict[str, Ask]:
    """`get_metric_history`, all of it, and what the charts of its own pages ask the store for."""
    from mlflow import MlflowClient
    from mlflow.store.tracking.dbmodels import models
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    url = f"sqlite:///{folder}/mlflow.db"
    client = MlflowClient(url)
    run_id = client.create_run("0").info.run_id
    rows = (
        {"run_uuid": run_id, "key": "loss", "value": math.sin(step), "step": step, "timestamp": step}
        for step in range(number)
    )
    _insert(folder, {models.SqlMetric: list(rows)})
    store = SqlAlchemyStore(url, str(folder))
    return {
        "get_metric_history, all points": lambda: client.get_metric_history(run_id, "loss"),
        "what its charts ask for": lambda: store.get_metric_history_bulk_interval(
            [run_id], "loss", COLUMNS, None, None
        ),
    }


def _insert(folder: Path, rows: dict[Any, list[dict[str, Any]]]) -> None:
    from sqlalchemy import create_engine

    with create_engine(f"sqlite:///{folder}/mlflow.db").begin() as connection:
        for table, values in rows.items():
            connection.execute(table.__table__.insert(), values)


def aim_runs(folder: Path, number: int) -> dict[str, Ask]:
    """A query by its language; it has no order, so what is found is sorted here, as its page does."""
    from aim import Repo, Run
    from aim.sdk.types import QueryReportMode
    from aim.storage.context import Context

    for name, params, values in made_runs(number):
        run = Run(repo=str(folder), experiment=name, system_tracking_interval=None, log_system_params=False)
        run["hparams"] = params
        run.track(values, step=9)
        run.close()
    _reindex(folder)

    def ask() -> list[Any]:
        query = f"run.hparams['{RATE}'] < 5e-5"
        found = Repo(str(folder)).query_runs(query, report_mode=QueryReportMode.DISABLED)
        scored = []
        for each in found.iter_runs():
            metric = each.run.get_metric(SCORE, Context({}))
            scored.append((metric.values.last_value(), each.run.name))
        assert len(scored) > number // 3, f"{len(scored)} runs were found"
        return sorted(scored, reverse=True)[:FIRST]

    return {"query_runs, sorted by us": ask}


def aim_series(folder: Path, number: int) -> dict[str, Ask]:
    """A sample of a metric's data, as its page asks for."""
    from aim import Repo, Run
    from aim.storage.context import Context

    run = Run(repo=str(folder), system_tracking_interval=None, log_system_params=False)
    for step in range(number):
        run.track(math.sin(step), name="loss", step=step)
    run.close()
    hash_ = run.hash
    _reindex(folder)

    def ask() -> Any:
        metric = Run(hash_, repo=Repo(str(folder)), read_only=True).get_metric("loss", Context({}))
        steps, _ = metric.data.sample(COLUMNS).numpy()
        assert COLUMNS // 2 < len(steps) < 3 * COLUMNS, f"{len(steps)} points"
        return steps

    return {"data.sample": ask}


def _reindex(folder: Path) -> None:
    aim = Path(sys.executable).parent / "aim"
    subprocess.run([aim, "storage", "--repo", folder, "reindex", "--yes"], check=True, capture_output=True)


def trackio_runs(folder: Path, number: int) -> dict[str, Ask]:
    """SQL over its JSON columns, which is its own way to ask (`trackio query`)."""
    storage = _trackio(folder)
    for name, params, values in made_runs(number):
        storage.bulk_log(PROJECT, name, [values], steps=[9], config=params)
    query = f"""
        SELECT metrics.run_name, json_extract(metrics, '$."{SCORE}"') AS score
        FROM metrics JOIN configs USING (run_id) WHERE json_extract(config, '$."{RATE}"') < 5e-5
        ORDER BY score DESC LIMIT {FIRST}"""

    def ask() -> Any:
        answer = storage.query_project(PROJECT, query)
        assert answer["row_count"] == min(FIRST, answer["row_count"]) > 0
        return answer

    return {"trackio query": ask}


def trackio_series(folder: Path, number: int) -> dict[str, Ask]:
    """What its own interface asks for."""
    storage = _trackio(folder)
    for first in range(0, number, _CHUNK):
        steps = list(range(first, min(first + _CHUNK, number)))
        storage.bulk_log(PROJECT, "long", [{"loss": math.sin(step)} for step in steps], steps=steps)
    return {
        "get_metric_values": lambda: storage.get_metric_values(PROJECT, "long", "loss", max_points=COLUMNS)
    }


def _trackio(folder: Path) -> Any:
    os.environ["TRACKIO_DIR"] = str(folder)
    from trackio.sqlite_storage import SQLiteStorage

    return SQLiteStorage


def tensorboard_series(folder: Path, number: int) -> dict[str, Ask]:
    """Its accumulator reads the whole file into a sample of 1,000 first; then its data provider answers."""
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.context import RequestContext
    from tensorboard.summary.writer.record_writer import RecordWriter

    (folder / "long").mkdir()
    with (folder / "long" / "events.out.tfevents.1.host").open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=1e9, file_version="brain.Event:2").SerializeToString())
        for step in range(number):
            event = Event(wall_time=1e9 + step, step=step)
            event.summary.value.add(tag="loss", simple_value=math.sin(step))
            writer.write(event.SerializeToString())

    def load() -> MultiplexerDataProvider:
        multiplexer = EventMultiplexer({"long": str(folder / "long")})
        multiplexer.Reload()
        return MultiplexerDataProvider(multiplexer, str(folder))

    provider = load()

    def ask() -> Any:
        answer = provider.read_scalars(
            RequestContext(), experiment_id="", plugin_name="scalars", downsample=COLUMNS
        )
        assert len(answer["long"]["loss"]) == COLUMNS
        return answer

    return {"to load the file": load, "read_scalars, once loaded": ask}


QUESTIONS = {
    ("MLflow", "runs"): mlflow_runs,
    ("MLflow", "series"): mlflow_series,
    ("Aim", "runs"): aim_runs,
    ("Aim", "series"): aim_series,
    ("Trackio", "runs"): trackio_runs,
    ("Trackio", "series"): trackio_series,
    ("TensorBoard", "series"): tensorboard_series,
}


def timed(asks: dict[str, Ask], repeats: int, limit: float = 60.0) -> dict[str, float]:
    """Median milliseconds of each, asked in turn, the first time left out unless it alone takes the limit."""
    taken: dict[str, list[float]] = {name: [] for name in asks}
    until = time.perf_counter() + limit
    for _ in range(repeats + 1):
        for name, ask in asks.items():
            begin = time.perf_counter()
            ask()
            taken[name].append((time.perf_counter() - begin) * 1e3)
        if time.perf_counter() > until:
            break
    return {name: statistics.median(times[1:] or times) for name, times in taken.items()}


def main() -> None:
    """Fill, ask, and write the answer, JSON, where told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("runs", "series"))
    parser.add_argument("peer")
    parser.add_argument("folder", type=Path)
    parser.add_argument("answer", type=Path)
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    asks = QUESTIONS[options.peer, options.what](options.folder, options.number)
    options.answer.write_text(json.dumps(timed(asks, options.repeats)))


if __name__ == "__main__":
    main()
