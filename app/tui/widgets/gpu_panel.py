"""A tile for each GPU: load, memory, power, temperature, clocks, the last minutes, and whose it is."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from app.tui.devices import holders, strangers
from app.tui.history import History, trace
from app.tui.states import GLYPHS, bar, title
from app.tui.widgets.label import Label
from engine.format import printable, size
from engine.store.views import RunRow

if TYPE_CHECKING:
    from engine.telemetry import GpuProcess, GpuSample

Past = Mapping[str, Sequence[tuple[float, float]]]  # by series, times and values

_SIMULATED = "SIMULATED: a replayed trace, not this machine"
_SHARE = 0.35  # of the screen's height
_NARROWEST = {3: 40, 1: 34}  # cells of a tile of so many lines
_BOTH_CLOCKS = 57
_GAP = 2


class GpuPanel(Label):
    """All GPUs of the machine, or why there is none. Tiles of three lines where they fit, else a line for each."""

    def __init__(self, *, classes: str = "") -> None:
        super().__init__(classes=classes)
        self._loads: dict[int, History] = {}
        self._gpus: tuple[GpuSample, ...] = ()
        self._simulated = False
        self._runs: tuple[RunRow, ...] = ()

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
        self._gpus, self._simulated, self._runs = tuple(gpus), simulated, tuple(runs)
        for gpu in gpus:
            self._loads.setdefault(gpu.index, History()).add(gpu.util_percent)
        if not gpus:
            why = printable(problem or "none was found")
            text = f"no NVIDIA GPU: {why}"
            if str(self.content) != text:  # each second the same: nothing to arrange anew
                self.update(Content.styled(text, "$foreground-muted"))
            return
        self._draw()

    def show_past(self, past: Past) -> None:
        """Put what runs have measured before the own history."""
        now = time.time()
        for key, points in past.items():
            index, _, name = key.removeprefix("gpu").partition("/")
            if name == "util" and index.isdecimal():
                self._loads.setdefault(int(index), History()).fill((now - at, value) for at, value in points)
        if self._gpus:
            self._draw()

    def on_resize(self) -> None:
        if self._gpus:
            self._draw()

    def _draw(self) -> None:
        width = max(20, self.content_size.width)
        room = max(1, int(self.screen.size.height * _SHARE) - 2 - self._simulated)
        columns, height = arranged(len(self._gpus), width, room)
        cells = (width - _GAP * (columns - 1)) // columns
        rows = -(-len(self._gpus) // columns)
        fitting = min(rows, max(1, room // height)) * columns
        lines = [Content.styled(_SIMULATED, "bold $text-warning")] if self._simulated else []
        for first in range(0, min(fitting, len(self._gpus)), columns):
            tiles = [self._tile(gpu, cells, height) for gpu in self._gpus[first : first + columns]]
            lines += [_beside([tile[line] for tile in tiles], cells) for line in range(height)]
        if len(self._gpus) > fitting:
            lines.append(Content.styled(f"and {len(self._gpus) - fitting} more", "$foreground-muted"))
        self.redraw(Content("\n").join(lines))

    def _tile(self, gpu: "GpuSample", width: int, height: int) -> list[Content]:
        load, heat, power, used = _facts(gpu)
        share = None if gpu.util_percent is None else gpu.util_percent / 100
        name = printable(gpu.name).removeprefix("NVIDIA ")
        owner = self._owner(gpu)
        if height == 1:
            short = f"{used:>10} {heat:>4} {power.partition('/')[0]:>4}W "
            cells = max(4, min(16, (width - len(short)) // 3))
            head = Content.assemble(f"{gpu.index} ", (bar(share, cells), "$accent"), f" {load:>4} {short}")
            return [Content.assemble(head, owner)]
        past = width - 34
        memory = (
            None if not gpu.memory_total or gpu.memory_used is None else gpu.memory_used / gpu.memory_total
        )
        shown = (gpu.clock_mhz, gpu.memory_clock_mhz)[: 2 if width >= _BOTH_CLOCKS else 1]
        clocks = "/".join("-" if clock is None else f"{clock:.0f}" for clock in shown)
        return [
            Content.assemble(
                (f"{gpu.index} ", "bold"),
                (f"{name:14.14} ", "bold"),
                (bar(share, 10), "$accent"),
                f" {load:>4} ",
                (trace(self._loads[gpu.index].values(past), past, 100.0), "$accent"),
            ),
            Content.assemble(
                "  memory ",
                (bar(memory, 8), "$accent"),
                f" {used}  {heat}  {power} W  {clocks} MHz",
            ),
            Content.assemble("  ", owner),
        ]

    def _owner(self, gpu: "GpuSample") -> Content:
        parts = [
            Content.styled(f"{GLYPHS[run.status]} {title(run)}", "$text-accent")
            for run in holders(gpu, self._runs)
        ]
        parts += [
            Content.styled(f"! not ours: {_stranger(process)}", "$text-warning")
            for process in strangers(gpu, self._runs)
        ]
        if not parts:
            parts = [Content.styled("free" if gpu.processes is not None else "", "$foreground-muted")]
        return Content("  ").join(parts)


def arranged(number: int, width: int, room: int) -> tuple[int, int]:
    """Columns and lines of the tiles of so many GPUs, the fullest that fit into `width` cells and `room` lines."""
    columns = 1
    for height, narrowest in _NARROWEST.items():
        columns = max(1, min(number, (width + _GAP) // (narrowest + _GAP)))
        for fewer in range(1, columns + 1):
            if -(-number // fewer) * height <= room:
                return fewer, height
    return columns, 1


def _facts(gpu: "GpuSample") -> tuple[str, str, str, str]:
    """Load, temperature, power and memory in words."""
    load = "-" if gpu.util_percent is None else f"{gpu.util_percent:.0f}%"
    heat = "-" if gpu.temperature_c is None else f"{gpu.temperature_c:.0f}C"
    power = "-" if gpu.power_w is None else f"{gpu.power_w:.0f}"
    power += "" if gpu.power_limit_w is None else f"/{gpu.power_limit_w:.0f}"
    used = "-" if gpu.memory_used is None else f"{_size_as(gpu.memory_used)}/{size(gpu.memory_total)}"
    return load, heat, power, used


def _size_as(value: int) -> str:
    number, unit = size(value).split()
    return number if unit == "GiB" else f"{number}{unit}"


def _stranger(process: "GpuProcess") -> str:
    user = printable(process.user or "someone")
    command = f" {printable(process.command)}" if process.command else ""
    memory = f", {size(process.memory)}" if process.memory else ""
    return f"{user} (pid {process.pid}{memory}){command}"


def _beside(lines: Sequence[Content], width: int) -> Content:
    padded = [
        line.truncate(width, ellipsis=True).pad_right(max(0, width - line.cell_length) + _GAP)
        for line in lines[:-1]
    ]
    return Content("").join([*padded, lines[-1].truncate(width, ellipsis=True)])
