"""From a key to the screen in a real terminal: thousands of runs listed, four of them logging, and one very long.

    python -m benchmarks.tui [--runs 10000] [--keys 40] [--points 1000000] [--seconds 20]

The interface runs on a pseudo-terminal of 160x45. A key's time ends when what it changes has been written: the letter
in the filter, the name of the row that the cursor moved to, a word of the screen that it opened. Start-up and the age
of values on the screen have benchmarks of their own, tui_start and screen, which `--all` runs too.
"""

import argparse
import asyncio
import fcntl
import os
import pty
import re
import select
import signal
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

import psutil

from benchmarks import load, screen, tui_start
from engine.records import Metrics
from engine.store.database import Store
from engine.store.ingest import ingest
from engine.store.queries import list_runs, live_runs
from engine.store.runs import create_runs, transition
from engine.store.views import NewRun, Status
from engine.workspace import Workspace

SIZE = (160, 45)
BRAILLE = re.compile(rb"\xe2[\xa0-\xa3][\x80-\xbf]")
STARTED = re.compile(rb"machine|by created")  # the mode that was used last
LONG = "a-very-long-run"
KEYS = ("train/loss", "train/lr", "train/grad_norm")
_LIMIT_SECONDS = 30.0


class Terminal:
    """The interface on a pseudo-terminal."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        code = tui_start._REELTOP
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, [sys.executable, "-c", code, str(folder)], environment)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))

    def press(self, keys: bytes, until: bytes | re.Pattern[bytes]) -> float:
        """Seconds from writing the keys until something that matches is written."""
        wanted = until if isinstance(until, re.Pattern) else re.compile(re.escape(until))
        self.settle(0.0)
        begun = time.perf_counter()
        os.write(self.fd, keys)
        seen = b""
        while not wanted.search(seen):
            if not select.select([self.fd], [], [], _LIMIT_SECONDS)[0]:
                raise SystemExit(f"no {until!r} after {keys!r}; the end of what was written: {seen[-400:]!r}")
            seen += os.read(self.fd, 1 << 20)
            if time.perf_counter() - begun > _LIMIT_SECONDS:
                raise SystemExit(f"no {until!r} after {keys!r} in {_LIMIT_SECONDS} s")
        return time.perf_counter() - begun

    def settle(self, seconds: float) -> None:
        """Take what is written for a while."""
        end = time.perf_counter() + seconds
        while select.select([self.fd], [], [], max(0.0, end - time.perf_counter()))[0]:
            os.read(self.fd, 1 << 20)
            if seconds and time.perf_counter() > end:
                return

    def cpu_share(self, seconds: float) -> float:
        """Share of one core that the interface takes while it is only watched."""
        process = psutil.Process(self.pid)
        before, begun = process.cpu_times(), time.perf_counter()
        self.settle(seconds)
        after = process.cpu_times()
        used = after.user + after.system - before.user - before.system
        return float(used / (time.perf_counter() - begun))

    def close(self) -> None:
        """End the interface."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def add_long_run(store: Store, points: int) -> None:
    """A finished run with `points` points in each of its series."""
    (run_id,) = create_runs(store, [NewRun("finetune", LONG, {"stage": "finetune"}, "1" * 64, {}, 1)])
    transition(store, run_id, from_={Status.QUEUED}, to=Status.STARTING)
    begun, batch = time.time() - points / 10, 10_000
    for start in range(0, points, batch):
        records = [
            Metrics(
                time=begun + step / 10, step=step, values=dict.fromkeys(KEYS, 1 + step % 977 / (1 + step))
            )
            for step in range(start, min(points, start + batch))
        ]
        ingest(store, run_id, records, old_offset=start, new_offset=start + batch)
    transition(store, run_id, from_={Status.STARTING}, to=Status.FINISHED)


def reading_all(file: Path) -> float:
    """Seconds that sqlite3 takes to read all points of the long run's first series."""
    with sqlite3.connect(file) as connection:
        query = (
            "select p.* from metric_point p join metric m on m.id = p.metric_id join run r on r.id = m.run_id"
        )
        begun = time.perf_counter()
        found = connection.execute(f"{query} where r.name = ? and m.key = ?", (LONG, KEYS[0])).fetchall()
        seconds = time.perf_counter() - begun
    print(f"reading all {len(found):,} points of a series with sqlite3      {seconds * 1000:8.0f} ms")
    return seconds


def told(what: str, seconds: list[float]) -> None:
    """One line of the table, in milliseconds."""
    ordered = sorted(seconds)
    median, late = statistics.median(ordered), ordered[int(0.95 * (len(ordered) - 1))]
    print(
        f"{what:52} median {median * 1000:6.0f}, 95% {late * 1000:6.0f}, most {ordered[-1] * 1000:6.0f} ms",
        flush=True,
    )


def keys_to_paint(folder: Path, store: Store, keys: int, watched: float) -> None:
    """Press keys and look; the runs that log are alive."""
    terminal = Terminal(folder)
    try:
        terminal.press(b"", STARTED)
        terminal.settle(3.0)
        print(f"the Monitor's share of a core while it is watched      {terminal.cpu_share(watched):8.1%}")
        modes = [(b"2", b"by created"), (b"1", b"machine")]
        told(
            "a mode's key",
            [terminal.press(*modes[turn % 2]) for turn in range(keys // 2) if not terminal.settle(0.3)],
        )
        terminal.press(b"2", b"by created")
        terminal.settle(2.0)
        names = [run.name.encode() for run in list_runs(store, limit=keys + 1).runs]
        moved = []
        for name in names[1 : min(keys, 36)]:
            moved.append(terminal.press(b"j", name))
            terminal.settle(0.15)
        told("the cursor in the table of runs", moved)
        terminal.press(b"/", b"filter")
        typed = []
        for count in range(1, 9):
            typed.append(terminal.press(b"z", b"z" * count))
            terminal.settle(0.3)
        told("a letter in the filter", typed)
    finally:
        terminal.close()


def first_chart(folder: Path) -> list[float]:
    """From the key that opens the charts of the long run to their first points."""
    found = []
    for _ in range(5):
        terminal = Terminal(folder)
        try:
            terminal.press(b"", STARTED)
            terminal.settle(1.0)
            terminal.press(b"12", b"by created")
            terminal.settle(1.0)
            terminal.press(b"\r", b"Overview")
            terminal.settle(1.5)
            terminal.press(b"]", b"Config")
            terminal.settle(1.0)
            found.append(terminal.press(b"]", BRAILLE))
        finally:
            terminal.close()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10_000, help="finished runs in the store")
    parser.add_argument("--keys", type=int, default=40, help="presses of each kind")
    parser.add_argument("--points", type=int, default=1_000_000, help="points of each series of the long run")
    parser.add_argument("--seconds", type=float, default=20, help="how long the Monitor is only watched")
    parser.add_argument("--all", action="store_true", help="start-up and the age of values on the screen too")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).parent.parent)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tui_start.fill(folder, options.runs)
        workspace = Workspace.open(folder)
        store = Store.open(workspace.store_url)
        new = [NewRun("load", f"load-{n}", {"stage": "load"}, "0", {}, 1, priority=9) for n in range(4)]
        create_runs(store, new)
        lasts = options.seconds + options.keys * 3 + 60
        environment = os.environ | {"REELTOP_LOAD": f"{lasts} 50", "REELTOP_CPU_SLOTS": "4"}
        supervisor = subprocess.Popen(
            [*load.COMMAND, "--serve", name], env=environment, stderr=subprocess.DEVNULL
        )
        try:
            while len(live_runs(store)) < 4:
                time.sleep(0.2)  # until other processes have started
            print(f"{options.runs:,} runs in the store, 4 of them logging 50 points/s of 5 values")
            keys_to_paint(folder, store, options.keys, options.seconds)
        finally:
            for run in live_runs(store):
                if run.pid is not None:
                    os.kill(run.pid, signal.SIGKILL)
            supervisor.kill()
            supervisor.wait()
        add_long_run(store, options.points)
        told(f"first chart of series of {options.points:,} points", first_chart(folder))
        reading_all(folder / "experiments.db")
        store.close()
    if options.all:
        for name, value in asyncio.run(screen.measure(options.seconds, 4, 50)).items():
            print(f"{name:28} {value:8.3f}")
        sys.argv = sys.argv[:1]
        tui_start.main()


if __name__ == "__main__":
    main()
