"""How long commands take to say something, and interfaces to paint, each in a terminal and in turn."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.tui_start import fill, seconds_until

Row = tuple[str, ...]
_HERE = Path(sys.executable).parent


def commands(peer_python: str, rounds: int) -> list[Row]:
    """From the start of a command to the end of it, as a shell would wait."""
    peers = Path(peer_python).parent
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), 100)
        lines = {
            "reeltop --version": [_HERE / "reeltop", "--version"],
            "reeltop ls (100 runs)": [_HERE / "reeltop", "--workspace", folder, "ls"],
            "wandb --version": [peers / "wandb", "--version"],
            "mlflow --version": [peers / "mlflow", "--version"],
            "aim version": [peers / "aim", "version"],
            "trackio --version": [peers / "trackio", "--version"],
            "tensorboard --version": [peers / "tensorboard", "--version"],
            "python -c pass": [peer_python, "-c", "pass"],
        }
        present = {name: line for name, line in lines.items() if Path(line[0]).exists()}
        taken: dict[str, list[float]] = {name: [] for name in present}
        for _ in range(rounds + 1):
            for name, line in present.items():
                taken[name].append(_seconds(line))
    return _table({name: times[1:] for name, times in taken.items()}, "reeltop --version")


def _seconds(line: Sequence[object]) -> float:
    begin = time.perf_counter()
    subprocess.run([str(part) for part in line], check=True, capture_output=True)
    return time.perf_counter() - begin


def interfaces(peer_python: str, rounds: int) -> list[Row]:
    """From the start of the process to a word of its first screen."""
    peers = Path(peer_python).parent
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), 100)
        lines: dict[str, tuple[list[str], bytes]] = {
            "reeltop": ([str(_HERE / "reeltop"), "--workspace", folder], b"Monitor"),
            "reeltop, its panels": ([str(_HERE / "reeltop"), "--workspace", folder], b"machine"),
        }
        if (peers / "wandb").exists() and (log := _wandb_run(peer_python, Path(folder))):
            lines["W&B LEET"] = ([str(peers / "wandb"), "beta", "leet", "run", log], b"Metrics")
        taken: dict[str, list[float]] = {name: [] for name in lines}
        for _ in range(rounds + 1):
            for name, (line, word) in lines.items():
                taken[name].append(seconds_until(line, word))
    return _table({name: times[1:] for name, times in taken.items()}, "reeltop")


def _wandb_run(peer_python: str, folder: Path) -> str | None:
    (folder / "go").touch()
    command = [peer_python, "-m", "benchmarks.peers.work", "flood", "W&B offline", str(folder)]
    subprocess.run([*command, str(folder / "none"), "--steps", "100"], check=True, capture_output=True)
    return next((str(path) for path in folder.glob("wandb/offline-run-*/run-*.wandb")), None)


def _table(taken: dict[str, list[float]], base: str) -> list[Row]:
    rows = []
    for name, times in taken.items():
        ratio = statistics.median(mine / own for mine, own in zip(times, taken[base], strict=True))
        rows.append((name, f"{statistics.median(times):.3f} s", f"{ratio:.2f}"))
    return rows
