"""The machine: CPU, memory, disk and network."""

from typing import TYPE_CHECKING

from textual.content import Content

from app.tui.states import bar
from app.tui.widgets.label import Label
from engine.format import size

if TYPE_CHECKING:
    from engine.telemetry import HostSample

_BAR_CELLS = 12


class HostPanel(Label):
    """Two lines about the host."""

    def on_mount(self) -> None:
        self.border_title = "machine"
        self.update(Content.styled("measuring", "$text-muted"))

    def show(self, host: "HostSample") -> None:
        """Show a sample."""
        cpu = host.cpu_percent
        self.update(
            Content.assemble(
                "CPU ",
                (bar(None if cpu is None else cpu / 100, _BAR_CELLS), "$accent"),
                f" {'-' if cpu is None else f'{cpu:.0f}%':>4} of {host.cpu_count}   ",
                f"net {_rate(host.net_received_per_s):>10} in {_rate(host.net_sent_per_s):>10} out\n",
                "RAM ",
                (bar(host.ram_used / max(1, host.ram_total), _BAR_CELLS), "$accent"),
                f" {size(host.ram_used):>8} of {size(host.ram_total)}   disk {size(host.disk_free)} free",
            )
        )


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{size(value)}/s"
