"""`reeltop compare`: a table for people, JSON for programs, one line for every mistake."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app import cli
from engine.records import ClassScores, Environment, Evaluation, LevelScores
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.runs import create_runs, delete_run, transition
from engine.store.views import NewRun, Status
from engine.workspace import Workspace

Reeltop = Callable[..., tuple[int, str, str]]


def _evaluation(f1_mean: float, hotels: float) -> Evaluation:
    return Evaluation(
        time=1e9, step=10, epoch=1, split="val", fold=0, loss=1.0, f1_mean=f1_mean,
        levels=[LevelScores(level=1, f1_micro=f1_mean, f1_macro=f1_mean, accuracy=f1_mean)],
        classes=[ClassScores(level=1, category=code, precision=f1, recall=f1, f1=f1, support=9)
                 for code, f1 in (("03", hotels), ("11", 0.5))],
    )  # fmt: skip


def _finish(store: Store, run_id: int, f1_mean: float, hotels: float, python: str) -> None:
    transition(store, run_id, from_={Status.QUEUED}, to=Status.STARTING)
    transition(store, run_id, from_={Status.STARTING}, to=Status.RUNNING)
    records = [Environment(time=1e9, values={"python": python}), _evaluation(f1_mean, hotels)]
    ingest(store, run_id, records, old_offset=0, new_offset=1)
    transition(store, run_id, from_={Status.RUNNING}, to=Status.FINISHED)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """model-1 and model-2 with scores, two runs named twin, one of them without anything, and a deleted one."""
    space = Workspace.open(tmp_path)
    store = Store.open(space.store_url)
    names = ("model-1", "model-2", "twin", "twin", "gone")
    runs = [
        NewRun("finetune", name, {"name": name, "training": {"ema": ema, "epochs": 5}, "data": {"root": "data"}},
               "0" * 64, {}, 802)
        for name, ema in zip(names, (0.999, 0.9999, None, None, None), strict=True)
    ]  # fmt: skip
    ids = create_runs(store, runs)
    assert ids == [1, 2, 3, 4, 5]
    _finish(store, 1, 0.70, 0.40, "3.11")
    _finish(store, 2, 0.72, 0.52, "3.12")
    for run_id in (3, 4, 5):
        transition(store, run_id, from_={Status.QUEUED}, to=Status.CANCELLED)
    delete_run(store, 5)
    store.close()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "categories.json").write_text('{"03": "hotels", "11": "yoga"}', encoding="utf-8")
    return tmp_path


@pytest.fixture
def reeltop(workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Reeltop:
    """The command in this process."""
    monkeypatch.delenv("REELTOP_STORE", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["reeltop", "--workspace", str(workspace), *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


def compared(done: tuple[int, str, str]) -> Any:
    code, out, err = done
    assert code == 0, err
    return json.loads(out)


def test_people_see_scores_settings_classes_and_environment(reeltop: Reeltop) -> None:
    code, out, err = reeltop("compare", "model-1", "2")
    assert code == 0, err
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "1 model-1 finetune finished base" in lines
    assert "f1_mean 0.7000 0.7200 ▲ best" in lines
    assert "training.ema 0.999 0.9999" in lines
    assert "python 3.11 3.12" in lines
    assert "03 hotels 0.4000 0.5200 +0.1200 9" in lines
    assert "classes: 2 model-2 against 1 model-1: 1 gain, 0 lose, 1 the same" in lines
    assert not any(line.startswith(("training.epochs", "11 yoga")) for line in lines)
    code, out, err = reeltop("compare", "model-1", "2", "--all")
    assert "training.epochs" in out


def test_programs_get_json_with_the_first_run_as_base(reeltop: Reeltop) -> None:
    made = compared(reeltop("compare", "@best", "1", "--json"))
    assert [run["id"] for run in made["runs"]] == [2, 1]
    assert made["base"] == 2
    assert made["config"] == [{"key": "training.ema", "values": {"1": 0.999, "2": 0.9999}, "differs": True}]
    f1 = next(row for row in made["scores"] if row["name"] == "f1_mean")
    assert f1 == {"name": "f1_mean", "values": {"1": 0.7, "2": 0.72}, "best": [2]}
    (of_one,) = made["classes"]
    assert of_one["run"] == 1
    assert of_one["changes"][0] == {
        "level": 1, "category": "03", "name": "hotels", "support": 9,
        "base_f1": 0.52, "f1": 0.4, "change": pytest.approx(-0.12),
    }  # fmt: skip
    everything = compared(reeltop("compare", "2", "1", "--all", "--json"))
    assert "training.epochs" in {fact["key"] for fact in everything["config"]}


def test_runs_without_any_scores_are_compared_by_what_they_have(reeltop: Reeltop) -> None:
    code, out, err = reeltop("compare", "1", "3")
    assert code == 0, err
    assert "note: 3 twin has no validation scores" in out
    code, out, err = reeltop("compare", "3", "4")
    assert code == 0, err
    assert "config: all 3 the same" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "two runs or more"),
        (("1",), "two runs or more"),
        (("1", "1"), "1 means run 1 twice"),
        (("model-2", "@best"), "model-2 and @best mean run 2 twice"),
        (("1", "nothing"), "no run nothing"),
        (("1", "5"), "no run 5"),
        (("1", "twin"), "2 runs are named twin"),
    ],
)
def test_mistakes_are_one_line(reeltop: Reeltop, arguments: tuple[str, ...], told: str) -> None:
    for more in ((), ("--json",)):
        code, out, err = reeltop("compare", *arguments, *more)
        assert (code, out) == (2, "")
        (line,) = err.strip().splitlines()
        assert told in line
