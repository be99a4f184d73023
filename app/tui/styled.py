"""Segments without a style get an empty one: filters of colour cannot do with none, and canvases leave it out."""

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter


class StyledFilter(LineFilter):
    """Goes before every filter that looks at styles."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            Segment(segment.text, Style.null(), segment.control) if segment.style is None else segment
            for segment in segments
        ]
