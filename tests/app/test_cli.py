"""The command line: exit codes, JSON, and one clear line for every mistake of a person."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from app import cli
from app.verbs.run import wait_for
from engine.store.database import Store
from engine.store.runs import create_runs, transition
from engine.store.views import NewInput, NewRun, Status
from engine.workspace import Workspace

CONFIG = "stage: extract\nname: features\nmodel: {vision: models/clip}\n"


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that a mistake ends in."""
        assert self.code == 2, (self.out, self.err)
        assert self.out == ""
        assert "Traceback" not in self.err
        (line,) = self.err.strip().splitlines()
        return line


Reeltop = Callable[..., Result]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REELTOP_STORE", raising=False)
    monkeypatch.delenv("REELTOP_WORKSPACE", raising=False)
    (tmp_path / "data" / "sample" / "annotations").mkdir(parents=True)
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def reeltop(workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Reeltop:
    def call(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["reeltop", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return Result(int(ended.value.code or 0), printed.out, printed.err)

    return call


def new_run(name: str, **changes: object) -> NewRun:
    settings: dict[str, object] = {
        "stage": "finetune",
        "name": name,
        "config": {},
        "config_hash": "0",
        "params": {},
        "seed": 1,
    }
    return NewRun(**settings | changes)


@pytest.fixture
def store(workspace: Path) -> Store:
    return Store.open(f"sqlite:///{workspace / 'experiments.db'}")


def test_init_makes_a_workspace_that_lists_no_runs_and_changes_nothing_twice(
    workspace: Path, reeltop: Reeltop
) -> None:
    made = reeltop("init", "work", "--json")
    assert json.loads(made.out)["workspace"] == str(workspace / "work")
    config = workspace / "work" / "configs" / "sample" / "finetune.yaml"
    config.write_text("# mine\n")
    assert reeltop("init", "work").code == 0
    assert config.read_text() == "# mine\n"
    assert (workspace / "work" / "experiments.db").is_file()
    listed = reeltop("--workspace", "work", "ls", "--json")
    assert (listed.code, json.loads(listed.out)) == (0, [])


def test_ls_json_has_the_stores_column_names(store: Store, reeltop: Reeltop) -> None:
    create_runs(store, [new_run("one"), new_run("two", stage="extract")])
    runs = json.loads(reeltop("ls", "--json", "--sort", "id").out)
    assert [run["name"] for run in runs] == ["one", "two"]
    expected = {
        "id",
        "name",
        "stage",
        "status",
        "f1_mean",
        "created",
        "started",
        "ended",
        "waiting_for",
        "progress",
    }
    assert expected <= set(runs[0])
    assert [run["id"] for run in json.loads(reeltop("ls", "stage=extract", "--json").out)] == [2]


def test_show_json_has_the_parts_of_a_run(store: Store, reeltop: Reeltop) -> None:
    create_runs(store, [new_run("one", config={"seed": 1})])
    shown = json.loads(reeltop("show", "one", "--json").out)
    expected = {"config", "evaluations", "checkpoints", "artifacts", "inputs", "metrics", "status"}
    assert expected <= set(shown)
    assert shown["config"] == {"seed": 1}


def test_a_name_with_markup_is_shown_as_it_is_and_escapes_are_made_visible(
    store: Store, reeltop: Reeltop
) -> None:
    create_runs(store, [new_run("[bold red]x[/]"), new_run("evil\x1b[2J\x1b]0;title\x07")])
    for verb in (["ls"], ["show", "2"]):
        out = reeltop(*verb).out
        assert "\x1b" not in out
        assert "\x07" not in out
        assert "evil␛[2J" in out
    assert "[bold red]x[/]" in reeltop("ls").out


def test_a_run_name_with_control_characters_is_refused(reeltop: Reeltop) -> None:
    assert "control character U+001B" in reeltop("run", "config.yaml", "--name", "a\x1b[31m").error


def test_a_wrong_filter_points_at_the_place(store: Store, reeltop: Reeltop) -> None:
    create_runs(store, [new_run("one")])
    result = reeltop("ls", "stage=finetune", "zzz=3")
    assert result.code == 2
    line, shown, pointer = result.err.rstrip().split("\n")
    assert "zzz" in line
    assert shown[pointer.index("^") :].startswith("zzz")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "7"], "no run 7"),
        (["show", "@best"], "@best"),
        (["logs", "nobody"], "nobody"),
        (["run", "absent.yaml"], "absent.yaml: no such file"),
        (["run", "config.yaml", "--set", "batch_frame=3"], "did you mean batch_frames?"),
        (["--workspace", "absent", "ls"], "not a folder"),
        (["check", "absent"], "absent"),
        (["score", "absent.csv", "absent.csv"], "absent.csv"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(reeltop: Reeltop, arguments: list[str], told: str) -> None:
    assert told in reeltop(*arguments).error


def test_wrong_usage_exits_with_2(reeltop: Reeltop) -> None:
    assert reeltop("runn").code == 2
    assert reeltop("ls", "--limit", "many").code == 2


def test_stop_on_a_finished_run_says_that_it_is_over(store: Store, reeltop: Reeltop) -> None:
    (run_id,) = create_runs(store, [new_run("done")])
    for before, after in ((Status.QUEUED, Status.STARTING), (Status.STARTING, Status.FINISHED)):
        assert transition(store, run_id, from_={before}, to=after)
    assert "already finished" in reeltop("stop", "done").error
    assert reeltop("resume", "done").code == 2


def test_waiting_ends_when_what_is_left_waits_for_a_crashed_run(
    workspace: Path, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("engine.supervisor.client.ensure_supervisor", lambda _workspace: None)
    needing = new_run("second", inputs=(NewInput("features", 0, in_batch=True),))
    last = new_run("third", inputs=(NewInput("model", 1, in_batch=True),))
    ids = create_runs(store, [new_run("first"), needing, last])
    for before, after in ((Status.QUEUED, Status.STARTING), (Status.STARTING, Status.CRASHED)):
        assert transition(store, ids[0], from_={before}, to=after)
    assert wait_for(Workspace.open(workspace), ids, as_json=True) == 1
    assert "the rest cannot go on: run 2 second" in capsys.readouterr().err


def test_a_workspace_in_which_nothing_can_be_written_is_one_line(
    workspace: Path, reeltop: Reeltop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.supervisor.client.ensure_supervisor", lambda _workspace: None)
    (workspace / "runs").write_text("a file where a folder belongs")
    assert "runs" in reeltop("run", "config.yaml").error


def test_a_store_that_is_none_is_told(workspace: Path, reeltop: Reeltop) -> None:
    (workspace / "experiments.db").write_text("this is not a database at all, only some text" * 40)
    assert "not a SQLite database" in reeltop("ls").error


def test_a_store_from_a_newer_version_is_told(workspace: Path, store: Store, reeltop: Reeltop) -> None:
    store.close()
    with sqlite3.connect(workspace / "experiments.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "newer reeltop" in reeltop("ls").error


def test_without_a_terminal_the_interface_says_so(workspace: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr


def test_the_command_line_and_the_interface_never_load_torch(workspace: Path) -> None:
    script = (
        "import sys, app.tui.app, app.cli\n"
        "sys.argv = ['reeltop', 'ls']\n"
        "try:\n    app.cli.main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'transformers', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    environment = os.environ | {"REELTOP_WORKSPACE": str(workspace)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"
