"""The machine: CPU, memory, disk and network."""

from typing import TYPE_CHECKING

from textual.content import Content

from app.tui.states import bar
from app.tui.widgets.label import Label
from engine.format import size

if TYPE_CHECKING:
    from engine.telemetry import HostSample


class HostPanel(Label):
    """Two lines about the host."""

    def on_mount(self) -> None:
        self.border_title = "machine"
        self.update(Content.styled("measuring", "$foreground-muted"))

    def show_problem(self, problem: str) -> None:
        """Say why there is no sample now."""
        self.update(Content.styled(f"cannot be measured: {problem}", "$foreground-muted"))

    def show(self, host: "HostSample") -> None:
        """Show a sample."""
        cpu = host.cpu_percent
        load = f" {'-' if cpu is None else f'{cpu:.0f}%':>4} of {host.cpu_count}"
        net = f"  net {_rate(host.net_received_per_s):>9} in {_rate(host.net_sent_per_s):>9} out"
        cells = max(2, min(20, self.content_size.width - len("CPU ") - len(load) - len(net)))
        self.redraw(
            Content.assemble(
                "CPU ",
                (bar(None if cpu is None else cpu / 100, cells), "$accent"),
                f"{load}{net}\n",
                "RAM ",
                (bar(host.ram_used / max(1, host.ram_total), cells), "$accent"),
                f" {size(host.ram_used)} of {size(host.ram_total)}  disk {size(host.disk_free)} free",
            )
        )


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{size(value).replace(' ', '')}/s"
