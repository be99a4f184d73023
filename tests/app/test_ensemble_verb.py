"""`reeltop ensemble` over real runs: what it prints, what it writes, and one line for every mistake."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from app import cli
from engine.data.sample import make_sample


@dataclass
class Result:
    code: int
    out: str
    err: str


Reeltop = Callable[..., Result]
PIPELINE = """
name: lines
runs:
  svm: {config: baseline.yaml, matrix: {data.fold: [0, 1]}}
  regression: {config: baseline.yaml, matrix: {data.fold: [0, 1]}, set: {model.kind: logistic_regression}}
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("ensembles")
    make_sample(root / "data" / "sample", videos=60, classes=6, seed=3)
    yield root
    for process in psutil.process_iter(["cmdline"]):
        if str(root) in " ".join(process.info["cmdline"] or ()):
            process.terminate()


@pytest.fixture(scope="module")
def reeltop(workspace: Path) -> Iterator[Reeltop]:
    """The command in this process, with two baselines of two folds each finished."""

    def call(*arguments: str) -> Result:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "argv", ["reeltop", "--workspace", str(workspace), *arguments])
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            cli.main()
        return Result(int(ended.value.code or 0), out.getvalue(), err.getvalue())

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("REELTOP_STORE", raising=False)
        monkeypatch.setenv("REELTOP_CPU_SLOTS", "2")
        (workspace / "baseline.yaml").write_text("stage: baseline\ndata: {root: data/sample, folds: 2}\n")
        (workspace / "lines.yaml").write_text(PIPELINE)
        done = call("run", str(workspace / "lines.yaml"), "--wait", "--json")
        assert done.code == 0, done.err
        yield call


def loaded(done: Result) -> Any:
    assert done.code == 0, done.err
    return json.loads(done.out)


FOLDS = ("svm-fold0", "svm-fold1", "regression-fold0", "regression-fold1")


def test_folds_are_weighed_as_one_member_and_the_report_is_json(workspace: Path, reeltop: Reeltop) -> None:
    made = loaded(reeltop("ensemble", *FOLDS, "--weights", "1,0.25", "--name", "both", "--json"))
    assert (made["name"], made["status"]) == ("both", "finished")
    assert [(len(one["runs"]), one["weight"]) for one in made["ensemble"]["members"]] == [(2, 1.0), (2, 0.25)]
    assert [one["name"] for one in made["ensemble"]["members"]] == ["svm", "regression"]
    assert made["ensemble"]["videos"] == 60
    assert made["f1_mean"] == pytest.approx(made["ensemble"]["ensemble"]["f1_mean"])
    assert (workspace / made["submission"]).is_file()


def test_people_see_every_member_and_how_sure_the_gain_is(reeltop: Reeltop) -> None:
    done = reeltop("ensemble", "svm-fold0", "regression-fold0")
    assert done.code == 0, done.err
    for shown in ("svm-fold0", "regression-fold0", "selection noise", "95% interval", "submission.csv"):
        assert shown in done.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((*FOLDS, "--weights", "1,1,1,1"), "4 weights for 2 members (svm, regression; the folds"),
        (("svm-fold0", "--weights", "much"), "write auto, equal, bagged, greedy, coordinate, or numbers"),
        (("svm-fold0", "--weights", "-1"), "each must be 0 to 1000"),
        (("svm-fold0", "--weights", "nan"), "each must be 0 to 1000"),
        (("svm-fold0", "--weights", "0"), "one of them above 0"),
        (("nothing",), "nothing"),
        (("svm-fold0@first",), "after the @ comes best, last or epoch-N"),
    ],
)
def test_mistakes_are_one_line_and_queue_nothing(
    reeltop: Reeltop, arguments: tuple[str, ...], told: str
) -> None:
    before = loaded(reeltop("ls", "--json"))
    done = reeltop("ensemble", *arguments)
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.strip().splitlines()
    assert told in line
    assert loaded(reeltop("ls", "--json")) == before


def test_runs_of_different_folds_alone_fail_with_the_reason(reeltop: Reeltop) -> None:
    done = reeltop("ensemble", "svm-fold0", "regression-fold1")
    assert done.code == 1
    assert "no video is in the validation folds of all members" in done.err


def test_where_nothing_can_be_estimated_it_says_so(workspace: Path, reeltop: Reeltop) -> None:
    loaded(
        reeltop(
            "run",
            str(workspace / "baseline.yaml"),
            "--set",
            "data.fold=full",
            "--name",
            "all",
            "--wait",
            "--json",
        )
    )
    done = reeltop("ensemble", "all", "svm-fold0", "--weights", "equal")
    assert done.code == 0, done.err
    assert "no estimate: a member has no validation predictions" in done.out
    assert "submission.csv" in done.out
