"""reeltop beside the other trackers: logging, many processes, big stores, starting. Ratios of one run.

    python -m benchmarks.peers [--only calls durable together killed runs series start] [--venv .peers-venv]

The others are installed into an environment of their own and run without a network. One that cannot be installed is
left out, with the reason. Whatever is compared runs in turn, in a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.peers import own, race, start

PACKAGES = {"W&B offline": "wandb", "MLflow": "mlflow", "Aim": "aim", "Trackio": "trackio"}
SECTIONS = ("calls", "durable", "together", "killed", "runs", "series", "start")
_ROOT = Path(__file__).parent.parent.parent


def main() -> None:
    """Install what is missing, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--venv", type=Path, default=_ROOT / ".peers-venv")
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--steps", type=int, default=500, help="steps of each of the eight processes")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--few-runs", type=int, default=200, help="for Aim, which makes a database a run")
    parser.add_argument(
        "--few-points", type=int, default=100_000, help="for Aim and TensorBoard, which are slow to fill"
    )
    options = parser.parse_args()
    os.chdir(_ROOT)
    python, peers = environment(options.venv)
    crew = race.Crew(python)
    everybody = ["reeltop", "TensorBoard", *peers]
    if "calls" in options.only:
        heads = ("back to back us", "99%", "after 1 ms of work us", "99%", "times reeltop's")
        rows = race.calls(crew, [*everybody, "bare write"], options.calls, options.rounds)
        table("Five values logged, for the caller", ("tracker", *heads), rows)
    if "durable" in options.only:
        rows = race.durable(crew, everybody, 20, 0.3)
        table(
            "Until another process reads them, a step every 0.3 s",
            ("tracker", "median", "most", "never"),
            rows,
        )
    if "together" in options.only:
        rows = race.together(crew, everybody, options.steps)
        heads = ("handed over", "all readable", "values lost", "times reeltop's")
        table(
            f"Eight processes, {options.steps} steps of five values each at once", ("tracker", *heads), rows
        )
    if "killed" in options.only:
        for whole, what in ((False, "alone"), (True, "with whatever they started")):
            rows = race.killed(crew, everybody, whole_session=whole)
            heads = ("tracker", "values acknowledged", "lost", "share")
            table(f"kill -9 of eight processes at 200 steps/s each, {what}", heads, rows)
    for what in ("runs", "series"):
        if what in options.only:
            _questions(what, python, peers, options)
    if "start" in options.only:
        table(
            "Commands, whole process", ("command", "median", "ratio"), start.commands(python, options.rounds)
        )
        rows = start.interfaces(python, options.rounds)
        table("Interfaces, first paint", ("interface", "median", "ratio"), rows)


def environment(venv: Path) -> tuple[str, list[str]]:
    """The Python of the peers' environment, made where there is none, and the peers that are in it."""
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    present = []
    show = [python, "-m", "pip", "--disable-pip-version-check"]
    for peer, package in {**PACKAGES, "TensorBoard": "tensorboard"}.items():
        found = subprocess.run([*show, "show", package], capture_output=True, text=True, check=False)
        if found.returncode:
            print(f"installing {package} into {venv}", file=sys.stderr)
            made = subprocess.run(
                [*show, "install", "--quiet", package], capture_output=True, text=True, check=False
            )
            if made.returncode:
                last = made.stderr.strip().splitlines()[-1:] or ["no reason given"]
                print(f"{peer} is left out, it cannot be installed: {last[0]}")
                continue
            found = subprocess.run([*show, "show", package], capture_output=True, text=True, check=True)
        version = next(line for line in found.stdout.splitlines() if line.startswith("Version"))
        print(f"{peer}: {package} {version.partition(' ')[2]}")
        if peer in PACKAGES:
            present.append(peer)
    return str(python), present


def _questions(what: str, python: str, peers: list[str], options: argparse.Namespace) -> None:
    number = options.runs if what == "runs" else options.points
    with tempfile.TemporaryDirectory() as folder:
        measure = own.runs if what == "runs" else own.series
        ours = measure(Path(folder), number, options.rounds * 4)
    base = ours["reeltop"]
    rows = [(name, f"{number:,}", f"{taken:,.2f} ms", f"{taken / base:.2f}") for name, taken in ours.items()]
    asked = peers if what == "runs" else ["TensorBoard", *peers]
    for peer in asked:
        if peer == "W&B offline":
            rows.append((peer, "", "asks its server", ""))
            continue
        size = number
        if peer in ("Aim", "TensorBoard"):
            size = min(number, options.few_runs if what == "runs" else options.few_points)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            command = [python, "-m", "benchmarks.peers.queries", what, peer, folder, f"{folder}/answer.json"]
            command += ["--number", str(size), "--repeats", str(options.rounds * 2)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                rows.append((peer, f"{size:,}", f"failed: {done.stderr.strip().splitlines()[-1]}", ""))
                continue
            answer = json.loads(Path(folder, "answer.json").read_text())
        for name, taken in answer.items():
            rows.append((f"{peer}: {name}", f"{size:,}", f"{taken:,.2f} ms", f"{taken / base:,.1f}"))
    title = "First 100 of many runs" if what == "runs" else "One series, 400 columns"
    table(title, ("asked", what, "median", "times reeltop's"), rows)


def table(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """As Markdown, so that it can be kept as it is."""
    print(f"\n## {title}\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
