"""`reeltop export`: every value of every run, in formats that other programs read."""

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import parquet

from app import cli
from engine.records import Evaluation, LevelScores, Metrics
from engine.store.database import Store
from engine.store.edits import set_notes, tag_runs
from engine.store.ingest import ingest
from engine.store.runs import create_runs
from engine.store.views import NewRun

Call = Callable[..., tuple[int, str, str]]


def new_run(name: str, **params: object) -> NewRun:
    return NewRun("finetune", name, {}, "0", dict(params), 1)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Two runs: one with scores, metrics, a note and tags, one with a name that is hard to write."""
    monkeypatch.chdir(tmp_path)
    for variable in ("REELTOP_STORE", "REELTOP_WORKSPACE"):
        monkeypatch.delenv(variable, raising=False)
    store = Store.open(f"sqlite:///{tmp_path / 'experiments.db'}")
    create_runs(
        store, [new_run("model", **{"training.lr": 5e-5, "model.kind": "two"}), new_run('a|b,"c"\n=1+1')]
    )
    levels = [LevelScores(level=1, f1_micro=0.8, f1_macro=0.7, accuracy=0.75)]
    ingest(
        store,
        1,
        [
            Metrics(time=1.0, step=0, values={"train/loss": 2.5}),
            Metrics(time=2.0, step=1, values={"train/loss": float("nan")}),
            Metrics(time=3.0, step=2, values={"train/loss": 1.5}),
            Evaluation(
                time=3.0,
                step=2,
                epoch=1,
                split="val",
                fold=0,
                loss=1.0,
                f1_mean=0.7,
                levels=levels,
                classes=[],
            ),
        ],
        old_offset=0,
        new_offset=1,
    )
    tag_runs(store, [1], add=["best", "paper"])
    set_notes(store, [1], "first | line\nsecond")
    return store


@pytest.fixture
def reeltop(store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["reeltop", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


def test_csv_has_all_columns_of_all_runs_and_is_read_back_as_it_was(reeltop: Call) -> None:
    code, out, _ = reeltop("export", "--sort", "id")
    assert code == 0
    one, two = csv.DictReader(io.StringIO(out))
    assert (one["name"], one["f1_mean"], one["l1_micro"], one["tag"]) == ("model", "0.7", "0.8", "best paper")
    assert (one["training.lr"], one["model.kind"]) == ("5e-05", "two")
    assert (one["train/loss.last"], one["train/loss.min"], one["train/loss.max"]) == ("1.5", "1.5", "2.5")
    assert one["notes"] == "first | line\nsecond"
    assert one["created"].endswith("Z")
    assert two["name"] == 'a|b,"c"\n=1+1'
    assert (two["f1_mean"], two["training.lr"], two["train/loss.min"]) == ("", "", "")


def test_json_is_strict_and_has_numbers(reeltop: Call, tmp_path: Path) -> None:
    code, out, told = reeltop("export", "f1_mean>0.5", "--out", "runs.json")
    assert (code, out) == (0, "")
    assert "1 run, " in told
    [row] = json.loads((tmp_path / "runs.json").read_text())
    assert (row["id"], row["f1_mean"], row["pinned"], row["ended"]) == (1, 0.7, False, None)


def test_markdown_keeps_its_cells_whatever_is_in_them(reeltop: Call) -> None:
    _, out, _ = reeltop("export", "--format", "md", "--columns", "id,name,notes", "--sort", "id")
    assert out.splitlines() == [
        "| id | name | notes |",
        "| --- | --- | --- |",
        "| 1 | model | first \\| line␊second |",
        '| 2 | a\\|b,"c"␊=1+1 |  |',
    ]


def test_a_column_that_no_run_has_is_told_and_nothing_is_written(reeltop: Call) -> None:
    code, _, err = reeltop("export", "--out", "odd.csv", "--columns", "id,nmae")
    assert code == 2
    assert err == "error: columns: no run has `nmae`: did you mean `name`?\n"
    assert not Path("odd.csv").exists()


def test_no_runs_are_a_head_alone(reeltop: Call) -> None:
    assert reeltop("export", "name=none", "--columns", "id,name")[1] == "id,name\n"
    assert json.loads(reeltop("export", "name=none", "--format", "json")[1]) == []


def test_parquet_keeps_kinds(reeltop: Call, tmp_path: Path) -> None:
    assert reeltop("export", "--sort", "id", "--out", "runs.parquet")[0] == 0
    rows = parquet.read_table(tmp_path / "runs.parquet").to_pylist()
    assert (rows[0]["id"], rows[0]["f1_mean"], rows[1]["f1_mean"]) == (1, 0.7, None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "xls"), "`xls` is no format: csv, json, md, parquet"),
        (("--out", "a.xls"), "`.xls` is no format"),
        (("--out", "nowhere/a.csv"), "name a file in a folder that exists"),
        (
            ("--out", "experiments.db", "--format", "csv"),
            "is there already: name another, or replace it with --force",
        ),
        (("--format", "parquet"), "Parquet is no text: name a file"),
        (("nmae=x",), "did you mean `name`?"),
        (("--sort", "nothing"), "sort: no run has `nothing`"),
    ],
)
def test_mistakes_are_told_and_write_nothing(
    reeltop: Call, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    before = sorted(path.name for path in tmp_path.iterdir() if "experiments" not in path.name)
    code, _, told = reeltop("export", *arguments)
    assert code == 2
    assert said in told
    assert "Traceback" not in told
    assert sorted(path.name for path in tmp_path.iterdir() if "experiments" not in path.name) == before


def test_force_replaces_a_file(reeltop: Call, tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("old")
    assert reeltop("export", "--out", "runs.csv", "--force", "--columns", "id")[0] == 0
    assert (tmp_path / "runs.csv").read_text() == "id\n2\n1\n"
