"""A store of an older program is brought up to date with everything that is in it."""

from pathlib import Path

from sqlalchemy import text

from benchmarks.faults.older import older_schema
from engine.store.database import Store
from engine.store.queries import run_detail
from engine.store.queueing import hold_run


def test_runs_of_the_first_schema_are_kept_and_are_not_held(sqlite_path: Path) -> None:
    with older_schema(sqlite_path, "0001") as connection:
        connection.execute(
            text(
                "INSERT INTO run (id, stage, name, status, intent, attempt, priority, gpus, seed, created, pinned, "
                "directory, config_hash, records_offset, notes) VALUES (7, 'finetune', 'old', 'queued', 'run', 1, 0, "
                "0, 802, '2026-01-01 00:00:00', 0, 'runs/7-old', 'abc', 0, '')"
            )
        )
        connection.execute(
            text("INSERT INTO run_config (run_id, config, env) VALUES (7, '{\"a\": 1}', '{}')")
        )
        connection.execute(text("INSERT INTO run_tag (run_id, tag) VALUES (7, 'kept')"))
    store = Store.open(f"sqlite:///{sqlite_path}")
    detail = run_detail(store, 7)
    assert (detail.run.name, detail.run.held, detail.run.tags, detail.config) == (
        "old",
        False,
        ("kept",),
        {"a": 1},
    )
    hold_run(store, 7)
    assert run_detail(store, 7).run.held
    store.close()
