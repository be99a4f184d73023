"""A fresh store for each test: SQLite in a temporary folder, or the database that REELTOP_TEST_STORE_URL names."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine

from engine.store.database import Store


def _emptied(url: str) -> str:
    engine = create_engine(url)
    metadata = MetaData()
    metadata.reflect(engine)
    metadata.drop_all(engine)
    engine.dispose()
    return url


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """URL of a store that does not exist yet."""
    named = os.environ.get("REELTOP_TEST_STORE_URL")
    return _emptied(named) if named else f"sqlite:///{tmp_path / 'experiments.db'}"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An open, empty store."""
    opened = Store.open(store_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    """Path of a SQLite store that does not exist yet, for what concerns files."""
    return tmp_path / "experiments.db"
