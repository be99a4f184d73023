"""One run in one process: `python -m engine.run RUN_DIR` carries out the stage that the directory's config names.

Exit codes: 0 finished, 3 stopped on request, 1 failed, 2 nothing was run (wrong usage, or the run is running already).
"""

import importlib
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType, TracebackType

import psutil

from engine.environment import PATCH_FILE, describe_environment, describe_torch, write_patch
from engine.errors import ReeltopError
from engine.failure_text import failure_text
from engine.ranks import CompanionRecorder, Companions, is_companion, process_count
from engine.recorder import Recorder, StopRequested
from engine.runlock import LOCK_FILE, take_or_inherit_lock
from engine.stages.context import RunContext
from engine.telemetry import Telemetry
from engine.workspace import Workspace

FINISHED, FAILED, NOT_RUN, STOPPED = 0, 1, 2, 3
INTERVAL_VARIABLE = "REELTOP_SYSTEM_INTERVAL"
_GIB = 1 << 30
log = logging.getLogger("reeltop")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the directory given on the command line; returns the exit code."""
    from engine.config.load import CONFIG_FILE

    arguments = sys.argv[1:] if argv is None else list(argv)
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("usage: python -m engine.run RUN_DIR (an existing run directory)", file=sys.stderr)
        return NOT_RUN
    if not any((Path(arguments[0]) / name).is_file() for name in (CONFIG_FILE, LOCK_FILE)):
        # Nothing is written there: it may be any folder.
        print(f"reeltop: {arguments[0]}: holds no {CONFIG_FILE}; give a run's directory", file=sys.stderr)
        return NOT_RUN
    if is_companion():
        return _run_companion(Path(arguments[0]))
    return run_stage(Path(arguments[0]), configured_stage)


def run_stage(run_dir: Path, stage: Callable[[RunContext], None]) -> int:
    """Carry out `stage` in a run's directory: lock, signals, records of state, environment and machine.

    Returns the exit code. Whatever the stage raises ends up as the run's state, in its records and its log.
    """
    run_dir = (
        run_dir.absolute()
    )  # links stay: `runs/` may be one, and the workspace is where it is, not its target
    try:
        take_or_inherit_lock(run_dir)
        workspace = Workspace.open(run_dir.parent.parent)
    except ReeltopError as error:
        print(f"reeltop: {error}", file=sys.stderr)
        return NOT_RUN
    os.chdir(workspace.root)
    attempt = _attempt(run_dir)
    with Recorder(run_dir, attempt=attempt) as recorder:
        _listen_to_signals(recorder)
        _log_to_stdout()
        recorder.state("running")
        context = RunContext(run_dir, workspace, recorder, resumed=attempt > 1)
        with _Ending(recorder) as ending, _SystemMetrics(recorder, workspace):
            stage(context)
    return ending.code


def configured_stage(context: RunContext) -> None:
    """Load the run's config, import its stage and run it."""
    from engine.config.load import load_run_config

    telemetry = Telemetry(disk=context.workspace.root)
    environment = describe_environment(context.workspace.root, telemetry)
    context.recorder.environment(environment)
    patch = write_patch(context.workspace.root, context.artifacts / PATCH_FILE)
    if patch is not None:
        context.recorder.artifact("patch", patch)
    config = load_run_config(context.run_dir)
    log.info("%s: stage %s, seed %d, on %s", config.name, config.stage, config.seed, environment["devices"])
    module = importlib.import_module(f"engine.stages.{config.stage}")
    context.recorder.environment(environment | describe_torch())

    def fail(message: str) -> None:
        log.error("failed: %s", message)
        context.recorder.state("failed", message)
        context.recorder.close()
        os._exit(FAILED)

    with Companions(context.run_dir, process_count(config), fail):
        module.run(config, context)


def _run_companion(run_dir: Path) -> int:
    """One of the other processes of a run on several GPUs; its words go to the same log, its exit code to rank 0."""
    from engine.config.load import load_run_config

    workspace = Workspace.open(run_dir.absolute().parent.parent)
    os.chdir(workspace.root)
    _log_to_stdout()
    logging.getLogger().setLevel(logging.WARNING)
    config = load_run_config(run_dir)
    with CompanionRecorder(run_dir) as recorder:
        _listen_to_signals(recorder)
        context = RunContext(run_dir, workspace, recorder, resumed=_attempt(run_dir) > 1)
        try:
            importlib.import_module(f"engine.stages.{config.stage}").run(config, context)
        except StopRequested:
            return STOPPED
    return FINISHED


class _Ending:
    """Turns the way the stage ends into the run's last state record and the exit code."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.code = FINISHED

    def __enter__(self) -> "_Ending":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            log.info("finished")
            self._recorder.state("finished")
        elif isinstance(error, StopRequested):
            log.info("stopped on request")
            self.code = STOPPED
            self._recorder.state("stopped")
        else:
            message = failure_text(error)
            if not isinstance(error, ReeltopError):
                print("".join(traceback.format_exception(error)), file=sys.stderr, flush=True)
            log.error("failed: %s", message)
            self.code = FAILED
            self._recorder.state("failed", message)
        return True


class _SystemMetrics:
    """Samples machine and process tree in a thread of its own, every two seconds, for as long as the run lasts."""

    def __init__(self, recorder: Recorder, workspace: Workspace) -> None:
        self._recorder = recorder
        self._telemetry = Telemetry(disk=workspace.root)
        self._interval = float(os.environ.get(INTERVAL_VARIABLE, "2"))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_the_end, name="system-metrics", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=10)

    def _sample_until_the_end(self) -> None:
        told = False
        while not self._ended.wait(self._interval):
            try:
                values = _system_values(self._telemetry)
            except (psutil.Error, OSError) as error:
                if not told:
                    log.warning("no system metrics for now: %s", error)
                told = True
                continue
            self._recorder.system(values)


def _system_values(telemetry: Telemetry) -> dict[str, float]:
    host = telemetry.host()
    mine = telemetry.process_tree(os.getpid())
    values: dict[str, float | None] = {
        "system/cpu": host.cpu_percent,
        "system/ram_gib": host.ram_used / _GIB,
        "system/disk_free_gib": None if host.disk_free is None else host.disk_free / _GIB,
        "system/net_received_mb_s": _mega(host.net_received_per_s),
        "system/net_sent_mb_s": _mega(host.net_sent_per_s),
        "system/disk_read_mb_s": _mega(host.disk_read_per_s),
        "system/disk_written_mb_s": _mega(host.disk_written_per_s),
        "process/cpu": mine.cpu_percent if mine else None,
        "process/rss_gib": mine.rss / _GIB if mine else None,
    }
    for gpu in telemetry.visible_gpus():
        values[f"gpu{gpu.index}/util"] = gpu.util_percent
        values[f"gpu{gpu.index}/memory_gib"] = None if gpu.memory_used is None else gpu.memory_used / _GIB
        values[f"gpu{gpu.index}/power_w"] = gpu.power_w
        values[f"gpu{gpu.index}/temperature_c"] = gpu.temperature_c
    return {key: float(value) for key, value in values.items() if value is not None}


def _mega(value: float | None) -> float | None:
    return None if value is None else value / 1e6


def _listen_to_signals(recorder: Recorder) -> None:
    """SIGTERM and SIGINT ask the stage to stop, as often as they come; a closed terminal is none of its business."""
    owner = os.getpid()

    def stop(number: int, _frame: FrameType | None) -> None:
        if os.getpid() != owner:  # a forked worker ends as it would without this handler
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        recorder.request_stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _log_to_stdout() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
        force=True,
    )
    logging.captureWarnings(True)


def _attempt(run_dir: Path) -> int:
    """Which attempt this is, by the manifest that the supervisor keeps; 1 where there is none."""
    try:
        manifest = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
        return int(manifest.get("attempt", 1))
    except (OSError, ValueError, AttributeError, TypeError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
