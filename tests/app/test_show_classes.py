"""`reeltop show RUN --classes`: every class with its scores and name, and what is taken for what, at every level."""

import json
import math
import sys
from datetime import datetime
from pathlib import Path

import pytest

from app import cli
from engine.class_report import best_evaluation
from engine.records import Artifact, ClassScores, Evaluation, LevelScores
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.runs import create_runs
from engine.store.views import EvaluationRow, NewRun

NAMES = {"20": "旅行", "2003": "hotels", "2007": "home\x1b[31mstays"}
CONFUSION = {
    "1": [["20", "20", 190], ["20", "11", 21], ["11", "11", 9]],
    "2": [["2003", "2007", 28], ["2003", "2003", 30], ["2007", "2003", 40], ["2007", "1104", 3]],
}


@pytest.fixture
def run_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """A run with two evaluations, of which the second is the best, and its validation predictions."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REELTOP_STORE", raising=False)
    monkeypatch.delenv("REELTOP_WORKSPACE", raising=False)
    store = Store.open(f"sqlite:///{tmp_path / 'experiments.db'}")
    (run,) = create_runs(store, [NewRun("finetune", "model-1", {}, "0", {}, 1)])
    folder = tmp_path / "runs" / f"{run}-model-1" / "artifacts" / "validation"
    folder.mkdir(parents=True)
    (folder / "taxonomy.json").write_text(json.dumps({"names": NAMES}))
    (folder / "confusion.json").write_text(json.dumps(CONFUSION))
    ingest(
        store,
        run,
        [
            _evaluation(1, 0.4, recall=0.1),
            _evaluation(2, 0.7, recall=0.5),
            _evaluation(3, 0.6, recall=0.2),
            Artifact(time=1.0, kind="validation", path="artifacts/validation", bytes=1, sha256="0", meta={}),
        ],
        old_offset=0,
        new_offset=1,
    )
    store.close()
    return run


def _evaluation(epoch: int, f1_mean: float, recall: float) -> Evaluation:
    classes = [
        ClassScores(level=level, category=code, precision=0.5, recall=recall, f1=f1, support=support)
        for level, code, f1, support in (
            (1, "20", 0.9, 211),
            (1, "11", 0.8, 9),
            (2, "2003", 0.55, 58),
            (2, "2007", 0.42, 43),
        )
    ]
    levels = [LevelScores(level=1, f1_micro=0.9, f1_macro=0.85, accuracy=0.9)]
    return Evaluation(
        time=1.0, step=epoch * 100, epoch=epoch, split="val", fold=0, loss=1.0, f1_mean=f1_mean, levels=levels,
        classes=classes,
    )  # fmt: skip


def _reeltop(*arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", ["reeltop", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    return capsys.readouterr().out


def test_classes_are_listed_worst_first_with_their_mistakes(
    run_id: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = _reeltop("show", "model-1", "--classes", monkeypatch=monkeypatch, capsys=capsys)
    assert "val epoch 2  f1_mean 0.7000" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["20", "旅行", "0.5", "0.5", "0.9", "211", "106"] in rows
    assert ["2003", "hotels", "0.5", "0.5", "0.55", "58", "29"] in rows
    assert out.index("2007 ") < out.index("2003 ")
    assert "20 旅行 taken for 11: 21  10.0% of the class" in out
    mistakes = out[out.index("level 2, most frequent mistakes") :].splitlines()
    assert mistakes[1].startswith("  2007 home␛[31mstays taken for 2003 hotels: 40")
    assert mistakes[2].startswith("  2003 hotels taken for 2007")
    assert "\x1b" not in out


def test_json_has_the_classes_beside_the_rest(
    run_id: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = _reeltop("show", "model-1", "--classes", "--json", monkeypatch=monkeypatch, capsys=capsys)
    data = json.loads(out)
    report = data["class_report"]
    assert data["name"] == "model-1"
    assert report["evaluation"]["epoch"] == 2
    worst = next(line for line in report["classes"] if line["level"] == 2)
    assert (worst["category"], worst["f1"], worst["support"]) == ("2007", 0.42, 43)
    assert worst["mistakes"][0] == {"category": "2003", "name": "hotels", "count": 40}
    assert "class_report" not in json.loads(
        _reeltop("show", "model-1", "--json", monkeypatch=monkeypatch, capsys=capsys)
    )


def test_a_run_without_confusions_still_shows_its_classes_and_says_why(
    run_id: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "runs" / f"{run_id}-model-1" / "artifacts" / "validation" / "confusion.json"
    broken.write_text("{")
    out = _reeltop("show", "model-1", "--classes", monkeypatch=monkeypatch, capsys=capsys)
    assert "2007" in out
    assert "confusions cannot be read" in out.splitlines()[-1]


def test_a_run_without_evaluations_says_so(
    run_id: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'experiments.db'}")
    create_runs(store, [NewRun("extract", "features", {}, "0", {}, 1)])
    store.close()
    out = _reeltop("show", "features", "--classes", monkeypatch=monkeypatch, capsys=capsys)
    assert "no classes: no evaluation yet" in out


def test_a_pass_without_a_score_is_never_the_best() -> None:
    def row(number: int, f1_mean: float, split: str = "val") -> EvaluationRow:
        return EvaluationRow(number, datetime(2026, 1, 1), number, number, split, 0, None, f1_mean, ())

    unknown = row(1, math.nan)
    assert best_evaluation([unknown, row(2, 0.3), row(3, 0.5), row(4, 0.5), row(5, 0.9, "test")]) == row(
        3, 0.5
    )
    assert best_evaluation([row(2, 0.3), unknown]) == row(2, 0.3)
    assert best_evaluation([row(1, 0.2, "test")]) == row(1, 0.2, "test")
    assert best_evaluation([unknown]) is None
