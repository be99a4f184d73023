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

_SIMULATED = "SIMULATED: a replayed trace, not this machine"


class GpuPanel(Label):
    """All GPUs of the machine, or why there is none."""

    def on_mount(self) -> None:
        self.border_title = "GPU"
        self.update(Content.styled("looking for GPUs", "$foreground-muted"))

    def show(
        self,
        gpus: Sequence["GpuSample"],
        problem: str | None,
        simulated: bool,
        runs: Sequence[RunRow],
    ) -> None:
        """Show the samples; `runs` are the live ones, to name a GPU's owner."""
        self.set_class(simulated, "-simulated")
        if not gpus:
            self.update(
                Content.styled(
                    f"no NVIDIA GPU: {printable(problem or 'none was found')}", "$foreground-muted"
                )
            )
            return
        lines = [Content.styled(_SIMULATED, "bold $text-warning")] if simulated else []
        self.redraw(Content("\n").join([*lines, *(self._line(gpu, runs) for gpu in gpus)]))

    def _line(self, gpu: "GpuSample", runs: Sequence[RunRow]) -> Content:
        load = gpu.util_percent
        heat = "-" if gpu.temperature_c is None else f"{gpu.temperature_c:.0f}C"
        power = "-" if gpu.power_w is None else f"{gpu.power_w:.0f}W"
        used = (
            "-" if gpu.memory_used is None else f"{size(gpu.memory_used).split()[0]}/{size(gpu.memory_total)}"
        )
        owner = self._owner(gpu, runs)
        name = printable(gpu.name).removeprefix("NVIDIA ")
        room = self.content_size.width - len(owner) - 42
        cells = max(4, min(20, room))
        return Content.assemble(
            f"{gpu.index} {name:12.12} ",
            (bar(None if load is None else load / 100, cells), "$accent"),
            f" {'-' if load is None else f'{load:.0f}%':>4}  {used:>10}  {heat:>4} {power:>5}  ",
            (owner, "$text-accent"),
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
