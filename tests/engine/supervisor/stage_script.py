"""A run's process for tests: `engine.run` with a stage that does what its config says, in milliseconds."""

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from ruamel.yaml import YAML

from engine.errors import DataError
from engine.recorder import StopRequested
from engine.run import run_stage
from engine.stages.context import RunContext


def stage(context: RunContext) -> None:
    config = YAML(typ="safe", pure=True).load(context.run_dir / "config.yaml")
    recorder = context.recorder
    logging.info("attempt %d on devices %r", recorder.attempt, os.environ["CUDA_VISIBLE_DEVICES"])
    first = 0
    saved = context.checkpoints / "last" / "model.safetensors"
    if context.resumed:
        first = int(saved.read_text()) if saved.exists() else 0
        recorder.resumed(first - 1)
    if config.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if config.get("child"):
        child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        (context.run_dir / "child.pid").write_text(str(child.pid))
    pause = threading.Event()
    go = context.run_dir / "go"
    steps = int(config.get("steps", 20))
    for step in range(first, steps):
        recorder.log(step, {f"train/{name}": float(step) for name in ("loss", "lr", "norm", "speed", "wait")})
        recorder.progress(step + 1, steps)
        if config.get("evaluate") and step % 10 == 0:
            evaluate(context, step)
        pause.wait(float(config.get("pause", 0.005)))
        while step == config.get("gate") and not (go.exists() or recorder.should_stop()):
            pause.wait(0.01)
        if recorder.should_stop():
            saved.parent.mkdir(exist_ok=True)
            saved.write_text(str(step + 1))
            recorder.checkpoint(saved.parent, step=step, kind="last")
            raise StopRequested
    match config.get("end"):
        case "data error":
            raise DataError("annotations.json, line 3: no id: add one")
        case "bug":
            raise ZeroDivisionError("division by zero")
        case "exit":
            os._exit(7)


def evaluate(context: RunContext, step: int) -> None:
    """A result that, other than points, would show if it were taken in twice."""
    from engine.data.taxonomy import Taxonomy

    taxonomy = Taxonomy.from_codes(["0101", "0201"], {})
    context.recorder.evaluation(split="val", y_true=[0, 1], y_pred=[0, 0], taxonomy=taxonomy, step=step)


if __name__ == "__main__":
    sys.exit(run_stage(Path(sys.argv[1]), stage))
