"""A run on several GPUs: this process is rank 0 and reports; it starts the others and outlives none of them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, SupportsFloat

from engine.errors import RunError
from engine.recorder import Recorder

if TYPE_CHECKING:
    from engine.config.base import StageConfig

RANK_VARIABLE = "RANK"
CPU_PROCESSES_VARIABLE = "REELTOP_CPU_PROCESSES"
_TRAINING_STAGES = ("pretrain", "contrast", "finetune")
_GRACE_SECONDS = 30.0
_WELL = (None, 0, 3)  # at work, finished, stopped on request


def process_count(config: "StageConfig") -> int:
    """How many processes the run trains in: one for each GPU that it asked for and has."""
    if config.stage not in _TRAINING_STAGES:
        return 1
    if on_cpu := os.environ.get(CPU_PROCESSES_VARIABLE):
        return int(on_cpu)
    if config.gpus < 2:
        return 1
    import torch

    return max(1, min(config.gpus, torch.cuda.device_count()))


def is_companion() -> bool:
    """Whether this process is another rank's companion, not the run itself."""
    return os.environ.get(RANK_VARIABLE, "0") != "0"


class CompanionRecorder(Recorder):
    """Reports nothing: rank 0 does."""

    def __init__(self, run_dir: Path) -> None:
        self._folder = tempfile.TemporaryDirectory()
        super().__init__(Path(self._folder.name))
        self.run_dir = run_dir

    def log(self, step: int, values: Mapping[str, SupportsFloat]) -> None:
        """Nothing."""

    def progress(self, done: int, total: int, unit: str = "step") -> None:
        """Nothing."""

    def checkpoint(self, path: Path, **_: Any) -> None:
        """Nothing."""

    def checkpoint_deleted(self, path: Path) -> None:
        """Nothing."""

    def artifact(self, kind: str, path: Path, **_: Any) -> None:
        """Nothing."""

    def _report(self, record: Any) -> None:
        """Nothing."""


class Companions:
    """Ranks 1 to `count` - 1 for as long as the block lasts; `failed` is called when one of them dies early."""

    def __init__(self, run_dir: Path, count: int, failed: Callable[[str], None]) -> None:
        self.run_dir = run_dir
        self.count = count
        self.failed = failed
        self._processes: list[subprocess.Popen[bytes]] = []
        self._ending = threading.Event()

    def __enter__(self) -> None:
        if self.count == 1:
            return
        os.environ |= {
            "WORLD_SIZE": str(self.count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(_free_port()),
            RANK_VARIABLE: "0",
            "LOCAL_RANK": "0",
        }
        command = [sys.executable, "-P", "-m", "engine.run", str(self.run_dir)]
        for rank in range(1, self.count):
            own = os.environ | {RANK_VARIABLE: str(rank), "LOCAL_RANK": str(rank)}
            self._processes.append(subprocess.Popen(command, env=own))
        threading.Thread(target=self._watch, name="companions", daemon=True).start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        lost = self._lost() if type(error) is RuntimeError else None
        for process in self._processes:
            try:
                if error is not None:
                    process.send_signal(signal.SIGTERM)
                process.wait(timeout=_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if lost is not None:  # the broken connection says less than what broke it
            raise RunError(lost) from error

    def _watch(self) -> None:
        """A rank that is gone leaves the others waiting in a collective for good: say so and end the run."""
        while not self._ending.wait(1.0):
            for rank, process in enumerate(self._processes, 1):
                code = process.poll()
                if code not in _WELL and not self._ending.wait(2.0):
                    self.failed(_told(rank, code))

    def _lost(self) -> str | None:
        """What became of a rank that ended badly, or is about to."""
        for rank, process in enumerate(self._processes, 1):
            with contextlib.suppress(subprocess.TimeoutExpired):
                if (code := process.wait(timeout=2.0)) not in _WELL:
                    return _told(rank, code)
        return None


def _told(rank: int, code: int | None) -> str:
    return f"the process of GPU {rank} ended with exit code {code}: see the log above"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
