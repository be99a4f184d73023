"""What a log call costs its caller, and what is readable after kill -9: reeltop's recorder beside TensorBoard's writer.

    python -m benchmarks.recorder [--calls 20000] [--repeats 5]

Both log the same five values a step in one process after the other, in turns; figures are the median of the repeats.
"Spaced" puts a millisecond of arithmetic between calls, as training does, so that caches are as cold as in real life.
TensorBoard hands values to a thread: its caller's time is not the time to durable.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

VALUES = {
    "train/loss": 1.832,
    "train/lr": 4.1e-5,
    "train/grad_norm": 1.3,
    "train/videos_per_s": 531.0,
    "train/data_wait": 0.01,
}
KILLED_CALLS = 1000


def reeltop(folder: Path) -> tuple[Callable[[int], None], Callable[[], None]]:
    """A function that logs one step, and one that closes."""
    from engine.recorder import Recorder

    recorder = Recorder(folder)
    return lambda step: recorder.log(step, VALUES), recorder.close


def tensorboard(folder: Path) -> tuple[Callable[[int], None], Callable[[], None]]:
    """The same for TensorBoard's `SummaryWriter.add_scalar`, which takes one value a call."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder))

    def log(step: int) -> None:
        for key, value in VALUES.items():
            writer.add_scalar(key, value, step)

    return log, writer.close


def bare(folder: Path) -> tuple[Callable[[int], None], Callable[[], None]]:
    """The floor: one `os.write` of a frame's size."""
    data = b"x" * 180
    fd = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def log(_step: int) -> None:
        os.write(fd, data)

    return log, lambda: os.close(fd)


WRITERS = {"reeltop": reeltop, "tensorboard": tensorboard, "bare write": bare}


def microseconds_back_to_back(log: Callable[[int], None], calls: int) -> float:
    """Mean time of a call."""
    begin = time.perf_counter()
    for step in range(calls):
        log(step)
    return (time.perf_counter() - begin) / calls * 1e6


def times_back_to_back(log: Callable[[int], None], calls: int) -> list[float]:
    """Seconds of each call."""
    times = []
    for step in range(calls):
        begin = time.perf_counter()
        log(step)
        times.append(time.perf_counter() - begin)
    return times


def microseconds_spaced(log: Callable[[int], None], calls: int) -> float:
    """Median time of a call with work between the calls."""
    return statistics.median(times_spaced(log, calls)) * 1e6


def times_spaced(log: Callable[[int], None], calls: int) -> list[float]:
    """Seconds of each call with a millisecond of work before it."""
    batch = np.ones(200_000)
    times = []
    for step in range(calls):
        until = time.perf_counter() + 0.001
        while time.perf_counter() < until:
            batch.sum()
        begin = time.perf_counter()
        log(step)
        times.append(time.perf_counter() - begin)
    return times


def readable_after_kill(name: str) -> int:
    """Steps that can be read after a process logged `KILLED_CALLS` of them and killed itself at once."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.recorder", "--die", name, folder]
        killed = subprocess.run(command, check=False, capture_output=True)
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
        return len(_steps(name, Path(folder)))


def log_and_die(name: str, folder: Path) -> None:
    """Log at the pace of a fast loop (200 steps a second), then vanish."""
    log, _ = WRITERS[name](folder)
    for step in range(KILLED_CALLS):
        log(step)
        time.sleep(0.005)
    os.kill(os.getpid(), signal.SIGKILL)


def _steps(name: str, folder: Path) -> set[int]:
    if name == "reeltop":
        from engine.records import Metrics, read_records

        records = read_records(folder / "records.bin").records
        return {record.step for record in records if isinstance(record, Metrics)}
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    complete: dict[int, int] = {}
    for path in folder.glob("events*"):
        for event in EventFileLoader(str(path)).Load():
            for _ in event.summary.value:
                complete[event.step] = complete.get(event.step, 0) + 1
    return {step for step, count in complete.items() if count == len(VALUES)}


def measure(calls: int, repeats: int) -> dict[str, dict[str, float]]:
    """Every writer in turns; medians over the repeats."""
    samples: dict[str, dict[str, list[float]]] = {
        name: {"back to back us": [], "spaced us": []} for name in WRITERS
    }
    for _ in range(repeats):
        for name, make in WRITERS.items():
            with tempfile.TemporaryDirectory() as folder:
                log, close = make(Path(folder))
                log(0)
                samples[name]["back to back us"].append(microseconds_back_to_back(log, calls))
                samples[name]["spaced us"].append(microseconds_spaced(log, min(calls, 500)))
                close()
    return {
        name: {key: statistics.median(values) for key, values in rows.items()}
        for name, rows in samples.items()
    }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--die", nargs=2, metavar=("WRITER", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.die:
        log_and_die(arguments.die[0], Path(arguments.die[1]))
    rows = measure(arguments.calls, arguments.repeats)
    for name in ("reeltop", "tensorboard"):
        rows[name][f"readable of {KILLED_CALLS}"] = readable_after_kill(name)
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    for name, row in rows.items():
        print(f"{name:12}", "  ".join(f"{key} {value:8.1f}" for key, value in row.items()))
    ratio = rows["tensorboard"]["back to back us"] / rows["reeltop"]["back to back us"]
    spaced = rows["tensorboard"]["spaced us"] / rows["reeltop"]["spaced us"]
    print(f"reeltop is {ratio:.1f}x faster back to back, {spaced:.1f}x spaced")


if __name__ == "__main__":
    main()
