"""Runs that differ in their fold alone are one model, in whatever order they come."""

from typing import Any

import pytest

from engine.folds import model_of, name_together, together

CONFIG: dict[str, Any] = {
    "stage": "finetune",
    "name": "a",
    "seed": 1,
    "gpus": 1,
    "data": {"root": "data/x", "fold": 0, "folds": 5, "workers": 4},
    "training": {"lr": 0.1},
}


def changed(**values: Any) -> dict[str, Any]:
    return (
        CONFIG
        | {key: value for key, value in values.items() if key != "data"}
        | ({"data": CONFIG["data"] | values["data"]} if "data" in values else {})
    )


@pytest.mark.parametrize(
    "same",
    [
        {"name": "b"},
        {"tags": ["x"]},
        {"notes": "n"},
        {"experiment": "e"},
        {"gpus": 0},
        {"data": {"fold": 3}},
        {"data": {"workers": 0}},
    ],
)
def test_what_is_no_other_model(same: dict[str, Any]) -> None:
    assert model_of(changed(**same), {}) == model_of(CONFIG, {})


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 2},
        {"data": {"folds": 3}},
        {"data": {"fold": "full"}},
        {"training": {"lr": 0.2}},
        {"stage": "s"},
    ],
)
def test_what_is_another_model(other: dict[str, Any]) -> None:
    assert model_of(changed(**other), {}) != model_of(CONFIG, {})
    assert model_of(CONFIG, {"init": "one"}) != model_of(CONFIG, {"init": "other"})


@pytest.mark.parametrize(
    ("models", "folds", "groups"),
    [
        ("aaa", [0, 1, 2], [[0, 1, 2]]),
        ("abab", [0, 0, 1, 1], [[0, 2], [1, 3]]),
        ("aaaa", [0, 0, 1, 1], [[0, 2], [1, 3]]),
        ("aa", ["full", "full"], [[0], [1]]),
        ("aa", [None, None], [[0], [1]]),
        ("", [], []),
    ],
)
def test_runs_come_together_by_model(models: str, folds: list[Any], groups: list[list[int]]) -> None:
    assert together(models, folds) == groups


@pytest.mark.parametrize(
    ("names", "called"),
    [
        (["svm-fold0", "svm-fold1"], "svm"),
        (["model-1-fold0", "model-1-fold3"], "model-1"),
        (["model-1", "model-1"], "model-1"),
        (["a_fold_1-large", "a_fold_2-large"], "a-large"),
        (["alone-fold0"], "alone-fold0"),
        (["first", "other"], "first"),
        (["fold0", "fold1"], "fold0"),
    ],
)
def test_folds_are_called_by_what_their_names_share(names: list[str], called: str) -> None:
    assert name_together(names) == called
