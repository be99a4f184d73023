"""How long the interface takes to its first paint, as a ratio to a bare Textual app's; both timed in a terminal.

Every start is a new process on a pseudo-terminal, timed from its creation until a word of its first screen arrives.
The two are started in turn, so that a busy machine slows both. `python -m benchmarks.tui_start [--rounds 15]`
"""

import argparse
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from engine.workspace import Workspace

_BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("painted")
Bare().run()
"""
_REELTOP = """
import sys
from app.tui.app import ReeltopApp
from engine.workspace import Workspace
ReeltopApp(Workspace.open(sys.argv[1]), supervise=False).run()
"""
_LIMIT_SECONDS = 30.0


def first_paint(code: str, word: bytes, *arguments: str) -> float:
    """Seconds from starting `python -c code` in a terminal of 120x40 until `word` is written."""
    return seconds_until([sys.executable, "-c", code, *arguments], word)


def seconds_until(command: Sequence[str], word: bytes) -> float:
    """Seconds from starting a command in a terminal of 120x40 until `word` is written (anything, where empty)."""
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    begun = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command[0], command, environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    seen = b""
    try:
        while not seen or word not in seen:
            ready, _, _ = select.select([terminal], [], [], _LIMIT_SECONDS)
            if not ready:
                raise SystemExit(
                    f"no {word!r} in {_LIMIT_SECONDS} s; the end of what was written: {seen[-400:]!r}"
                )
            seen += os.read(terminal, 65536)
        return time.perf_counter() - begun
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def fill(root: Path, runs: int) -> None:
    """A store of `runs` finished runs, the first hundred with a score."""
    from engine.records import Evaluation, LevelScores, State
    from engine.store.database import Store
    from engine.store.ingest import ingest
    from engine.store.runs import create_runs, transition
    from engine.store.views import NewRun, Status

    store = Store.open(Workspace.open(root).store_url)
    config = {"stage": "finetune", "training": {"epochs": 5}}
    new = [
        NewRun(
            "finetune",
            f"run-{n}",
            config,
            "0" * 64,
            {"training.lr": 10.0 ** -(n % 5), "data.fold": n % 5},
            802,
        )
        for n in range(runs)
    ]
    for place, run_id in enumerate(create_runs(store, new) if runs else []):
        transition(store, run_id, from_={Status.QUEUED}, to=Status.STARTING)
        if place < 100:
            levels = [LevelScores(level=level, f1_micro=0.8, f1_macro=0.7, accuracy=0.8) for level in (1, 2)]
            now = time.time()
            evaluation = Evaluation(time=now, step=1, split="val", f1_mean=run_id % 97 / 100, levels=levels)
            ingest(
                store, run_id, [evaluation, State(time=now, status="finished")], old_offset=0, new_offset=1
            )
        transition(store, run_id, from_={Status.STARTING}, to=Status.FINISHED)
    store.close()


def main() -> None:
    """Print one line for each store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--runs", type=int, nargs="*", default=[0, 10, 10_000])
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).parent.parent)
    for runs in arguments.runs:
        with tempfile.TemporaryDirectory() as folder:
            if runs:
                fill(Path(folder), runs)
            bare, first, whole = [], [], []
            for _ in range(arguments.rounds + 1):
                bare.append(first_paint(_BARE, b"painted"))
                first.append(first_paint(_REELTOP, b"Monitor", folder))
                whole.append(first_paint(_REELTOP, b"machine", folder))
            print(f"{runs:>6} runs: bare app {statistics.median(bare[1:]):.3f} s")
            for name, own in (("first paint", first), ("the whole Monitor", whole)):
                # The first round fills the file cache.
                ratios = [mine / theirs for mine, theirs in zip(own[1:], bare[1:], strict=True)]
                print(
                    f"        {name}: {statistics.median(own[1:]):.3f} s, ratio {statistics.median(ratios):.2f} "
                    f"({min(ratios):.2f} to {max(ratios):.2f})"
                )


if __name__ == "__main__":
    main()
