"""The drawing itself: axes and lines, and the keys and the mouse that move them."""

from itertools import groupby
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from app.tui import ascii as plain_glyphs
from app.tui.axes import x_ticks, y_ticks
from app.tui.bindings import bindings
from app.tui.braille import Canvas, Cell, painted
from app.tui.curves import Limits
from app.tui.drawing import Drawing
from app.tui.widgets.gestures import AllWanted, Moved, Pointed

_ZOOM = 0.5
_WHEEL = 0.2
_PAN = 0.1
_GUTTER = 6  # cells left of the plot: labels of one width do not move it
_AXIS_LINES = 8  # with fewer lines than these the x axis is its labels alone


class Plot(Widget, can_focus=True):
    """Draws what it is given, and tells what a person wants to see instead: keys and mouse only send messages."""

    BINDINGS = bindings("chart")
    BINDING_GROUP_TITLE = "Chart"
    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"plot--axis"}
    DEFAULT_CSS = """
    Plot { height: 1fr; }
    Plot > .plot--axis { color: $foreground-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._drawing = Drawing()
        self._strips: list[Strip] | None = None
        self._area = (0, 1, 1)  # cells left of it, across, down

    def draw(self, drawing: Drawing) -> None:
        """Draw this instead."""
        if drawing != self._drawing:
            self._drawing = drawing
            self._again()

    def render_line(self, y: int) -> Strip:
        if self._strips is None:
            self._strips = self._paint()
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips = None

    def on_resize(self) -> None:
        self._again()

    def _again(self) -> None:
        self._strips = None
        self.refresh()

    def _paint(self) -> list[Strip]:
        drawing, (width, height) = self._drawing, self.size
        down = max(1, height - (2 if height >= _AXIS_LINES else 1))
        up = y_ticks(drawing, down)
        gutter = max([_GUTTER, *(len(label) for _, label in up)]) + 1
        across = max(1, width - gutter - 1)
        self._area = gutter + 1, across, down
        plain = plain_glyphs.wanted()
        canvas = painted(drawing, across, down, plain=plain)
        labels: dict[int, str] = {}
        for y, label in up:
            row = min(max(canvas.row(y), 0), down - 1)
            if not {row - 1, row, row + 1} & set(labels):
                labels[row] = label
        cursor = None if drawing.cursor is None else canvas.column(drawing.cursor)
        axis, base = self.get_component_rich_style("plot--axis"), self.rich_style
        strips = [
            self._row(canvas.cells(row), labels.get(row), gutter, axis, base, cursor) for row in range(down)
        ]
        return [*strips, *self._x_axis(canvas, gutter, axis, lines=height - down)]

    def _row(
        self,
        cells: list[Cell | None],
        label: str | None,
        gutter: int,
        axis: Style,
        base: Style,
        cursor: int | None,
    ) -> Strip:
        if cursor is not None and 0 <= cursor < len(cells) and cells[cursor] is None:
            cells[cursor] = ("│", self._drawing.cursor_style)
        edge = f"{'':>{gutter}}│" if label is None else f"{label:>{gutter}}┤"
        segments = [Segment(edge, axis)]
        for style, run in groupby(cells, key=lambda cell: cell[1] if cell else ""):
            text = "".join(cell[0] if cell else " " for cell in run)
            segments.append(Segment(text, base + Style.parse(style)))
        return Strip(segments, gutter + 1 + len(cells))

    def _x_axis(self, canvas: Canvas, gutter: int, axis: Style, *, lines: int) -> list[Strip]:
        """The line with its ticks, where there is room for it, and the labels below them."""
        width = gutter + 1 + canvas.width
        line, labels = ["─"] * canvas.width, [" "] * width
        free = 0
        for x, label in x_ticks(self._drawing, canvas.width):
            column = min(max(canvas.column(x), 0), canvas.width - 1)
            line[column] = "┬"
            start = min(max(gutter + 1 + column - len(label) // 2, 0), width - len(label))
            if start >= free:
                labels[start : start + len(label)] = label
                free = start + len(label) + 1
        texts = [" " * gutter + "└" + "".join(line), "".join(labels)]
        return [Strip([Segment(text, axis)], width) for text in texts[2 - lines :]] if lines > 0 else []

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._wheel(event, -_WHEEL / (1 + _WHEEL))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._wheel(event, _WHEEL)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        left, across, down = self._area
        if event.button:
            self._drag(event)
        elif left <= event.x < left + across and 0 <= event.y < down:
            self.post_message(Pointed(self._x_at(event.x)))

    def on_leave(self, _event: events.Leave) -> None:
        self.post_message(Pointed(None))

    def _x_at(self, cell: int) -> float:
        left, across, _ = self._area
        low, high = self._drawing.x_limits
        return low + (high - low) * min(max((cell - left + 0.5) / across, 0.0), 1.0)

    def _y_at(self, cell: int) -> float:
        low, high = self._drawing.y_limits
        return high - (high - low) * min(max((cell + 0.5) / self._area[2], 0.0), 1.0)

    def _wheel(self, event: events.MouseEvent, factor: float) -> None:
        """Over the plot the x axis alone is zoomed, as the y axis fits what is in sight; over its labels that one."""
        if event.x >= self._area[0] - 1:
            self.post_message(Moved(_zoomed(self._drawing.x_limits, self._x_at(event.x), factor), None))
        else:
            self.post_message(Moved(None, _zoomed(self._drawing.y_limits, self._y_at(event.y), factor)))

    def _drag(self, event: events.MouseMove) -> None:
        left, across, down = self._area
        over_labels, below = event.x < left, event.y >= down
        self._shift(0.0 if over_labels else -event.delta_x / across, 0.0 if below else event.delta_y / down)

    def action_reset_scales(self) -> None:
        """Show the whole series again."""
        self.post_message(AllWanted())

    def action_zoom_in(self) -> None:
        """Less of the x axis, around the crosshair or the middle."""
        self._zoom_x(_ZOOM)

    def action_zoom_out(self) -> None:
        """More of the x axis."""
        self._zoom_x(-_ZOOM / (1 + _ZOOM))

    def action_zoom_y_in(self) -> None:
        """Less of the y axis."""
        self._zoom_y(_ZOOM)

    def action_zoom_y_out(self) -> None:
        """More of the y axis."""
        self._zoom_y(-_ZOOM / (1 + _ZOOM))

    def action_pan_left(self) -> None:
        """To what comes before."""
        self._shift(-_PAN, 0.0)

    def action_pan_right(self) -> None:
        """To what comes after."""
        self._shift(_PAN, 0.0)

    def action_pan_up(self) -> None:
        """To higher values."""
        self._shift(0.0, _PAN)

    def action_pan_down(self) -> None:
        """To lower values."""
        self._shift(0.0, -_PAN)

    def action_cursor(self, cells: int) -> None:
        """The crosshair so many cells to the right; the first press puts it into the middle."""
        low, high = self._drawing.x_limits
        if self._drawing.cursor is None:
            self.post_message(Pointed((low + high) / 2))
            return
        cell = (high - low) / self._area[1]
        self.post_message(Pointed(min(max(self._drawing.cursor + cells * cell, low), high)))

    def action_hide_cursor(self) -> None:
        """No crosshair."""
        self.post_message(Pointed(None))

    def _zoom_x(self, factor: float) -> None:
        cursor, limits = self._drawing.cursor, self._drawing.x_limits
        self.post_message(Moved(_zoomed(limits, sum(limits) / 2 if cursor is None else cursor, factor), None))

    def _zoom_y(self, factor: float) -> None:
        limits = self._drawing.y_limits
        self.post_message(Moved(None, _zoomed(limits, sum(limits) / 2, factor)))

    def _shift(self, x: float, y: float) -> None:
        (left, right), (low, high) = self._drawing.x_limits, self._drawing.y_limits
        by_x, by_y = (right - left) * x, (high - low) * y
        self.post_message(
            Moved((left + by_x, right + by_x) if x else None, (low + by_y, high + by_y) if y else None)
        )


def _zoomed(limits: Limits, center: float, factor: float) -> Limits:
    low, high = limits
    return (low + factor * center) / (1 + factor), (high + factor * center) / (1 + factor)
