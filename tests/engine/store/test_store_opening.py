"""Opening a store: made, migrated and configured, or refused with one line that says what to do."""

import os
import re
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from store_helpers import add

from engine.errors import StoreError
from engine.store import database
from engine.store.database import HEAD_REVISION, Store
from engine.store.models import Base
from engine.store.queries import change_counter, list_runs


def refusal(url: str) -> str:
    with pytest.raises(StoreError) as caught:
        Store.open(url)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_new_store_has_the_tables_of_the_models(store: Store) -> None:
    with store.connection() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_newest_migration_is_the_one_the_program_expects() -> None:
    scripts = ScriptDirectory(str(Path(database.__file__).parent / "migrations"))
    assert scripts.get_current_head() == HEAD_REVISION


def test_opening_again_finds_what_was_written_and_needs_no_alembic(sqlite_path: Path) -> None:
    url = f"sqlite:///{sqlite_path}"
    store = Store.open(url)
    add(store, "kept")
    store.close()
    program = f"""
        import sys
        from engine.store.database import Store
        from engine.store.queries import list_runs
        print([run.name for run in list_runs(Store.open({url!r})).runs], "alembic" in sys.modules)
    """
    shown = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "['kept'] False"


def test_a_connection_waits_for_locks_and_keeps_foreign_keys_and_the_log_ahead(sqlite_path: Path) -> None:
    store = Store.open(f"sqlite:///{sqlite_path}")
    with store.connection() as connection:
        settings = [
            connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        ]
    store.close()
    assert settings == ["wal", 1, 10_000, 1]


@pytest.mark.parametrize("name", ["100% done", "a?b=c", "ünï codé", "quote'\""])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    store = Store.open(f"sqlite:///{folder / 'experiments.db'}")
    add(store)
    store.close()
    assert (folder / "experiments.db").stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_store_of_a_newer_program_is_refused(sqlite_path: Path) -> None:
    Store.open(f"sqlite:///{sqlite_path}").close()
    with sqlite3.connect(sqlite_path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    message = refusal(f"sqlite:///{sqlite_path}")
    assert "newer reeltop (schema 9999" in message
    assert "upgrade reeltop" in message


def test_a_database_of_another_program_is_left_alone(sqlite_path: Path) -> None:
    with sqlite3.connect(sqlite_path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    assert "some other program" in refusal(f"sqlite:///{sqlite_path}")
    with sqlite3.connect(sqlite_path) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (2,)


def test_a_file_that_is_no_database_is_refused_and_kept(sqlite_path: Path) -> None:
    sqlite_path.write_text("id,result\n1,2\n" * 100)
    assert "not a SQLite database" in refusal(f"sqlite:///{sqlite_path}")
    assert sqlite_path.read_text().startswith("id,result")


def test_a_damaged_database_is_refused(sqlite_path: Path) -> None:
    sqlite_path.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    assert str(sqlite_path) in refusal(f"sqlite:///{sqlite_path}")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in refusal(f"sqlite:///{tmp_path}")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"there is no folder {tmp_path / 'gone'}" in refusal(
        f"sqlite:///{tmp_path / 'gone' / 'experiments.db'}"
    )


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "shut"
    folder.mkdir(mode=0o555)
    if os.geteuid() == 0:  # root may write anywhere: ask for what others would be told
        monkeypatch.setattr(database.os, "access", lambda path, _mode: Path(path) != folder)
    assert "cannot be written: make it writable" in refusal(f"sqlite:///{folder / 'experiments.db'}")


def test_a_store_that_turns_read_only_says_so_when_written(sqlite_path: Path) -> None:
    store = Store.open(f"sqlite:///{sqlite_path}")

    def write() -> None:
        with store.connection() as connection:
            connection.execute(text("PRAGMA query_only = ON"))
            connection.execute(text("UPDATE store_state SET changes = 0"))

    with pytest.raises(StoreError, match="cannot be written"):
        write()
    store.close()


@pytest.mark.parametrize("url", ["nonsense", "martian://host/name", "postgresql+nodriver://host/name"])
def test_a_url_that_names_no_known_database_is_refused(url: str) -> None:
    assert refusal(url).startswith("store ")


def test_a_password_in_a_url_is_not_shown() -> None:
    assert "secret" not in refusal("martian://me:secret@host/name")


def test_a_store_left_by_a_killed_writer_opens_with_what_was_committed(sqlite_path: Path) -> None:
    program = f"""
        import os, signal, sys
        from sqlalchemy import text
        from engine.store.database import Store
        store = Store.open("sqlite:///{sqlite_path}")
        with store.write() as session:
            session.execute(text("INSERT INTO experiment (name, notes) VALUES ('committed', '')"))
        with store.write() as session:
            session.execute(text("INSERT INTO experiment (name, notes) VALUES ('lost', '')"))
            session.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert killed.returncode == -9
    assert sqlite_path.with_name("experiments.db-wal").stat().st_size > 0
    store = Store.open(f"sqlite:///{sqlite_path}")
    with store.connection() as connection:
        assert connection.execute(text("SELECT name FROM experiment")).scalars().all() == ["committed"]
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    store.close()


def test_processes_that_open_a_new_store_at_once_all_succeed(sqlite_path: Path) -> None:
    program = f"""
        import sys
        from engine.store.database import Store
        from engine.store.runs import create_runs
        from engine.store.views import NewRun
        sys.stdin.readline()
        store = Store.open("sqlite:///{sqlite_path}")
        create_runs(store, [NewRun(stage="extract", name="r", config={{}}, config_hash="h", params={{}}, seed=1)])
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    openers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("go\n")
        opener.stdin.flush()
    ends = [(opener.communicate(timeout=60)[1], opener.returncode) for opener in openers]
    assert ends == [("", 0)] * 4
    store = Store.open(f"sqlite:///{sqlite_path}")
    assert list_runs(store).total == 4
    store.close()


def test_a_migration_that_fails_leaves_nothing_behind(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(connection: object) -> None:
        migrate(connection)
        raise StoreError("the power went")

    migrate = database._migrate
    monkeypatch.setattr(database, "_migrate", broken)
    assert refusal(f"sqlite:///{sqlite_path}") == "the power went"
    monkeypatch.undo()
    with sqlite3.connect(sqlite_path) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    Store.open(f"sqlite:///{sqlite_path}").close()


def test_a_store_that_stays_locked_is_reported(sqlite_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    store = Store.open(f"sqlite:///{sqlite_path}")
    other = sqlite3.connect(sqlite_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program has locked it"), store.write():
        pass
    other.execute("ROLLBACK")
    other.close()
    add(store)
    store.close()


def test_each_write_transaction_moves_the_change_counter_and_a_failed_one_does_not(store: Store) -> None:
    before = change_counter(store)
    add(store)
    assert change_counter(store) == before + 1
    with pytest.raises(ZeroDivisionError), store.write():
        raise ZeroDivisionError
    assert change_counter(store) == before + 1


def test_the_migrations_are_part_of_the_package() -> None:
    versions = Path(database.__file__).parent / "migrations" / "versions"
    assert all(re.fullmatch(r"\d{4}_\w+\.py", path.name) for path in versions.glob("*.py"))
    assert list(versions.glob("0001_*.py"))
