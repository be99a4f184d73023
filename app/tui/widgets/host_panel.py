"""The machine: CPU, memory, disk and network, and where there is room their last minutes."""

import time
from typing import TYPE_CHECKING

from textual.content import Content

from app.tui.history import History, trace
from app.tui.states import bar
from app.tui.widgets.gpu_panel import Past
from app.tui.widgets.label import Label
from engine.format import size

if TYPE_CHECKING:
    from engine.telemetry import HostSample

_TALL = 32  # lines of the screen from which on there is room for history
_PAST = 10  # least cells of history that say anything


class HostPanel(Label):
    """Two lines about the host, or four with history."""

    def __init__(self, *, classes: str = "") -> None:
        super().__init__(classes=classes)
        self._past = {name: History() for name in ("cpu", "ram", "net", "io")}
        self._host: HostSample | None = None

    def on_mount(self) -> None:
        self.border_title = "machine"
        self.update(Content.styled("measuring", "$foreground-muted"))

    def show_problem(self, problem: str) -> None:
        """Say why there is no sample now."""
        self._host = None
        self.update(Content.styled(f"cannot be measured: {problem}", "$foreground-muted"))

    def show(self, host: "HostSample") -> None:
        """Show a sample."""
        self._host = host
        for name, value in (
            ("cpu", host.cpu_percent),
            ("ram", 100 * host.ram_used / max(1, host.ram_total)),
            ("net", _sum(host.net_received_per_s, host.net_sent_per_s)),
            ("io", _sum(host.disk_read_per_s, host.disk_written_per_s)),
        ):
            self._past[name].add(value)
        self._draw()

    def show_past(self, past: Past, ram_total: int) -> None:
        """Put what runs have measured before the own history; memory is a share of `ram_total` bytes."""
        now = time.time()
        for name, keys, unit in (
            ("cpu", ("system/cpu",), 1.0),
            ("ram", ("system/ram_gib",), 100 * 2**30 / max(1, ram_total)),
            ("net", ("system/net_received_mb_s", "system/net_sent_mb_s"), 1e6),
            ("io", ("system/disk_read_mb_s", "system/disk_written_mb_s"), 1e6),
        ):
            sums: dict[float, float] = {}
            for key in keys:
                for at, value in past.get(key, ()):
                    sums[at] = sums.get(at, 0.0) + value * unit
            self._past[name].fill((now - at, value) for at, value in sums.items())
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if self._host is not None:
            tall = self.screen.size.height >= _TALL
            self.redraw(self._with_history(self._host) if tall else self._in_short(self._host))

    def _in_short(self, host: "HostSample") -> Content:
        load = f" {_percent(host):>4} of {host.cpu_count}"
        net = f"  net {_rate(host.net_received_per_s):>9} in {_rate(host.net_sent_per_s):>9} out"
        cells = max(2, min(20, self.content_size.width - len("CPU ") - len(load) - len(net)))
        return Content.assemble(
            "CPU ",
            (bar(_share(host), cells), "$accent"),
            f"{load}{net}\n",
            "RAM ",
            (bar(host.ram_used / max(1, host.ram_total), cells), "$accent"),
            f" {size(host.ram_used)} of {size(host.ram_total)}  disk {size(host.disk_free)} free",
        )

    def _with_history(self, host: "HostSample") -> Content:
        cells = max(2, min(12, (self.content_size.width - 30) // 2))
        return Content("\n").join(
            [
                self._line(
                    Content.assemble(
                        "CPU  ",
                        (bar(_share(host), cells), "$accent"),
                        f" {_percent(host):>4} of {host.cpu_count}",
                    ),
                    "cpu",
                ),
                self._line(
                    Content.assemble(
                        "RAM  ",
                        (bar(host.ram_used / max(1, host.ram_total), cells), "$accent"),
                        f" {size(host.ram_used)} of {size(host.ram_total)}",
                    ),
                    "ram",
                ),
                self._line(
                    Content(
                        f"net {_rate(host.net_received_per_s):>9} in {_rate(host.net_sent_per_s):>9} out"
                    ),
                    "net",
                ),
                self._line(
                    Content(
                        f"disk {_rate(host.disk_read_per_s)} read {_rate(host.disk_written_per_s)} written"
                        f"  {size(host.disk_free)} free"
                    ),
                    "io",
                ),
            ]
        )

    def _line(self, left: Content, name: str) -> Content:
        """`left`, and at the right edge what was measured before, where it does not get in the way."""
        width = self.content_size.width
        room = min(40, width - left.cell_length - 2)
        if room < _PAST:
            return left.truncate(width, ellipsis=True) if width else left
        highest = 100.0 if name in ("cpu", "ram") else None
        past = trace(self._past[name].values(room), room, highest)
        blank = width - left.cell_length - room
        return Content.assemble(left, " " * blank, (past, "$accent"))


def _percent(host: "HostSample") -> str:
    return "-" if host.cpu_percent is None else f"{host.cpu_percent:.0f}%"


def _share(host: "HostSample") -> float | None:
    return None if host.cpu_percent is None else host.cpu_percent / 100


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{size(value).replace(' ', '')}/s"
