"""Several values in one field, and the runs they multiply out to: `3e-5, 5e-5`, `0..4`, `log 1e-5..1e-3 x4`."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.config.document import parse_value
from engine.config.fields import FieldSpec
from engine.errors import ConfigError

MOST_VALUES = 1000
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(
    rf"(?P<log>log\s+)?(?P<low>{_NUMBER})\s*\.\.\s*(?P<high>{_NUMBER})"
    rf"(?:\s*[x×]\s*(?P<count>\d+)|\s+step\s+(?P<step>{_NUMBER}))?",
    re.IGNORECASE,
)
_ALONE = (
    "stage",
    "name",
    "experiment",
    "notes",
    "tags",
    "priority",
    "gpus",
)  # of the run, not of what it computes
_NOTHING = ("none", "null")


def values_of(spec: FieldSpec, text: str) -> tuple[str, ...]:
    """The values that a field's text stands for, as texts: one where it is an ordinary value.

    Commas part values, with or without brackets; in fields of free text only within brackets, in fields that are lists
    themselves as a list of lists. Ranges are `1..5`, `0..1 step 0.25`, `0..1 x5` and `log 1e-5..1e-3 x4`, with their
    ends. `none` is an empty value.

    Raises:
        ConfigError: a range that cannot be multiplied out; the fix is named.
    """
    text = text.strip()
    if spec.key in _ALONE or spec.kind == "mapping" or not text:
        return (text,)
    if spec.kind in ("list", "text"):
        return _written_out(text, of_lists=spec.kind == "list")
    bracketed = text.startswith("[") and text.endswith("]")
    pieces = [piece.strip() for piece in (text[1:-1] if bracketed else text).split(",")]
    values: list[str] = []
    for piece in pieces:
        values += _ranged(spec, piece) if spec.kind in ("int", "float") else (piece,)
    chosen = [_plain(spec, value) for value in values if value or len(values) == 1]
    return _checked(chosen) or ("",)


def hint(spec: FieldSpec) -> str:
    """How several values of a field are written; empty where a list is nothing but a value."""
    if spec.key in _ALONE:
        return ""
    if spec.kind == "int":
        return "several: 1, 2 or 1..5"
    if spec.kind == "float":
        return "several: 3e-5, 5e-5 or log 1e-5..1e-3 x4"
    return "several: [a, b]" if spec.kind in ("text", "choice", "bool") else ""


def matrix_of(
    specs: Sequence[FieldSpec], values: Mapping[str, str]
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """The fields with several values, in the form's order; and messages by key where a text cannot be understood."""
    matrix: dict[str, tuple[str, ...]] = {}
    errors: dict[str, str] = {}
    for spec in specs:
        try:
            found = values_of(spec, values.get(spec.key, ""))
        except ConfigError as error:
            errors[spec.key] = str(error)
            continue
        if len(found) > 1:
            matrix[spec.key] = found
    return matrix, errors


def cells(matrix: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Every combination of the values, the last field's changing first; one empty combination of an empty matrix."""
    for values in itertools.product(*matrix.values()):
        yield dict(zip(matrix, values, strict=True))


def suffix(cell: Mapping[str, Any]) -> str:
    """What tells a combination's run from its siblings: `-fold0-text5e-05`."""
    return "".join(f"-{key.rpartition('.')[2]}{_in_a_name(value)}" for key, value in cell.items())


def _in_a_name(value: Any) -> str:
    return str(value).replace("@", "-").replace("[", "").replace("]", "").replace(", ", "+").strip()


def _plain(spec: FieldSpec, value: str) -> str:
    return "" if spec.optional and value.lower() in _NOTHING else value


def _written_out(text: str, *, of_lists: bool) -> tuple[str, ...]:
    """`[a, b]` where free text is asked for, `[[a, b], [c]]` where lists are."""
    if not (text.startswith("[[" if of_lists else "[") and text.endswith("]")):
        return (text,)
    try:
        found = parse_value(text)
    except ConfigError:
        return (text,)  # the field's own check says what is wrong
    if not isinstance(found, list) or (of_lists and not all(isinstance(item, list) for item in found)):
        return (text,)
    if of_lists:
        return _checked([f"[{', '.join(str(one) for one in item)}]" for item in found])
    return _checked(["" if item is None else str(item) for item in found]) or (text,)


def _ranged(spec: FieldSpec, piece: str) -> Sequence[str]:
    if ".." not in piece:
        return (piece,)
    match = _RANGE.fullmatch(piece)
    if match is None:
        raise ConfigError("not a range; write 1..5, 0..1 step 0.25, 0..1 x5 or log 1e-5..1e-3 x4")
    low, high = float(match["low"]), float(match["high"])
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ConfigError("a range needs finite ends")
    numbers = _numbers(spec, match, low, high)
    if spec.kind == "int":
        if any(abs(number - round(number)) > 1e-9 for number in numbers) and not (
            match["count"] or match["log"]
        ):
            raise ConfigError("steps between whole numbers; write a whole step")
        return [str(round(number)) for number in numbers]
    return [f"{number:.6g}" for number in numbers]


def _numbers(spec: FieldSpec, match: re.Match[str], low: float, high: float) -> list[float]:
    count = int(match["count"]) if match["count"] else None
    if count is not None and not 2 <= count <= MOST_VALUES:
        raise ConfigError(f"{count} values; give x2 to x{MOST_VALUES}")
    if match["log"]:
        if count is None or low <= 0 or high <= 0:
            raise ConfigError("a logarithmic range needs ends above 0 and a count, such as log 1e-5..1e-3 x4")
        ratio = (high / low) ** (1 / (count - 1))
        return [low * ratio**index for index in range(count)]
    if count is not None:
        return [low + (high - low) * index / (count - 1) for index in range(count)]
    if match["step"] is None and spec.kind == "float":
        raise ConfigError(
            f"how many? write {match['low']}..{match['high']} x5, or {match['low']}..{match['high']} step 0.1"
        )
    step = float(match["step"]) if match["step"] else 1.0
    if step <= 0 or not math.isfinite(step):
        raise ConfigError("the step has to be above 0")
    steps = math.floor(abs(high - low) / step + 1e-9)
    if steps >= MOST_VALUES:
        raise ConfigError(f"{steps + 1} values are more than {MOST_VALUES}; give a greater step")
    sign = 1 if high >= low else -1
    return [round(low + sign * index * step, 12) for index in range(steps + 1)]


def _checked(values: Sequence[str]) -> tuple[str, ...]:
    distinct = tuple(dict.fromkeys(values))
    if len(distinct) > MOST_VALUES:
        raise ConfigError(f"{len(distinct)} values are more than {MOST_VALUES}")
    return distinct
