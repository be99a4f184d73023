"""What a person sees of hostile input: one line and exit code 2, pictures of characters on screens."""

import json
import resource
import subprocess
import sys
import time
import unicodedata
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from textual.app import App
from textual.widgets import TabbedContent

from app.tui.app import ReeltopApp
from app.verbs.logs import _seek_last_lines, _shown
from benchmarks.hostile import archives, words
from engine.format import printable
from engine.store.database import Store
from engine.store.queries import run_row
from engine.store.runs import create_runs, transition
from engine.store.views import NewRun, Status
from engine.workspace import Workspace

MEMORY = 2 << 30
NAMES = [word for word in words.NASTY_WORDS if word.strip() and len(word) < 100]


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def reeltop(folder: Path, *arguments: str) -> SimpleNamespace:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=folder,
        env={
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONIOENCODING": "ascii",
            "OMP_NUM_THREADS": "1",
        },
        preexec_fn=limited,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert not any(
        unicodedata.category(char) in ("Cc", "Cf") for char in (done.stdout + done.stderr).replace("\n", "")
    )
    return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr)


def test_a_mistake_of_each_kind_is_one_line_within_two_gibibytes(tmp_path: Path) -> None:
    (tmp_path / "\x1b[31mbomb.yaml").write_text(words.bomb(12, 10))
    (tmp_path / "endless.csv").write_bytes(b"x" * (1 << 20))
    (tmp_path / "good.csv").write_text("1,0312\n")
    data = tmp_path / "data\udcff"
    (data / "annotations").mkdir(parents=True)
    (data / "annotations" / "labeled.json").write_text(json.dumps([{"id": "abc", "title": "\x1b[2J\ud800"}]))
    (data / "zip_frames" / "labeled" / "abc").mkdir(parents=True)
    (data / "zip_frames" / "labeled" / "abc" / "abc.zip").write_bytes(
        archives.zipped([("\x1b[31m.jpg", b"no")])
    )
    for arguments in (
        ["run", "\x1b[31mbomb.yaml", "--dry-run"],
        ["score", "endless.csv", "good.csv"],
        ["score", "\x1b[31mmissing.csv", "good.csv"],
        ["check", "data\udcff", "--json"],
    ):
        done = reeltop(tmp_path, *arguments)
        assert done.code == 2, (arguments, done.out, done.err)
        assert len(done.err.splitlines()) == 1
        assert done.err.startswith("error: ")
    assert not any(path.name.startswith("executed") for path in tmp_path.rglob("*"))


@pytest.mark.parametrize("word", words.NASTY_WORDS)
def test_nothing_that_a_terminal_obeys_is_left_in_what_is_shown(word: str) -> None:
    for shown in (printable(word), _shown(word.encode("utf-8", "surrogatepass")).rstrip("\n")):
        assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in shown)


def test_the_last_lines_are_found_behind_a_line_of_many_megabytes() -> None:
    file = BytesIO(b"a\n" + b"x" * (64 << 20) + b"\nb\nc")
    begin = time.monotonic()
    _seek_last_lines(file, 2)
    assert file.read() == b"b\nc"
    _seek_last_lines(file, 3)
    assert file.tell() == 2
    assert time.monotonic() - begin < 5


async def test_names_and_logs_that_would_write_over_the_screen_are_shown_on_it(tmp_path: Path) -> None:
    workspace = Workspace.open(str(tmp_path))
    store = Store.open(workspace.store_url)
    made = [
        NewRun(
            "finetune", f"run {name}", {"stage": name}, "h", {"a": name}, 1, tags=(name.strip(),), notes=name
        )
        for name in NAMES
    ]
    ids = create_runs(store, made)
    for run_id in ids:
        folder = workspace.root / run_row(store, run_id).directory
        folder.mkdir(parents=True)
        text = "\n".join(["x" * (1 << 20), *NAMES, "end"])
        (folder / "log.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
        transition(store, run_id, from_={Status.QUEUED}, to=Status.CANCELLED)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 60)) as pilot:
        await until(pilot, lambda: app.opened)
        await pilot.press("2")
        await until(pilot, lambda: "␛[31mred" in screen_text(app))
        assert_shown_not_obeyed(app)
        await pilot.press("enter")
        await until(pilot, lambda: bool(app.screen.query(TabbedContent)))
        tabs = app.screen.query_one(TabbedContent)
        for _ in range(8):
            assert_shown_not_obeyed(app)
            if tabs.active == "log":
                break
            before = tabs.active
            await pilot.press("]")
            await until(pilot, lambda before=before: tabs.active != before)
        await until(pilot, lambda: "[link=file:///etc]x[/link]" in screen_text(app))
        assert_shown_not_obeyed(app)
    store.close()


async def until(pilot: object, holds: object) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, screen_text(pilot.app)
        await pilot.pause(0.02)


def assert_shown_not_obeyed(app: App[None]) -> None:
    for char in screen_text(app):
        assert unicodedata.category(char) not in ("Cc", "Cf", "Cs"), repr(char)


def screen_text(app: App[None]) -> str:
    """All that is on the screen, without line ends."""
    lines = app.screen._compositor.render_strips()
    return "".join(strip.text for strip in lines)
