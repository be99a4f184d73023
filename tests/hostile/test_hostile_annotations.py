"""Annotations, categories, submissions and truth files from anybody."""

import time
from pathlib import Path

import pytest
from trying import named, try_inputs

from benchmarks.hostile.text_kinds import TEXT_KINDS
from engine.data.annotation_file import read_annotations
from engine.data.submission import read_submission
from engine.errors import DataError


@pytest.mark.parametrize("kind", ["annotation files", "categories files", "submission files", "truth files"])
def test_any_file_is_read_or_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    try_inputs(named(TEXT_KINDS, kind), tmp_path, 60)


def test_the_place_of_a_number_without_end_is_found_soon(tmp_path: Path) -> None:
    path = tmp_path / "labeled.json"
    path.write_bytes(b"[\n" + b"1" * 100_000 + b"]")
    begin = time.monotonic()
    with pytest.raises(DataError, match="line 2"):
        list(read_annotations(path))
    assert time.monotonic() - begin < 10


def test_a_line_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(DataError, match="line 1 has no end"):
        read_submission(Path("/dev/zero"))
