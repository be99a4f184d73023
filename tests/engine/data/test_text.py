"""Tokens: made once, joined and cut exactly as the method says."""

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from engine.data.annotations import load_annotations
from engine.data.text import TokenTable, cut_longest, load_tokens


@pytest.fixture(scope="module")
def tokenizer(tiny_models: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_models / "bert")


@pytest.fixture
def tokens_of(
    write_split: Callable[..., Path], tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> Callable[..., TokenTable]:
    def tokens_of(*records: dict[str, object]) -> TokenTable:
        path = write_split([{"id": str(number), **record} for number, record in enumerate(records)])
        return load_tokens(load_annotations(path, tmp_path / "cache"), tokenizer, tmp_path / "cache")

    return tokens_of


def cut_one_by_one(lengths: tuple[int, ...], budget: int) -> tuple[int, ...]:
    """ENGINE.md's words as a loop: remove from the currently longest until it fits."""
    left = list(lengths)
    while sum(left) > budget:
        longest = max(range(len(left)), key=lambda place: (left[place], place))
        left[longest] -= 1
    return tuple(left)


@given(st.tuples(*[st.integers(0, 9)] * 3), st.integers(0, 30))
@settings(max_examples=500)
def test_cutting_equals_removing_one_at_a_time_from_the_longest(
    lengths: tuple[int, int, int], budget: int
) -> None:
    assert cut_longest(lengths, budget) == cut_one_by_one(lengths, budget)


def test_a_sequence_is_cls_title_sep_ocr_sep_asr_sep(
    tokens_of: Callable[..., TokenTable], tokenizer: PreTrainedTokenizerBase
) -> None:
    table = tokens_of({"title": "视频", "ocr": [{"time": 0, "text": "生活"}], "asr": "今天"})
    sequence = table.sequence(0, 256)
    assert sequence.dtype == np.int64
    assert tokenizer.convert_ids_to_tokens(sequence) == (
        ["[CLS]", "视", "频", "[SEP]", "生", "活", "[SEP]", "今", "天", "[SEP]"]
    )


def test_nothing_to_say_is_four_special_tokens(
    tokens_of: Callable[..., TokenTable], tokenizer: PreTrainedTokenizerBase
) -> None:
    table = tokens_of({})
    assert tokenizer.convert_ids_to_tokens(table.sequence(0, 256)) == ["[CLS]", "[SEP]", "[SEP]", "[SEP]"]
    assert list(table.lengths(256)) == [4]


@pytest.mark.parametrize("max_tokens", [4, 5, 6, 9, 16, 40, 256])
def test_lengths_are_those_of_the_sequences(tokens_of: Callable[..., TokenTable], max_tokens: int) -> None:
    table = tokens_of(
        {"title": "视" * 30, "asr": "生" * 3},
        {"title": "视", "ocr": [{"time": 0, "text": "活" * 20}], "asr": "今" * 19},
        {"title": "视" * 700, "asr": "今" * 700, "ocr": [{"time": 0, "text": "活" * 700}]},
        {},
    )
    lengths = table.lengths(max_tokens)
    for row in range(len(table)):
        sequence = table.sequence(row, max_tokens)
        assert len(sequence) == lengths[row] <= max_tokens
        assert (sequence == table.sep).sum() == 3
        assert sequence[-1] == table.sep


def test_too_little_room_for_the_special_tokens_is_refused(tokens_of: Callable[..., TokenTable]) -> None:
    with pytest.raises(ValueError, match="special tokens"):
        tokens_of({"title": "视"}).sequence(0, 3)


def test_special_tokens_spelt_out_in_a_text_are_text(tokens_of: Callable[..., TokenTable]) -> None:
    table = tokens_of({"title": "[SEP] [CLS] [MASK] [PAD]"})
    sequence = table.sequence(0, 256)
    assert (sequence == table.sep).sum() == 3
    assert (sequence == table.cls).sum() == 1


def test_long_texts_raise_no_warning_and_are_capped(
    tokens_of: Callable[..., TokenTable], caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    with caplog.at_level(logging.WARNING):
        table = tokens_of({"title": "视" * 100_000})
    assert list(table.segment_lengths()[0]) == [512, 0, 0]
    assert not caplog.records
    assert not [warning for warning in recwarn if "length" in str(warning.message)]


def test_the_second_load_tokenises_nothing(
    write_split: Callable[..., Path],
    tmp_path: Path,
    tokenizer: PreTrainedTokenizerBase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = load_annotations(write_split([{"id": "a", "title": "视频"}]), tmp_path / "cache")
    first = load_tokens(table, tokenizer, tmp_path / "cache")
    monkeypatch.setattr("engine.data.text._build", lambda *_: pytest.fail("tokenised again"))
    second = load_tokens(table, tokenizer, tmp_path / "cache")
    np.testing.assert_array_equal(first.sequence(0, 64), second.sequence(0, 64))


def test_using_the_tokenizer_elsewhere_does_not_change_the_key(
    write_split: Callable[..., Path], tmp_path: Path, tiny_models: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_models / "bert")
    table = load_annotations(write_split([{"id": "a", "title": "视频"}]), tmp_path / "cache")
    load_tokens(table, tokenizer, tmp_path / "cache")
    tokenizer(["视频"], padding="max_length", truncation=True, max_length=8)
    load_tokens(table, tokenizer, tmp_path / "cache")
    assert len(list((tmp_path / "cache" / "tokens").iterdir())) == 1


def test_another_vocabulary_has_a_cache_of_its_own(
    write_split: Callable[..., Path], tmp_path: Path, tiny_models: Path
) -> None:
    table = load_annotations(write_split([{"id": "a", "title": "视频"}]), tmp_path / "cache")
    first = AutoTokenizer.from_pretrained(tiny_models / "bert")
    second = AutoTokenizer.from_pretrained(tiny_models / "bert")
    second.add_tokens(["视频"])
    one = load_tokens(table, first, tmp_path / "cache").sequence(0, 64)
    other = load_tokens(table, second, tmp_path / "cache").sequence(0, 64)
    assert len(one) == len(other) + 1


def test_processes_started_after_tokenising_print_no_warning(
    write_split: Callable[..., Path], tmp_path: Path, tiny_models: Path
) -> None:
    path = write_split([{"id": str(number), "title": "视频生活" * 5} for number in range(200)])
    program = f"""
import multiprocessing
from pathlib import Path
from transformers import AutoTokenizer
from engine.data.annotations import load_annotations
from engine.data.text import load_tokens
tokenizer = AutoTokenizer.from_pretrained({str(tiny_models / "bert")!r})
cache = Path({str(tmp_path / "cache")!r})
tokens = load_tokens(load_annotations(Path({str(path)!r}), cache), tokenizer, cache)
def read(results):
    results.put(len(tokens.sequence(7, 64)))
context = multiprocessing.get_context("fork")
results = context.Queue()
worker = context.Process(target=read, args=(results,))
worker.start()
print(results.get(timeout=60))
worker.join()
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert done.stdout.strip() == "24"
    assert "fork" not in done.stderr
