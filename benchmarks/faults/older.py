"""Stores as older programs left them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text

from engine.store import database

MIGRATIONS = str(Path(database.__file__).parent / "migrations")


@contextmanager
def older_schema(path: Path, revision: str) -> Iterator[Connection]:
    """A connection to a new SQLite store of an earlier revision; what is written in the block is committed after it."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        connection.execute(text("PRAGMA journal_mode = WAL"))
        connection.commit()
        with connection.begin():
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", MIGRATIONS)
            config.set_main_option("path_separator", "os")
            command.upgrade(config, revision)
            yield connection
    engine.dispose()
