"""`reeltop hold`, `release` and `priority`: what is said, what is refused, what the manifest keeps."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app import cli
from engine.store.database import Store
from engine.store.queries import run_row
from engine.store.runs import create_runs, transition
from engine.store.views import NewRun, Status
from engine.workspace import Workspace

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REELTOP_STORE", raising=False)
    monkeypatch.delenv("REELTOP_WORKSPACE", raising=False)
    monkeypatch.setattr("engine.supervisor.client.ensure_supervisor", lambda _workspace: None)
    return Store.open(Workspace.open(tmp_path).store_url)


@pytest.fixture
def reeltop(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["reeltop", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


def queued(store: Store, name: str) -> int:
    return create_runs(store, [NewRun("extract", name, {}, "hash", {}, 1)])[0]


def manifest(tmp_path: Path, run_id: int, name: str) -> dict[str, object]:
    return dict(json.loads((tmp_path / f"runs/{run_id}-{name}/run.json").read_text()))


def test_hold_and_release_change_the_run_and_its_manifest(
    store: Store, reeltop: Call, tmp_path: Path
) -> None:
    run_id = queued(store, "features")
    assert reeltop("hold", "features") == (
        0,
        f"run {run_id} features is held: `reeltop release` lets it start\n",
        "",
    )
    assert run_row(store, run_id).held
    assert manifest(tmp_path, run_id, "features")["held"] is True
    code, out, _ = reeltop("release", str(run_id), "--json")
    assert (code, json.loads(out)["held"]) == (0, False)
    assert manifest(tmp_path, run_id, "features")["held"] is False
    assert reeltop("release", "features")[0] == 2


def test_priority_takes_negative_numbers_and_refuses_others(
    store: Store, reeltop: Call, tmp_path: Path
) -> None:
    run_id = queued(store, "features")
    assert reeltop("priority", "features", "-5")[1] == f"run {run_id} features has priority -5\n"
    assert run_row(store, run_id).priority == -5
    assert manifest(tmp_path, run_id, "features")["priority"] == -5
    code, _, error = reeltop("priority", "features", "5000")
    assert (code, error) == (2, "error: priority 5000 is out of range: give one from -1000 to 1000\n")
    assert reeltop("priority", "features", "high")[0] == 2


def test_a_run_that_is_not_queued_is_told_in_one_line(store: Store, reeltop: Call) -> None:
    run_id = queued(store, "features")
    transition(store, run_id, from_={Status.QUEUED}, to=Status.STARTING)
    for verb in (("hold",), ("release",), ("priority",)):
        arguments = (*verb, "features", *(("3",) if verb == ("priority",) else ()))
        code, _, error = reeltop(*arguments)
        assert code == 2
        assert f"run {run_id} (features) is starting: only a queued run can be" in error
        assert len(error.splitlines()) == 1


def test_stopping_a_queued_run_says_that_it_leaves_the_queue(reeltop: Call, store: Store) -> None:
    run_id = queued(store, "features")
    assert reeltop("stop", "features") == (0, f"run {run_id} features leaves the queue\n", "")
