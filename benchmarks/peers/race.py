"""Logging, side by side: what a call costs, when it can be read, and what eight processes lose, killed or not."""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers import reeltop, work
from benchmarks.recorder import VALUES

STORE = "reeltop, the store"
HERE = ("reeltop", "TensorBoard", "bare write")  # TensorBoard's usual writer is PyTorch's, which is here
PROCESSES = 8
_NAMES = [f"run-{number}" for number in range(PROCESSES)]
Row = tuple[str, ...]


class Crew:
    """Starts processes of `benchmarks.peers.work` in the environment that has the peer."""

    def __init__(self, peer_python: str) -> None:
        self._peer_python = peer_python

    def start(
        self, work: str, peer: str, folder: Path, answer: Path, **options: object
    ) -> "subprocess.Popen[bytes]":
        """The process, in a session of its own."""
        python = sys.executable if peer in HERE else self._peer_python
        command = [python, "-m", "benchmarks.peers.work", work, peer, str(folder), str(answer)]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        with (folder / f"{work}.log").open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def ask(self, work: str, peer: str, folder: Path, **options: object) -> object:
        """What the process answers; a failure ends the comparison with its last words."""
        answer = folder / f"{work}.json"
        if self.start(work, peer, folder, answer, **options).wait():
            raise SystemExit(f"{peer}, {work}: {(folder / f'{work}.log').read_text()[-2000:]}")
        return json.loads(answer.read_text())


@contextmanager
def _place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def calls(crew: Crew, peers: Sequence[str], number: int, rounds: int) -> list[Row]:
    """Microseconds of a call, each peer in turn in every round; medians, and times reeltop's."""
    samples: dict[str, list[dict[str, float]]] = {peer: [] for peer in peers}
    for _ in range(rounds):
        for peer in peers:
            with _place() as folder:
                crew.ask("prepare", peer, folder)
                few = number if peer in HERE or peer == "Trackio" else min(number, 1000)
                answer = crew.ask("caller", peer, folder, steps=few)
                assert isinstance(answer, dict)
                samples[peer].append(answer)
    medians = {
        peer: {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        for peer, rows in samples.items()
    }
    base = medians["reeltop"]
    return [
        (
            peer,
            *(f"{row[key]:,.1f}" for key in row),
            f"{row['back to back'] / base['back to back']:.1f}, {row['spaced'] / base['spaced']:.1f}",
        )
        for peer, row in medians.items()
    ]


def durable(crew: Crew, peers: Sequence[str], steps: int, pause: float) -> list[Row]:
    """How long after the call another process reads the values; a step every `pause` seconds."""
    rows = []
    for peer in (STORE, *peers):
        with _place() as folder:
            if peer == STORE:
                writer = reeltop.start(folder, ["run"], steps, pause)
                _wait(lambda folder=folder: (folder / "run.ready").exists())
                (folder / "go").touch()
                seen = work.watch(reeltop.read_store(folder), "run", steps)
            else:
                crew.ask("prepare", peer, folder)
                answer = folder / "watched.json"
                watcher = crew.start("watch", peer, folder, answer, steps=steps)
                writer = crew.start("flood", peer, folder, folder / "none", steps=steps, pause=pause)
                _wait(lambda folder=folder: (folder / "run.ready").exists())
                time.sleep(2)  # the watcher has imported what it needs
                (folder / "go").touch()
                watcher.wait()
                seen = {int(step): moment for step, moment in json.loads(answer.read_text()).items()}
            writer.wait()
            handed = work.acknowledged(folder, "run")
            # What comes with the first step is the opening of files.
            lags = sorted(seen[step] - handed[step] for step in seen if step)
            rows.append(
                (
                    peer,
                    f"{statistics.median(lags) * 1e3:,.1f} ms",
                    f"{lags[-1] * 1e3:,.1f} ms",
                    str(steps - len(seen)),
                )
            )
    return rows


def together(crew: Crew, peers: Sequence[str], steps: int) -> list[Row]:
    """Eight processes log as fast as they can: seconds until they have handed over, until all is read, and losses."""
    rows = []
    for peer in (STORE, *peers):
        with _place() as folder:
            writers = _start_all(crew, peer, folder, steps, 0.0)
            begin = time.monotonic()
            (folder / "go").touch()
            _wait(lambda folder=folder: all((folder / f"{name}.logged").exists() for name in _NAMES))
            handed = time.monotonic() - begin
            if peer == STORE:
                read = reeltop.read_store(folder)
                _wait(lambda read=read: _count(read()) == PROCESSES * steps, patience=30)
                wall = time.monotonic() - begin
                missing = PROCESSES * steps - _count(read())
                for writer in writers:
                    writer.wait()
            else:
                failed = [writer.wait() for writer in writers]
                wall = time.monotonic() - begin
                missing = PROCESSES * steps - _count(_read(crew, peer, folder))
                if any(failed):
                    print(f"  {peer}: {sum(map(bool, failed))} of its processes failed")
            rows.append((peer, f"{handed:.2f} s", f"{wall:.2f} s", f"{missing * len(VALUES):,}"))
    base = float(rows[0][2].split()[0])
    return [(*row, f"{float(row[2].split()[0]) / base:.1f}") for row in rows]


def killed(crew: Crew, peers: Sequence[str], *, whole_session: bool, seconds: float = 3.0) -> list[Row]:
    """Eight processes log 200 steps/s each and are killed: values lost of those whose call had returned."""
    rows = []
    for peer in (STORE, *peers):
        with _place() as folder:
            writers = _start_all(crew, peer, folder, 100_000, 0.005)
            (folder / "go").touch()
            time.sleep(seconds)
            of_store = peer == STORE
            victims = reeltop.pids(folder).values() if of_store else [writer.pid for writer in writers]
            for pid in list(victims):
                _kill(pid, whole_session=whole_session)
            if peer == STORE:
                _wait(lambda folder=folder: reeltop.all_ended(folder))
                found = reeltop.read_store(folder)()
                for writer in writers:
                    writer.wait()
            else:
                for writer in writers:
                    writer.wait()
                time.sleep(3)  # a process of the peer's own may still have something to write
                found = _read(crew, peer, folder)
            acknowledged = lost = 0
            for name in _NAMES:
                count = len(work.acknowledged(folder, name))
                acknowledged += count
                lost += len(set(range(count)) - found.get(name, set()))
            five = len(VALUES)
            rows.append((peer, f"{acknowledged * five:,}", f"{lost * five:,}", f"{lost / acknowledged:.1%}"))
    return rows


def _start_all(
    crew: Crew, peer: str, folder: Path, steps: int, pause: float
) -> list["subprocess.Popen[bytes]"]:
    if peer == STORE:
        writers = [reeltop.start(folder, _NAMES, steps, pause)]
    else:
        crew.ask("prepare", peer, folder)
        writers = [
            crew.start("flood", peer, folder, folder / "none", name=name, steps=steps, pause=pause)
            for name in _NAMES
        ]
    _wait(lambda: all((folder / f"{name}.ready").exists() for name in _NAMES), patience=120)
    return writers


def _read(crew: Crew, peer: str, folder: Path) -> dict[str, set[int]]:
    answer = crew.ask("read", peer, folder)
    assert isinstance(answer, dict)
    return {name: set(steps) for name, steps in answer.items()}


def _count(found: dict[str, set[int]]) -> int:
    return sum(len(found.get(name, ())) for name in _NAMES)


def _kill(pid: int, *, whole_session: bool) -> None:
    if whole_session:
        os.killpg(pid, signal.SIGKILL)
    else:
        os.kill(pid, signal.SIGKILL)


def _wait(holds: Callable[[], bool], patience: float = work.LIMIT_SECONDS) -> None:
    """Until it holds; whoever called counts what is missing when patience ends."""
    until = time.monotonic() + patience
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
