"""Delete the store, rebuild: the same runs, scores and curves."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from supervisor_bench import Bench

from app.verbs.workspace import rebuild_store
from engine.errors import RunError, StoreError
from engine.records import Evaluation, LevelScores, RecordWriter
from engine.store.database import Store
from engine.store.runs import request_stop, resume_run
from engine.store.views import Status
from engine.supervisor.rebuild import rebuild


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table; surrogate keys of series and passes are replaced by what they stand for."""
    connection = sqlite3.connect(path)
    queries = {
        "run": "SELECT * FROM run ORDER BY id",
        "input": "SELECT run_id, role, source_run_id, which FROM run_input ORDER BY id",
        "param": "SELECT * FROM run_param ORDER BY run_id, key",
        "tag": "SELECT * FROM run_tag ORDER BY run_id, tag",
        "point": "SELECT run_id, key, axis, step, time, value FROM metric_point"
        " JOIN metric ON metric.id = metric_id ORDER BY run_id, key, step",
        "bucket": "SELECT run_id, key, level, bucket, metric_bucket.count, min, max, sum, first, last"
        " FROM metric_bucket JOIN metric ON metric.id = metric_id ORDER BY run_id, key, level, bucket",
        "summary": "SELECT run_id, key, count, last, min, max, max_step FROM metric_summary ORDER BY run_id, key",
        "evaluation": "SELECT run_id, step, split, f1_mean, level, f1_micro FROM evaluation"
        " JOIN level_score ON evaluation_id = evaluation.id ORDER BY run_id, step, level",
        "checkpoint": "SELECT run_id, step, kind, path, sha256 FROM checkpoint ORDER BY run_id, step",
    }
    rows = {table: connection.execute(query).fetchall() for table, query in queries.items()}
    names = [column[1] for column in connection.execute("PRAGMA table_info(run)")]
    # Where a run was is in its environment record, which the test's stage does not write.
    other = {names.index(name) for name in ("host", "devices", "best_evaluation")}
    rows["run"] = [
        tuple(value for index, value in enumerate(row) if index not in other) for row in rows["run"]
    ]
    connection.close()
    return rows


def delete_store(bench: Bench) -> None:
    bench.store.close()
    for suffix in ("", "-wal", "-shm"):
        (bench.workspace.root / f"experiments.db{suffix}").unlink(missing_ok=True)


def queue_and_run(bench: Bench) -> None:
    """A finished, a resumed, a failed, a skipped and a cancelled run."""
    supervisor = bench.supervisor()
    good = bench.queue("good", config={"steps": 200, "pause": 0.001}, tags=("best", "紅"), notes="a\nb")
    resumed = bench.queue("resumed", config={"steps": 60, "gate": 10}, experiment="sweep", priority=-1)
    bench.until_training(supervisor, resumed)
    request_stop(bench.store, resumed)
    bench.until_ended(supervisor, resumed)
    bench.go(resumed)
    resume_run(bench.store, resumed)
    failed = bench.queue("failed", config={"end": "data error"})
    skipped = bench.queue("skipped", needs=[failed])
    cancelled = bench.queue("cancelled")
    request_stop(bench.store, cancelled)
    bench.until_ended(supervisor, good, resumed, failed, skipped, cancelled)


def test_a_rebuilt_store_equals_the_lost_one(bench: Bench) -> None:
    queue_and_run(bench)
    before = contents(bench.workspace.root / "experiments.db")
    delete_store(bench)
    report = rebuild(bench.workspace)
    after = contents(bench.workspace.root / "experiments.db")
    assert (report.runs, report.bad_records, report.problems) == (5, 0, ())
    assert report.records > 500
    assert {status for row in after["run"] for status in row if status in set(Status)} >= {
        "finished",
        "skipped",
    }
    for table in before:
        assert after[table] == before[table], table
    assert len(after["point"]) > 1000


def test_scores_come_back(bench: Bench) -> None:
    run_id = bench.queue()
    bench.until_ended(bench.supervisor(), run_id)
    writer = RecordWriter(bench.run_dir(run_id) / "records.bin")
    levels = [LevelScores(level=1, f1_micro=0.5, f1_macro=0.25, accuracy=0.75)]
    writer.record(Evaluation(time=1.0, step=9, split="val", f1_mean=0.375, levels=levels))
    writer.close()
    delete_store(bench)
    rebuild(bench.workspace)
    row = bench.row(run_id)
    assert row.f1_mean == 0.375
    assert row.levels[0].accuracy == 0.75


def test_the_next_id_is_new(bench: Bench) -> None:
    run_id = bench.queue()
    bench.until_ended(bench.supervisor(), run_id)
    delete_store(bench)
    rebuild(bench.workspace)
    assert bench.queue() == run_id + 1


def test_a_run_that_is_still_running_is_found_again(bench: Bench) -> None:
    run_id = bench.queue(config={"steps": 150, "gate": 10})
    process = bench.supervisor_process()
    bench.until_training(None, run_id)
    process.kill()
    process.wait()
    delete_store(bench)
    rebuild(bench.workspace)
    # The supervisor may have been killed between the run's first record and its own note of it.
    assert bench.status(run_id) in (Status.STARTING, Status.RUNNING)
    bench.go(run_id)
    bench.until_ended(bench.supervisor(), run_id)
    assert bench.status(run_id) is Status.FINISHED
    assert len(bench.points(run_id)) == 150


def test_a_store_with_runs_is_never_overwritten(bench: Bench) -> None:
    bench.queue()
    with pytest.raises(StoreError, match="holds 1 runs: move it away first"):
        rebuild(bench.workspace)


def test_it_waits_for_no_supervisor_that_is_at_work(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.supervisor.rebuild._PATIENCE_SECONDS", 0.1)
    bench.supervisor_process()
    with pytest.raises(RunError, match="a supervisor works on store"):
        rebuild(bench.workspace)


def test_directories_that_cannot_be_used_are_named(bench: Bench) -> None:
    run_id = bench.queue()
    bench.until_ended(bench.supervisor(), run_id)
    for name, manifest in {
        "7-empty": None,
        "8-torn": '{"id": 8',
        "9-foreign": '{"id": 9}',
        "x": "[]",
    }.items():
        folder = bench.workspace.runs / name
        folder.mkdir()
        if manifest is not None:
            (folder / "run.json").write_text(manifest)
    delete_store(bench)
    report = rebuild(bench.workspace)
    assert report.runs == 1
    assert [problem.partition(":")[0] for problem in report.problems] == [
        "7-empty",
        "8-torn",
        "x",
        "9-foreign",
    ]


def test_nothing_to_rebuild_gives_an_empty_store(bench: Bench) -> None:
    delete_store(bench)
    assert rebuild(bench.workspace).runs == 0
    assert Store.open(bench.workspace.store_url)


def test_a_directory_left_out_is_told_by_the_exit_code(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    (bench.workspace.runs / "7-empty").mkdir(parents=True)
    delete_store(bench)
    assert rebuild_store(bench.workspace, as_json=False) == 1
    assert capsys.readouterr().err.startswith("7-empty: no usable run.json")
