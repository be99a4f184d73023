"""The store's engine: opening, migrating and the transactions; whatever is true of SQLite alone is here."""

import os
import sqlite3
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, select, text, update
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from engine.errors import StoreError
from engine.store.models import StoreState

HEAD_REVISION = "0002"
BUSY_SECONDS = 10
_MIGRATION_LOCK = 0x7265656C  # any number that is ours alone
_MIGRATIONS = Path(__file__).parent / "migrations"
_SQLITE_PREFIX = "sqlite:///"
_SQLITE_MAGIC = b"SQLite format 3\0"
_CAUSES = (
    (
        ("database is locked", "database table is locked"),
        f"another program has locked it for {BUSY_SECONDS} s: close that program, then try again",
    ),
    (("disk is full", "no space left"), "the disk is full: free some space, then try again"),
    (
        ("readonly database", "read-only"),
        "it cannot be written: make it writable, or name another with --store",
    ),
    (
        ("file is not a database", "file is encrypted"),
        "it is not a SQLite database: move it away, or name another with --store",
    ),
    (
        ("disk i/o error",),
        "its disk is full or fails: see that it has free space and is sound, then try again",
    ),
    (
        ("malformed",),
        "it is damaged: move it away and make it again with `reeltop rebuild`",
    ),
    (
        ("unable to open database file",),
        "it cannot be opened: make its folder writable, or name another with --store",
    ),
)


class Store:
    """An open store. Safe to use from several threads; each `read` or `write` is one transaction."""

    def __init__(self, url: str, engine: Engine) -> None:
        self.url = url
        self._reader = engine
        if engine.dialect.name == "postgresql":
            self._reader = engine.execution_options(
                isolation_level="REPEATABLE READ"
            )  # as SQLite reads anyway
        self._writer = engine.execution_options(reeltop_writes=True)
        self._notes: tuple[int, dict[Hashable, Any]] = (-1, {})

    @classmethod
    def open(cls, url: str) -> "Store":
        """The store at `url`, made and migrated where needed.

        Raises:
            StoreError: not a store, from a newer reeltop, not writable, locked, or no driver for it.
        """
        target = _target(url)
        if target.get_backend_name() == "sqlite" and target.database not in (None, "", ":memory:"):
            _check_file(Path(str(target.database)))
        try:
            engine = create_engine(target, pool_pre_ping=target.get_backend_name() != "sqlite")
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise StoreError(
                f"store {shown_url(url)}: {_first_line(error)}: install its driver, or name a file with --store"
            ) from error
        if engine.dialect.name == "sqlite":
            _configure_sqlite(engine)
        store = cls(url, engine)
        try:
            store._prepare()
        except BaseException:
            engine.dispose()
            raise
        return store

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the store; nothing written in it is kept."""
        with self._mended(), Session(self._reader, autoflush=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session in a write transaction: the only one at a time, counted, committed unless the block raises."""
        with self._mended(), Session(self._writer) as session, session.begin():
            session.connection().execute(_COUNT_CHANGE)
            yield session

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """As `read`, without the ORM: for queries where its overhead shows."""
        with self._mended(), self._reader.connect() as connection:
            yield connection

    def notebook(self, connection: Connection) -> dict[Hashable, Any]:
        """Where to keep answers about the whole store: a new one after each write, shared by threads until then."""
        changes = connection.execute(CHANGES).scalar_one()
        notes = self._notes
        if notes[0] != changes:
            notes = self._notes = (changes, {})
        return notes[1]

    def keep_ids_after(self, session: Session, table: str) -> None:
        """Make the next id of `table` greater than those given by hand; SQLite does so by itself."""
        if self._reader.dialect.name == "postgresql":
            highest = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"  # noqa: S608
            session.execute(text(highest))

    def close(self) -> None:
        """Give back every connection; the store may be used again and then opens new ones."""
        self._reader.dispose()

    @contextmanager
    def _mended(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, sqlite3.Error) as error:  # the driver's own come from a connection being made
            cause = _cause(error)
            if cause is None:
                raise
            raise StoreError(f"store {shown_url(self.url)}: {cause}") from error

    def _prepare(self) -> None:
        with self._mended():
            if self._reader.dialect.name == "sqlite":
                _enter_wal(self._reader)
            with self._reader.connect() as connection:
                if self._is_current(connection):
                    return
            with self._writer.connect() as connection, connection.begin():
                # Another process may have made or migrated the store while this one waited for the lock.
                if connection.dialect.name == "postgresql":
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
                if not self._is_current(connection):
                    _migrate(connection)

    def _is_current(self, connection: Connection) -> bool:
        tables = set(inspect(connection).get_table_names())
        if not tables:
            return False
        if "store_state" not in tables or "alembic_version" not in tables:
            raise StoreError(
                f"store {shown_url(self.url)} is a database of some other program: name another with --store"
            )
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if revision == HEAD_REVISION:
            return True
        known = {path.name.split("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py")}
        if revision not in known:
            raise StoreError(
                f"store {shown_url(self.url)} is from a newer reeltop (schema {revision}, this one knows up to "
                f"{HEAD_REVISION}): upgrade reeltop, or name another store with --store"
            )
        return False


_COUNT_CHANGE = update(StoreState).values(changes=StoreState.changes + 1)
CHANGES = select(StoreState.changes)


def _target(url: str) -> URL:
    if url.startswith(_SQLITE_PREFIX):
        # Taken whole: a folder may be called `a?b`.
        return URL.create("sqlite", database=url.removeprefix(_SQLITE_PREFIX) or None)
    try:
        return make_url(url)
    except ArgumentError as error:
        raise StoreError(
            f"store {url!r} is not a database URL: write sqlite:///PATH or postgresql://HOST/NAME"
        ) from error


def shown_url(url: str) -> str:
    """The store as messages name it: a file's path, a server's URL without its password."""
    if url.startswith(_SQLITE_PREFIX):
        return url.removeprefix(_SQLITE_PREFIX) or ":memory:"
    return _target(url).render_as_string(hide_password=True)


def _first_line(error: BaseException) -> str:
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _cause(error: DBAPIError | sqlite3.Error) -> str | None:
    line = _first_line(error)
    for signs, cause in _CAUSES:
        if any(sign in line.lower() for sign in signs):
            return cause
    served = isinstance(error, OperationalError) and not isinstance(error.orig, sqlite3.Error)
    return f"{line}: is the server up?" if served else None


def _check_file(path: Path) -> None:
    advice = "name another with --store"
    if path.is_dir():
        raise StoreError(f"store {path} is a folder: {advice}")
    if not path.parent.is_dir():
        raise StoreError(f"store {path}: there is no folder {path.parent}: make it, or {advice}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise StoreError(f"store {path}: its folder cannot be written: make it writable, or {advice}")
    if not path.exists():
        return
    if not os.access(path, os.R_OK | os.W_OK):
        raise StoreError(f"store {path} cannot be read and written: make it so, or {advice}")
    with path.open("rb") as file:
        head = file.read(len(_SQLITE_MAGIC))
    if head and head != _SQLITE_MAGIC:
        raise StoreError(f"store {path} is not a SQLite database: move it away, or {advice}")


def _configure_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver's own BEGIN comes too late and is never IMMEDIATE
        for pragma in (
            f"busy_timeout = {BUSY_SECONDS * 1000}",
            "foreign_keys = ON",
            "synchronous = NORMAL",
            "temp_store = MEMORY",  # no file outside the workspace
            "cache_size = -16384",
            "journal_size_limit = 67108864",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("reeltop_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _enter_wal(engine: Engine) -> None:
    """Write-ahead logging is kept in the file; turning it on needs the file alone and does not wait by itself."""
    deadline = time.monotonic() + BUSY_SECONDS
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        while cursor.execute("PRAGMA journal_mode").fetchone()[0] not in ("wal", "memory"):
            try:
                if cursor.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                    return  # some file systems cannot: the store works, with readers waiting for writers
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
    finally:
        connection.close()


def _migrate(connection: Connection) -> None:
    from alembic import command  # a fifth of a second that only a new or an old store pays
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "head")
