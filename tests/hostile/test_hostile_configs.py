"""Config files and `--set` values that would fill the memory, never end, run code, or be no YAML at all."""

import time
from pathlib import Path

import pytest
from trying import named, try_inputs

from benchmarks.hostile import words
from benchmarks.hostile.text_kinds import TEXT_KINDS
from engine.config.document import parse_overrides
from engine.config.load import load_file
from engine.errors import ConfigError


def refusal(folder: Path, text: str) -> str:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(ConfigError) as caught:
        load_file(path)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["config files", "--set expressions"])
def test_any_config_and_any_override_is_taken_or_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    try_inputs(named(TEXT_KINDS, kind), tmp_path, 40)


@pytest.mark.parametrize("text", [words.bomb(), words.bomb(4, 300)], ids=["deep", "wide"])
def test_aliases_cannot_stand_for_more_values_than_a_machine_can_hold(tmp_path: Path, text: str) -> None:
    assert "stands for more than 100,000 values" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    "tags",
    ["[" * 100 + "]" * 100, "[" * 20_000 + "]" * 20_000, "\n  " + "- " * 150 + "x"],
    ids=["deep", "very deep", "deep dashes"],
)
def test_nesting_without_end_is_told_soon(tmp_path: Path, tags: str) -> None:
    begin = time.monotonic()
    assert "nested deeper" in refusal(tmp_path, f"stage: finetune\ntags: {tags}")
    assert time.monotonic() - begin < 15


def test_an_override_can_neither_hold_itself_nor_multiply_out() -> None:
    for value in ("&a [&b [*a, *b], *a]", "[" * 5000, "!!timestamp x", "9" * 5000, "0x" + "f" * 5000):
        with pytest.raises(ConfigError) as caught:
            parse_overrides([f"training.epochs={value}"])
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize("digits", ["9" * 5000, "0x" + "f" * 5000, "0o" + "7" * 9000])
def test_a_number_of_thousands_of_digits_is_refused(tmp_path: Path, digits: str) -> None:
    assert len(refusal(tmp_path, f"stage: finetune\nseed: {digits}")) < 500


@pytest.mark.parametrize("base", ["/dev/zero", '"a\\0b"', '"\\ud800"', "x" * 5000])
def test_extending_what_is_no_file_is_refused(tmp_path: Path, base: str) -> None:
    assert len(refusal(tmp_path, f"stage: finetune\nextends: {base}")) < 1000


def test_thousands_of_unknown_keys_are_counted_in_time(tmp_path: Path) -> None:
    begin = time.monotonic()
    text = "stage: finetune\n" + "".join(f"k{number}: 1\n" for number in range(5000))
    assert "(and 4999 more)" in refusal(tmp_path, text)
    assert time.monotonic() - begin < 20


def test_tags_that_would_call_python_are_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refusal(tmp_path, "stage: !!python/object/apply:os.system ['touch executed']")
    refusal(tmp_path, "!!python/object/new:os.system ['touch executed']")
    assert not (tmp_path / "executed").exists()
