"""One process of `benchmarks.peers`: a writer that is timed, one of eight that log at once, or a reader."""

import argparse
import contextlib
import json
import os
import statistics
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers import logs
from benchmarks.recorder import times_back_to_back, times_spaced

LIMIT_SECONDS = 180.0
_STAMP = struct.Struct("<d")


def caller(peer: str, folder: Path, calls: int) -> dict[str, float]:
    """Microseconds of a call: median and 99th percentile, back to back and with work between."""
    log, close = logs.WRITERS[peer](folder, "run")
    for step in range(20):
        log(step)
    figures = {}
    step = 20
    for name, times in (("back to back", times_back_to_back), ("spaced", times_spaced)):
        count = calls if name == "back to back" else min(calls, 500)
        taken = times(lambda number, first=step: log(first + number), count)
        figures[name] = statistics.median(taken) * 1e6
        figures[f"{name} 99%"] = sorted(taken)[int(0.99 * (len(taken) - 1))] * 1e6
        step += count
    close()
    return figures


def flood(log: Callable[[int], None], folder: Path, name: str, steps: int, pause: float) -> None:
    """Log `steps` steps when the file `go` appears; what was acknowledged is noted at once, with its time.

    The note outlives a kill of the process: one `write` of the time before the call, made after it returned.
    """
    noted = os.open(folder / f"{name}.acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    (folder / f"{name}.ready").touch()
    while not (folder / "go").exists():
        time.sleep(0.005)
    for step in range(steps):
        begin = time.time()
        log(step)
        os.write(noted, _STAMP.pack(begin))
        if pause:
            time.sleep(pause)
    (folder / f"{name}.logged").touch()


def acknowledged(folder: Path, name: str) -> list[float]:
    """When each step that was acknowledged had been handed over."""
    data = (folder / f"{name}.acknowledged").read_bytes()
    return [moment for (moment,) in _STAMP.iter_unpack(data)]


def watch(read: Callable[[], logs.Steps], name: str, steps: int) -> dict[int, float]:
    """When each step of a run could first be read, looked for without pause."""
    seen: dict[int, float] = {}
    until = time.monotonic() + LIMIT_SECONDS
    while len(seen) < steps and time.monotonic() < until:
        found = read().get(name, set())
        now = time.time()
        for step in found:
            seen.setdefault(step, now)
        time.sleep(0.002)
    return seen


def main() -> None:
    """Do one piece of work and write its answer, JSON, where told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=("caller", "flood", "watch", "read", "prepare"))
    parser.add_argument("peer")
    parser.add_argument("folder", type=Path)
    parser.add_argument("answer", type=Path)
    parser.add_argument("--name", default="run")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--pause", type=float, default=0.0)
    options = parser.parse_args()
    answer: object = None
    with contextlib.redirect_stdout(sys.stderr):
        match options.work:
            case "caller":
                answer = caller(options.peer, options.folder, options.steps)
            case "flood":
                log, close = logs.WRITERS[options.peer](options.folder, options.name)
                flood(log, options.folder, options.name, options.steps, options.pause)
                close()
            case "watch":
                read = logs.READERS[options.peer](options.folder)
                answer = watch(read, options.name, options.steps)
            case "read":
                found = logs.READERS[options.peer](options.folder)()
                answer = {name: sorted(steps) for name, steps in found.items()}
            case "prepare":
                logs.prepare(options.peer, options.folder)
    options.answer.write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
