"""Columns on disk and the folders they are built in."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.columns import Ragged, RaggedWriter, building


@given(st.lists(st.lists(st.integers(-9, 9), max_size=5), max_size=30))
def test_rows_of_any_length_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[int]]
) -> None:
    folder = tmp_path_factory.mktemp("columns")
    with RaggedWriter(folder, "c", np.int32) as writer:
        for row in rows:
            writer.append(np.array(row, np.int32).tobytes())
    column = Ragged(folder, "c", np.int32)
    assert [list(column[row]) for row in range(len(column))] == rows
    assert list(column.lengths()) == [len(row) for row in rows]
    again = pickle.loads(pickle.dumps(column))
    assert [list(again[row]) for row in range(len(again))] == rows


def test_a_row_outside_is_an_index_error(tmp_path: Path) -> None:
    with RaggedWriter(tmp_path, "c", np.uint8) as writer:
        writer.append("é".encode())
    column = Ragged(tmp_path, "c", np.uint8)
    assert column.text(0) == "é"
    for row in (-1, 1):
        with pytest.raises(IndexError):
            column[row]


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with building(tmp_path / "cache") as partial:
            (partial / "file").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not list(tmp_path.iterdir())


def test_the_first_of_two_builders_wins_and_the_other_is_content(tmp_path: Path) -> None:
    with building(tmp_path / "cache") as slow:
        with building(tmp_path / "cache") as quick:
            (quick / "file").write_text("quick")
        (slow / "file").write_text("slow")
    assert (tmp_path / "cache" / "file").read_text() == "quick"
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_what_a_killed_builder_left_goes_after_a_day(tmp_path: Path) -> None:
    for name in (".partial-old", ".partial-new"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / ".partial-old", (0, 0))
    with building(tmp_path / "cache"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"cache", ".partial-new"}
