"""GPUs and host side by side, sampled in a thread: each second while they are looked at, else every few seconds."""

import threading
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message

from app.tui.troubles import one_line
from app.tui.widgets.gpu_panel import GpuPanel, Past
from app.tui.widgets.host_panel import HostPanel
from engine.errors import ReeltopError
from engine.store.views import RunRow
from engine.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from engine.telemetry import GpuSample, HostSample, Telemetry

_SAMPLE_SECONDS = 1.0
_UNWATCHED_SECONDS = 5.0  # for the history, and to warn of a full disk while another screen is on top


class Machine(Container):
    """Takes samples for as long as it is there."""

    class Measured(Message):
        """Samples for whoever wants to warn of what they say."""

        def __init__(self, gpus: "tuple[GpuSample, ...]", host: "HostSample | None") -> None:
            super().__init__()
            self.gpus = gpus
            self.host = host

    class Sampled(Message, bubble=False):
        """What the devices say now; `host` is text where the host would not say it, `problem` the same of the GPUs."""

        def __init__(
            self,
            gpus: "tuple[GpuSample, ...]",
            problem: str | None,
            simulated: bool,
            host: "HostSample | str | None",
        ) -> None:
            super().__init__()
            self.gpus = gpus
            self.problem = problem
            self.simulated = simulated
            self.host = host

    def __init__(self, workspace: Workspace, replay: "Path | None") -> None:
        super().__init__()
        self._workspace = workspace
        self._replay = replay
        self._watched = threading.Event()
        self._ended = threading.Event()
        self._runs: tuple[RunRow, ...] = ()

    def compose(self) -> ComposeResult:
        yield GpuPanel(classes="panel")
        yield HostPanel(classes="panel")

    def set_watched(self, watched: bool) -> None:
        """Sample each second, or now and then while nobody looks."""
        if watched:
            self._watched.set()
        else:
            self._watched.clear()

    def start(self) -> None:
        """Begin: after the first paint, because the libraries take their time to import."""
        self._watched.set()
        self.run_worker(self._sample, name="telemetry", group="telemetry", thread=True, exclusive=True)

    def on_unmount(self) -> None:
        self._ended.set()
        self._watched.set()

    def show_runs(self, runs: tuple[RunRow, ...]) -> None:
        """The live runs, to name who holds a GPU."""
        self._runs = runs

    def show_past(self, past: Past) -> None:
        """What runs have measured of this machine, for the histories: they begin before the screen was opened."""
        import psutil

        self.query_one(GpuPanel).show_past(past)
        self.query_one(HostPanel).show_past(past, psutil.virtual_memory().total)

    def on_machine_sampled(self, message: Sampled) -> None:
        self.query_one(GpuPanel).show(message.gpus, message.problem, message.simulated, self._runs)
        if isinstance(message.host, str):
            self.query_one(HostPanel).show_problem(message.host)
        elif message.host is not None:
            self.query_one(HostPanel).show(message.host)
        self.post_message(
            self.Measured(
                () if message.simulated else message.gpus,
                message.host if not isinstance(message.host, str) else None,
            )
        )

    def _sample(self) -> None:
        import psutil

        try:
            telemetry = self._open()
        except (ReeltopError, psutil.Error, OSError) as error:
            self.post_message(self.Sampled((), one_line(error), False, None))
            return
        while not self._ended.is_set():
            gpus: tuple[GpuSample, ...] = ()
            host: HostSample | str
            try:
                gpus = telemetry.gpus()
                problem = telemetry.gpu_problem
            except (psutil.Error, OSError) as error:
                problem = one_line(error)
            try:
                host = telemetry.host()
            except (psutil.Error, OSError) as error:
                host = one_line(error)
            self.post_message(self.Sampled(gpus, problem, telemetry.simulated, host))
            self._ended.wait(_SAMPLE_SECONDS)
            self._watched.wait(_UNWATCHED_SECONDS)

    def _open(self) -> "Telemetry":
        from engine.telemetry import Telemetry

        return Telemetry(self._replay, disk=self._workspace.root)
