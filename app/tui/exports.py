"""What is shown as text that can be taken along: tables as Markdown or CSV, a chart as SVG, files in `exports/`."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import escape

from app.tui.curves import XY, Limits
from app.tui.drawing import unbroken
from engine.format import printable

Format = Literal["markdown", "csv"]
FOLDER = "exports"
_UNSAFE = re.compile(r"[^\w.-]+")
_WIDTH, _HEIGHT = 800, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 40, 40


def table(head: Sequence[str], rows: Sequence[Sequence[str]], form: Format) -> str:
    """Rows below a head; text from outside cannot end a cell or a line."""
    if form == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(head)
        writer.writerows([printable(cell) for cell in row] for row in rows)
        return out.getvalue()
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def write(workspace: Path, name: str, suffix: str, text: str) -> Path:
    """Write `text` into the workspace's folder of exports under a name that is not taken; returns where.

    Raises:
        OSError: it cannot be written.
    """
    folder = workspace / FOLDER
    folder.mkdir(exist_ok=True)
    stem = _UNSAFE.sub("-", name).strip("-.")[:80] or "export"
    stem = f"{stem}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    for number in range(1000):
        path = folder / f"{stem}{f'-{number}' if number else ''}.{suffix}"
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(17, "too many files of this name", str(folder))


def svg(
    title: str,
    lines: Sequence[tuple[Sequence[XY], str]],
    *,
    x_limits: Limits,
    y_limits: Limits,
    x_ticks: Mapping[float, str],
    y_ticks: Mapping[float, str],
    x_name: str,
    colours: Mapping[str, str],
    glyphs: Sequence[tuple[Sequence[XY], str, str]] = (),
) -> str:
    """A chart as an SVG picture; each line has its colour, `colours` has `background`, `foreground` and `muted`.

    `glyphs` are places, what is written there, and its colour.
    """
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def across(x: float) -> float:
        return _LEFT + (x - x_limits[0]) / (x_limits[1] - x_limits[0]) * (right - _LEFT)

    def down(y: float) -> float:
        return bottom - (y - y_limits[0]) / (y_limits[1] - y_limits[0]) * (bottom - _TOP)

    text = f'font-family="sans-serif" fill="{colours["foreground"]}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="{colours["background"]}"/>',
        f'<text x="{_LEFT}" y="24" font-size="15" {text}>{escape(printable(title))}</text>',
        f'<clipPath id="area"><rect x="{_LEFT}" y="{_TOP}" width="{right - _LEFT}" '
        f'height="{bottom - _TOP}"/></clipPath>',
    ]
    for x, label in x_ticks.items():
        if x_limits[0] <= x <= x_limits[1]:
            parts.append(_line(across(x), _TOP, across(x), bottom, colours["muted"]))
            parts.append(
                f'<text x="{across(x):.1f}" y="{bottom + 16}" font-size="11" text-anchor="middle" {text}>'
                f"{escape(label)}</text>"
            )
    for y, label in y_ticks.items():
        if y_limits[0] <= y <= y_limits[1]:
            parts.append(_line(_LEFT, down(y), right, down(y), colours["muted"]))
            parts.append(
                f'<text x="{_LEFT - 6}" y="{down(y) + 4:.1f}" font-size="11" text-anchor="end" {text}>'
                f"{escape(label)}</text>"
            )
    parts.append(
        f'<text x="{right}" y="{_HEIGHT - 8}" font-size="11" text-anchor="end" {text}>{escape(x_name)}</text>'
    )
    for points, colour in lines:
        for part in unbroken(points):
            part = part * 2 if len(part) == 1 else part  # a round cap shows a single point
            path = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in part)
            parts.append(
                f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5" clip-path="url(#area)" '
                'stroke-linecap="round"/>'
            )
    for points, glyph, colour in glyphs:
        parts += [
            f'<text x="{across(x):.1f}" y="{down(y) + 4:.1f}" font-size="12" text-anchor="middle" '
            f'font-family="sans-serif" fill="{colour}" clip-path="url(#area)">{escape(glyph)}</text>'
            for x, y in points
            if y is not None
        ]
    return "\n".join([*parts, "</svg>\n"])


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="0.5"/>'


def _cell(text: str) -> str:
    return printable(text).replace("|", "\\|")
