"""Stores of every earlier schema open with all that is in them, also while another process reads."""

import subprocess
import sys
import textwrap
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, create_engine, select, text

from benchmarks.faults.older import MIGRATIONS, older_schema
from engine.store.database import HEAD_REVISION, Store
from engine.store.queries import list_runs, run_detail

EARLIER = [
    script.revision
    for script in ScriptDirectory(MIGRATIONS).walk_revisions()
    if script.revision != HEAD_REVISION
]
KEPT_APART = ("alembic_version", "store_state")
WORDS = {"status": "finished", "intent": "run", "directory": "runs/1-x", "kind": "best"}


def value_of(column: Any, row: int) -> Any:
    """Something that tells this column from others, and fits its keys."""
    if column.primary_key and not column.foreign_keys and column.type.python_type is str:
        return f"{column.name} {row}"
    if column.name == "deleted_at":
        return None
    if column.foreign_keys or column.primary_key:
        return row
    kinds = {
        int: 40 + row,
        float: 0.25 * row,
        bool: True,
        str: WORDS.get(column.name, f"{column.name} {row}"),
    }
    kinds |= {datetime: datetime(2026, 1, row), object: {"kept": row}}
    return kinds[column.type.python_type]


def write_rows(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Two rows in each table, as they are read back."""
    metadata = MetaData()
    metadata.reflect(connection)
    for table in metadata.sorted_tables:
        if table.name not in KEPT_APART:
            for row in (1, 2):
                connection.execute(
                    table.insert().values({column.name: value_of(column, row) for column in table.columns})
                )
    return {table.name: read_rows(connection, table) for table in metadata.sorted_tables}


def read_rows(connection: Connection, table: Table) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in connection.execute(select(table))), key=repr)


def older_store(path: Path, revision: str) -> dict[str, list[tuple[Any, ...]]]:
    with older_schema(path, revision) as connection:
        return write_rows(connection)


def test_there_is_an_earlier_schema_to_test() -> None:
    assert "0001" in EARLIER


@pytest.mark.parametrize("revision", EARLIER)
def test_every_value_in_every_table_of_an_earlier_store_is_kept(tmp_path: Path, revision: str) -> None:
    path = tmp_path / "experiments.db"
    written = older_store(path, revision)
    assert len(written["metric_point"]) == len(written["checkpoint"]) == 2
    store = Store.open(f"sqlite:///{path}")
    metadata = MetaData()
    with store.connection() as connection:
        for name, rows in written.items():
            if name not in KEPT_APART:
                old = create_engine(f"sqlite:///{path}")
                table = Table(name, metadata, autoload_with=old)
                old.dispose()
                width = len(rows[0])
                assert (
                    sorted((tuple(row)[:width] for row in connection.execute(select(table))), key=repr)
                    == rows
                )
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
    assert [run.id for run in list_runs(store).runs] == [2, 1]
    assert run_detail(store, 1).config == {"kept": 1}
    store.close()


@pytest.mark.parametrize("revision", EARLIER)
def test_a_process_that_reads_while_the_store_is_brought_up_to_date_sees_it_whole(
    tmp_path: Path, revision: str
) -> None:
    path = tmp_path / "experiments.db"
    older_store(path, revision)
    program = f"""
        import sqlite3, sys
        connection = sqlite3.connect({str(path)!r}, isolation_level=None, timeout=20)
        connection.execute("BEGIN")
        print(connection.execute("SELECT count(*) FROM run").fetchone()[0], flush=True)
        sys.stdin.readline()
        print(connection.execute("SELECT count(*) FROM run").fetchone()[0], flush=True)
        print(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0], flush=True)
        connection.execute("COMMIT")
        print(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0], flush=True)
    """
    reader = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "2\n"
    Store.open(f"sqlite:///{path}").close()
    assert reader.communicate("go\n", timeout=60)[0].split() == ["2", revision, HEAD_REVISION]
