"""Filters, settings and what the interface remembers: any text is an answer or one line, in time."""

from pathlib import Path

import pytest
from trying import named, try_inputs

from benchmarks.hostile.text_kinds import TEXT_KINDS
from engine.errors import FilterError
from engine.store.filters import parse


@pytest.mark.parametrize("kind", ["filters and sort columns", "settings files", "memory files"])
def test_any_text_is_taken_or_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    try_inputs(named(TEXT_KINDS, kind), tmp_path, 60)


@pytest.mark.parametrize("text", ["x" * 20_000, " ".join(["id>0"] * 1000), "=" * 500, "x" * 500])
def test_a_filter_that_no_store_could_answer_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert len(str(caught.value)) < 300
