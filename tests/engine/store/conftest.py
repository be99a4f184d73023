"""A fresh store for each test: SQLite in a temporary folder, or the database that REELTOP_TEST_STORE_URL names."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine

from engine.store.database import Store


def _empty(url: str) -> None:
    engine = create_engine(url)
    metadata = MetaData()
    metadata.reflect(engine)
    metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of an empty store: copied for each test, which is quicker than migrating."""
    path = tmp_path_factory.mktemp("empty") / "experiments.db"
    Store.open(f"sqlite:///{path}").close()
    return path.read_bytes()


@pytest.fixture
def store(tmp_path: Path, empty_sqlite: bytes) -> Iterator[Store]:
    """An open, empty store."""
    url = os.environ.get("REELTOP_TEST_STORE_URL")
    if url:
        _empty(url)
    else:
        path = tmp_path / "experiments.db"
        path.write_bytes(empty_sqlite)
        url = f"sqlite:///{path}"
    opened = Store.open(url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    """Path of a SQLite store that does not exist yet, for what concerns files."""
    return tmp_path / "experiments.db"
