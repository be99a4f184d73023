"""Several values in a field: what is one value, what are several, and what cannot be multiplied out."""

import pytest

from engine.config.fields import FieldSpec, fields_of
from engine.config.stages import STAGES
from engine.config.sweep import cells, hint, matrix_of, suffix, values_of
from engine.errors import ConfigError

FINETUNE = {spec.key: spec for spec in fields_of(STAGES["finetune"])}
ENSEMBLE = {spec.key: spec for spec in fields_of(STAGES["ensemble"])}


def swept(key: str, text: str) -> tuple[str, ...]:
    return values_of(FINETUNE[key], text)


@pytest.mark.parametrize(
    ("key", "text", "values"),
    [
        ("training.lr.text", "5e-5", ("5e-5",)),
        ("training.lr.text", "3e-5, 5e-5", ("3e-5", "5e-5")),
        ("training.lr.text", "[3e-5, 5e-5]", ("3e-5", "5e-5")),
        ("training.lr.text", "3e-5, 3e-5", ("3e-5",)),
        ("training.lr.text", "3e-5,", ("3e-5",)),
        ("training.lr.text", "log 1e-5..1e-3 x3", ("1e-05", "0.0001", "0.001")),
        ("training.lr.text", "1e-5..3e-5 x3", ("1e-05", "2e-05", "3e-05")),
        ("training.warmup", "0..0.2 step 0.1", ("0", "0.1", "0.2")),
        ("training.warmup", "0.2..0 step 0.1", ("0.2", "0.1", "0")),
        ("training.epochs", "1..5", ("1", "2", "3", "4", "5")),
        ("training.epochs", "2..9 step 3", ("2", "5", "8")),
        ("training.epochs", "1..10 x4", ("1", "4", "7", "10")),
        ("training.epochs", "log 1..100 x3", ("1", "10", "100")),
        ("data.fold", "0..2, full", ("0", "1", "2", "full")),
        ("training.ema", "none, 0.999", ("", "0.999")),
        ("training.ema", "none", ("",)),
        ("training.adversarial.kind", "none, fgm", ("none", "fgm")),
        ("training.compile", "true, false", ("true", "false")),
        ("model.text", "models/a", ("models/a",)),
        ("model.text", "models/a, b", ("models/a, b",)),
        ("model.text", "[models/a, models/b]", ("models/a", "models/b")),
        ("inputs.init", "[pretrain@last, null]", ("pretrain@last", "")),
        ("model.freeze", "text, frames", ("text, frames",)),
        ("model.freeze", "[[text], [text, frames]]", ("[text]", "[text, frames]")),
        ("name", "[a, b]", ("[a, b]",)),
        ("notes", "1..5", ("1..5",)),
        ("seed", "1..3", ("1", "2", "3")),
        ("training.epochs", "", ("",)),
        ("training.epochs", "three", ("three",)),
    ],
)
def test_what_a_text_stands_for(key: str, text: str, values: tuple[str, ...]) -> None:
    assert swept(key, text) == values


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("training.warmup", "0..1", "how many"),
        ("training.lr.text", "log 1e-5..1e-3", "count"),
        ("training.lr.text", "log 0..1 x3", "above 0"),
        ("training.lr.text", "1e-5..x", "not a range"),
        ("training.epochs", "1..", "not a range"),
        ("training.epochs", "1..5000", "more than 1000"),
        ("training.epochs", "1..4 step 0.5", "whole step"),
        ("training.epochs", "1..4 step 0", "above 0"),
        ("training.epochs", "1..4 x1", "x2"),
        ("training.lr.text", "1e999..1 x2", "finite"),
    ],
)
def test_a_range_that_says_too_little_or_too_much_is_refused_with_the_fix(
    key: str, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        swept(key, text)


@pytest.mark.parametrize("key", ["training.epochs", "training.lr.text", "model.text"])
def test_the_hint_is_a_way_to_write_several_values(key: str) -> None:
    examples = hint(FINETUNE[key]).removeprefix("several: ").split(" or ")
    assert examples
    for example in examples:
        assert len(swept(key, example)) > 1
    assert hint(FINETUNE["name"]) == hint(FINETUNE["model.freeze"]) == ""


def test_members_of_an_ensemble_are_one_list_unless_they_are_lists() -> None:
    spec = ENSEMBLE["inputs.members"]
    assert values_of(spec, "a, b") == ("a, b",)
    assert values_of(spec, "[[a, b], [c]]") == ("[a, b]", "[c]")


def test_a_matrix_has_the_fields_with_several_values_and_says_what_is_wrong_with_others() -> None:
    specs: tuple[FieldSpec, ...] = fields_of(STAGES["finetune"])
    matrix, errors = matrix_of(
        specs, {"training.epochs": "1, 2", "data.fold": "0..1", "seed": "5", "training.warmup": "0..1"}
    )
    assert matrix == {"data.fold": ("0", "1"), "training.epochs": ("1", "2")}
    assert list(errors) == ["training.warmup"]
    made = list(cells(matrix))
    assert len(made) == 4
    assert [suffix(cell) for cell in made] == [
        "-fold0-epochs1",
        "-fold0-epochs2",
        "-fold1-epochs1",
        "-fold1-epochs2",
    ]
    assert list(cells({})) == [{}]


def test_a_suffix_makes_no_reference_and_no_list_of_a_name() -> None:
    assert suffix({"inputs.init": "pretrain@last"}) == "-initpretrain-last"
    assert suffix({"model.freeze": "[text, frames]"}) == "-freezetext+frames"
