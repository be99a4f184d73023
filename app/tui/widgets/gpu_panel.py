"""One line for each GPU: load, memory, temperature, power, and whose it is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from app.tui.states import bar, title
from app.tui.widgets.label import Label
from engine.format import printable, size
from engine.store.views import RunRow

if TYPE_CHECKING:
    from engine.telemetry import GpuSample

_BAR_CELLS = 12


class GpuPanel(Label):
    """All GPUs of the machine, or why there is none."""

    def on_mount(self) -> None:
        self.border_title = "GPU"
        self.update(Content.styled("looking for GPUs", "$text-muted"))

    def show(
        self,
        gpus: Sequence["GpuSample"],
        problem: str | None,
        simulated: bool,
        runs: Sequence[RunRow],
    ) -> None:
        """Show the samples; `runs` are the live ones, to name a GPU's owner."""
        self.border_subtitle = Content.styled("SIMULATED: replayed, not this machine", "bold") if simulated else ""
        self.set_class(simulated, "-simulated")
        if not gpus:
            self.update(Content.styled(f"no NVIDIA GPU: {printable(problem or 'none was found')}", "$text-muted"))
            return
        self.update(Content("\n").join([self._line(gpu, runs) for gpu in gpus]))

    def _line(self, gpu: "GpuSample", runs: Sequence[RunRow]) -> Content:
        load = gpu.util_percent
        heat = "" if gpu.temperature_c is None else f"{gpu.temperature_c:.0f}C"
        power = "" if gpu.power_w is None else f"{gpu.power_w:.0f} W"
        memory = "-" if gpu.memory_used is None else f"{size(gpu.memory_used)} of {size(gpu.memory_total)}"
        return Content.assemble(
            f"{gpu.index} {printable(gpu.name).removeprefix('NVIDIA '):14.14} ",
            (bar(None if load is None else load / 100, _BAR_CELLS), "$accent"),
            f" {'-' if load is None else f'{load:.0f}%':>4}  {memory:>17}  {heat:>4}  {power:>6}  ",
            (self._owner(gpu, runs), "$text-accent"),
        )

    def _owner(self, gpu: "GpuSample", runs: Sequence[RunRow]) -> str:
        if not gpu.processes:
            return ""
        by_pid = {run.pid: run for run in runs if run.pid is not None}
        names = []
        for process in gpu.processes:
            run = by_pid.get(process.pid)
            names.append(title(run) if run else f"{printable(process.user or 'someone')} (pid {process.pid})")
        return ", ".join(names)
