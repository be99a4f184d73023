"""What may stand where the cursor is in a filter: keys before an operator, values after it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.store.table_views import Key

MOST = 60
_VALUE = re.compile(
    r"""(?:^|\s)(?P<key>[^\s=!<>~"']+)\s*(?P<op>!=|>=|<=|=|>|<|~)\s*(?P<value>"[^"]*|'[^']*|[^\s"']*)$"""
)
_KEY = re.compile(r"""(?:^|\s)(?P<key>[^\s=!<>~"']*)$""")
_SHORT_OF_METRIC = ".last"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the word that is being typed begins, what is typed of it, and, for a value, of which key it is.

    `term` is where the condition begins that the word is a part of.
    """

    start: int
    typed: str
    term: int
    key: str | None = None


def place_at(text: str, cursor: int) -> Place | None:
    """What is being typed at the cursor; None within something that cannot be completed."""
    before = text[:cursor]
    match = _VALUE.search(before)
    if match is not None:
        return Place(match.start("value"), match["value"].lstrip("\"'"), match.start("key"), match["key"])
    match = _KEY.search(before)
    return None if match is None else Place(match.start("key"), match["key"], match.start("key"))


def key_candidates(typed: str, keys: Sequence[Key]) -> tuple[str, ...]:
    """Keys that begin with what is typed, then those of which a part begins so, then those that have it in them."""
    names = list(dict.fromkeys(key.name.removesuffix(_SHORT_OF_METRIC) for key in keys))
    return ranked(typed, names) if typed not in names or typed == "" else ()


def value_candidates(typed: str, values: Sequence[str]) -> tuple[str, ...]:
    """Values that fit, quoted where a filter needs it."""
    return () if typed in values else tuple(quoted(value) for value in ranked(typed, values))


def quoted(value: str) -> str:
    """The value as a filter has to say it."""
    if value and not re.search(r"""[\s"']|^[=!<>~]""", value):
        return value
    return f"'{value}'" if '"' in value else f'"{value}"'


def ranked(typed: str, names: Sequence[str], most: int = MOST) -> tuple[str, ...]:
    """Names with what is typed in them: at their beginning, at that of a part, anywhere."""
    low = typed.lower()
    ranks: tuple[list[str], list[str], list[str]] = ([], [], [])
    for name in names:
        lower = name.lower()
        if lower.startswith(low):
            ranks[0].append(name)
        elif any(part.startswith(low) for part in re.split(r"[./_-]", lower)):
            ranks[1].append(name)
        elif low in lower:
            ranks[2].append(name)
    return tuple([*ranks[0], *ranks[1], *ranks[2]][:most])
