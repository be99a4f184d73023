"""How numbers, durations, sizes and foreign text are written for people: one way for every screen and table."""

import unicodedata
from datetime import UTC, datetime
from typing import Any

_CONTROL_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
_SIZE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_COUNT_UNITS = ("", "k", "M", "G", "T")


def printable(text: str, *, keep_newlines: bool = False) -> str:
    """`text` with control, escape and direction-changing characters made visible instead of obeyed."""
    if text.isprintable():
        return text
    shown = []
    for char in text:
        if char == "\n" and keep_newlines:
            shown.append(char)
        elif char in "\n\t\r" or unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            code = ord(char)
            shown.append(_CONTROL_PICTURES.get(code, f"\\u{code:04x}"))
        else:
            shown.append(char)
    return "".join(shown)


def brief(text: str, most: int = 60) -> str:
    """The beginning of `text` made printable, so that a message stays one line whatever it quotes."""
    shown = printable(text[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def duration(seconds: float | None) -> str:
    """Seconds as `1:02:03` (hours, minutes, seconds), `2:03` under an hour, `-` when unknown."""
    if seconds is None or seconds != seconds or seconds in (float("inf"), float("-inf")):
        return "-"
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def size(byte_count: float | None) -> str:
    """Bytes as `41 GiB`, `1.5 MiB`, `-` when unknown."""
    if byte_count is None:
        return "-"
    value = float(byte_count)
    for unit in _SIZE_UNITS:
        if abs(value) < 1024 or unit == _SIZE_UNITS[-1]:
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" or abs(value) >= 10 else f"{value:.1f} {unit}"


def count(number: float | None) -> str:
    """A count as `950`, `12.3k`, `1.2M`, `-` when unknown."""
    if number is None:
        return "-"
    value = float(number)
    for unit in _COUNT_UNITS:
        if abs(value) < 999.95 or unit == _COUNT_UNITS[-1]:
            break
        value /= 1000
    return f"{value:.0f}" if unit == "" else f"{value:.1f}{unit}"


def amount(how_many: int, what: str) -> str:
    """`1 video`, `2,480 videos`."""
    return f"{how_many:,} {what}{'' if how_many == 1 else 's'}"


def number(value: float | None, digits: int = 4) -> str:
    """A metric's value with `digits` significant digits: `0.7143`, `5e-05`, `-` when unknown."""
    if value is None:
        return "-"
    return f"{value:.{digits}g}"


def score(value: float | None) -> str:
    """An F1, precision or accuracy with four decimals, `-` when unknown."""
    return "-" if value is None else f"{value:.4f}"


def moment(when: datetime | None) -> str:
    """A UTC moment in the reader's own time zone, to the second; `-` when unknown."""
    if when is None:
        return "-"
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return aware.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def setting(value: Any) -> str:
    """A setting's value as it would be typed; `-` for none."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return number(value, 6)
    if isinstance(value, list):
        return ", ".join(setting(item) for item in value) or "-"
    return printable(str(value)) or "-"
