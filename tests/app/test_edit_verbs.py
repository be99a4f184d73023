"""`reeltop tag`, `rename`, `note`, `pin`, `restore`: what people say about runs, from the command line."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app import cli
from engine.store.database import Store
from engine.store.queries import list_runs, run_row
from engine.store.runs import create_runs, transition
from engine.store.views import NewRun, Status

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Two runs that were cancelled."""
    monkeypatch.chdir(tmp_path)
    for variable in ("REELTOP_STORE", "REELTOP_WORKSPACE"):
        monkeypatch.delenv(variable, raising=False)
    store = Store.open(f"sqlite:///{tmp_path / 'experiments.db'}")
    for run_id in create_runs(store, [NewRun("finetune", name, {}, "0", {}, 1) for name in ("one", "two")]):
        transition(store, run_id, from_={Status.QUEUED}, to=Status.CANCELLED)
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


def manifest(tmp_path: Path, run_id: int) -> dict[str, object]:
    [path] = (tmp_path / "runs").glob(f"{run_id}-*/run.json")
    return dict(json.loads(path.read_text()))


def test_tags_are_given_and_taken_whatever_letters_they_have(
    reeltop: Call, store: Store, tmp_path: Path
) -> None:
    # Every letter of `-hot` and `-json` could be taken for an option.
    assert reeltop("tag", "one", "+best", "hot", "json")[:2] == (
        0,
        "run 1 one is tagged  tags: best hot json\n",
    )
    assert reeltop("tag", "one", "-hot", "-json", "+new")[:2] == (0, "run 1 one is tagged  tags: best new\n")
    assert manifest(tmp_path, 1)["tags"] == ["best", "new"]
    code, out, _ = reeltop("tag", "1", "-best", "--json")
    assert (code, json.loads(out)["tags"]) == (0, ["new"])


def test_a_run_is_renamed_and_found_under_its_new_name(reeltop: Call, store: Store, tmp_path: Path) -> None:
    assert reeltop("rename", "one", "winner")[:2] == (0, "run 1 winner is renamed\n")
    assert reeltop("show", "winner")[0] == 0
    assert reeltop("show", "one")[0] == 2
    assert manifest(tmp_path, 1)["name"] == "winner"


def test_notes_come_from_an_argument_or_from_standard_input(
    reeltop: Call, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reeltop("note", "one", "a plan")[0] == 0
    assert run_row(store, 1).notes == "a plan"
    monkeypatch.setattr("sys.stdin", io.StringIO("first\nsecond\n"))
    assert reeltop("note", "one", "-")[0] == 0
    assert run_row(store, 1).notes == "first\nsecond"
    assert reeltop("note", "one", "")[0] == 0
    assert run_row(store, 1).notes == ""


def test_pins_are_set_found_and_taken_away(reeltop: Call, store: Store) -> None:
    assert reeltop("pin", "two")[1] == "run 2 two is pinned\n"
    assert [run.id for run in list_runs(store, "pinned=true").runs] == [2]
    assert reeltop("pin", "two", "--off")[1] == "run 2 two is no longer pinned\n"
    assert list_runs(store, "pinned=true").matching == 0


def test_what_rm_took_away_restore_brings_back(reeltop: Call, store: Store, tmp_path: Path) -> None:
    assert reeltop("rm", "two")[0] == 0
    assert manifest(tmp_path, 2)["deleted_at"] is not None
    assert reeltop("restore", "two")[:2] == (0, "run 2 two is restored\n")
    assert list_runs(store).total == 2
    assert manifest(tmp_path, 2)["deleted_at"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tag", "one", "+"), "write +best to give a tag, -old to take one away"),
        (("tag", "one", "+two words"), "a tag is one word"),
        (("tag", "one", "+a", "-a"), "both given and taken away"),
        (("tag", "nobody", "+a"), "no run nobody"),
        (("rename", "one", "17"), "no number"),
        (("rename", "one", ""), "a name has 1 to 200 characters"),
        (("note", "one", "x" * 100_001), "100,000 at most"),
        (("restore", "one"), "no deleted run one"),
        (("restore", "1"), "run 1 (one) is not deleted"),
    ],
)
def test_mistakes_are_one_line(reeltop: Call, arguments: tuple[str, ...], said: str) -> None:
    code, out, told = reeltop(*arguments)
    assert (code, out) == (2, "")
    assert said in told
    assert len(told.strip().splitlines()) == 1
