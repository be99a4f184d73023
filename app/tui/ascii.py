"""`REELTOP_ASCII=1`: every glyph that a plain font may lack is replaced on its way to the terminal.

One filter behind all widgets: nobody keeps a second set of glyphs. Letters of any script are left alone.
"""

import os

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

VARIABLE = "REELTOP_ASCII"
_STATES = {"◌": ".", "◔": ":", "●": "*", "✓": "+", "■": "=", "✗": "x", "↯": "!", "⊘": "-", "◆": "#"}
_ARROWS = {
    "▸": ">",
    "▶": ">",
    "▾": "v",
    "▼": "v",
    "▲": "^",
    "‹": "<",
    "›": ">",
    "←": "<",
    "→": ">",
    "↑": "^",
    "↓": "v",
    "…": "~",
}
_LINES = {"─━╌╍═╴╶╸╺╼╾": "-", "│┃╎╏║╵╷╹╻╽╿": "|", "▏▎▍▌▋▊▉▕▐": "|", "█▓▇▆": "#", "▒▅▄▀": "=", "░": "."}
_OTHERS = {"▃": "-", "▂": "_", "▁": "_", "▔": "-", "·": ".", "•": "*", "×": "x", "±": "+", "⏎": "<", "⊢": "-"}
_RUNS = {"○": "o", "△": "A", "□": "D", "◇": "V", "✚": "+", "✕": "x"}


def wanted() -> bool:
    """The person has asked for ASCII."""
    return os.environ.get(VARIABLE, "") not in ("", "0")


def _table() -> dict[int, str]:
    table = dict.fromkeys(range(9472, 9600), "+")  # corners and crossings; the straight ones follow
    table |= dict.fromkeys(range(9600, 9632), "#")
    table |= {code: "." if bin(code - 0x2800).count("1") < 4 else ":" for code in range(0x2801, 0x2900)}
    table[0x2800] = " "
    table |= dict.fromkeys(range(129792, 129968), "+")
    table |= dict.fromkeys(range(9216, 9250), "^")
    for chars, plain in _LINES.items():
        table |= {ord(char): plain for char in chars}
    for group in (_STATES, _ARROWS, _OTHERS, _RUNS):
        table |= {ord(char): plain for char, plain in group.items()}
    return table


class AsciiFilter(LineFilter):
    """Replaces glyphs by ASCII of the same width."""

    def __init__(self) -> None:
        super().__init__()
        self._glyphs = _table()

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.control or segment.text.isascii()
            else Segment(segment.text.translate(self._glyphs), segment.style)
            for segment in segments
        ]
