"""What tells runs apart where several are drawn together: a glyph and a colour, where it can be the same for a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_GLYPHS = "●▲■◆✚○△□◇✕"
_COLOURS = ("text-primary", "text-accent", "text-success", "text-error", "foreground")


@dataclass(frozen=True, slots=True)
class RunMark:
    """A glyph, and the theme's variable of a colour, which only repeats it."""

    glyph: str
    colour: str


def run_marks(run_ids: Sequence[int]) -> dict[int, RunMark]:
    """A mark for each run, that of its id; of two with the same one the later takes the next that is free."""
    marks: dict[int, RunMark] = {}
    taken: set[int] = set()
    for run_id in run_ids:
        place = run_id % len(_GLYPHS)
        if len(taken) < len(_GLYPHS):
            while place in taken:
                place = (place + 1) % len(_GLYPHS)
        taken.add(place)
        marks[run_id] = RunMark(_GLYPHS[place], _COLOURS[place % len(_COLOURS)])
    return marks


def rich_colour(variables: Mapping[str, str], name: str) -> str:
    """A theme's variable as Rich reads colours: without transparency, and with the terminal's own names."""
    value = variables.get(name, "").split(" ")[0]
    if value.startswith("#"):
        return value[:7]
    return value.removeprefix("ansi_") if value.startswith("ansi_") else "default"
