"""YAML as plain data that remembers the file and line of every field."""

import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from engine.errors import ConfigError
from engine.format import brief, printable

Location = tuple[str, ...]
_MAX_BYTES = 1 << 20
# Aliases let a kilobyte of YAML stand for more values than a machine can hold, or for itself.
_MAX_VALUES = 100_000
_MAX_NESTING = 64
_MAX_OPEN_BRACKETS = 256  # the parser's time grows with the square of the nesting
_MAX_INT_BITS = 1024  # a float's range; Python refuses to write much longer ones out
_MAX_EXTENDS = 16
_BRACKET = re.compile(r"[][{}]")
_NOT_YAML = (YAMLError, ValueError, RecursionError)


@dataclass
class Document:
    """Plain data (dicts, lists, scalars) and where each field was written, as `file:line` or `--set`."""

    data: dict[str, Any]
    source: str
    where: dict[Location, str] = field(default_factory=dict)

    def place(self, location: Location) -> str:
        """The written place of the field, or of the nearest field around it."""
        for end in range(len(location), 0, -1):
            if location[:end] in self.where:
                return self.where[location[:end]]
        return self.source

    def set(self, location: Location, value: Any, where: str) -> None:
        """Put `value` at the dotted place, making the sections on the way.

        Raises:
            ConfigError: a section on the way is one number for all of its settings.
        """
        section = self.data
        for end, key in enumerate(location[:-1], 1):
            below = section.get(key)
            if not isinstance(below, dict):
                _refuse_number(below, ".".join(location[:end]), where)
                below = section[key] = {}
                self.where[location[:end]] = where
            section = below
        section[location[-1]] = value
        self.where[location] = where


def read_document(path: Path, *, shown: str | None = None) -> Document:
    """The YAML mapping at `path`, laid over the file that its `extends:` names.

    Raises:
        ConfigError: there is no such file, it is not YAML, not a mapping, or extends itself.
    """
    return _read(path, shown or _display(path), ())


def parse_overrides(overrides: Iterable[str]) -> list[tuple[Location, Any, str]]:
    """`key.sub=value` strings as locations and values, the values read as YAML.

    Raises:
        ConfigError: an override without `=`, without a key, or whose value is not YAML.
    """
    parsed = []
    for text in overrides:
        key, equals, value = text.partition("=")
        location = tuple(key.strip().split("."))
        if not equals or not all(location):
            raise ConfigError(f"--set {brief(text)}: write it as key=value, such as training.epochs=3")
        where = f"--set {brief(text)}"
        try:
            parsed.append((location, parse_value(value), where))
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
    return parsed


def parse_value(text: str) -> Any:
    """One YAML value, such as `3e-5`, `[1, 2]` or `null`."""
    try:
        _refuse_deep(text, "value")
        return _plain(YAML(typ="rt").load(text), {}, (), "value", count())
    except _NOT_YAML as error:
        raise ConfigError(f"not a YAML value ({_first_line(error)})") from None


def dump_yaml(data: Mapping[str, Any]) -> str:
    """Plain data as YAML text, keys in their order."""
    from io import StringIO

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 4096
    stream = StringIO()
    yaml.dump(dict(data), stream)
    return stream.getvalue()


def _read(path: Path, shown: str, seen: tuple[Path, ...]) -> Document:
    try:
        resolved = path.resolve()
        if resolved in seen or len(seen) > _MAX_EXTENDS:
            raise ConfigError(f"{shown}: extends itself; break the circle of `extends`")
        found = resolved.stat()
        if found.st_size > _MAX_BYTES:
            raise ConfigError(f"{shown}: larger than 1 MiB; this is not a config file")
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            raise ConfigError(f"{shown}: is no file but a device or a pipe; name a YAML file")
        text = resolved.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{shown}: no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{shown}: is a folder; name a YAML file in it") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown}: is not YAML (not UTF-8 text at byte {error.start})") from None
    except OSError as error:
        raise ConfigError(f"{shown}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # a NUL or half a surrogate pair in the name
        raise ConfigError(f"{shown}: is no file name ({printable(str(error))}); name a YAML file") from None
    _refuse_deep(text, shown)
    try:
        loaded = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{shown}{line}: is not YAML ({_first_line(error)})") from None
    except _NOT_YAML as error:
        raise ConfigError(f"{shown}: is not YAML ({_first_line(error)})") from None
    if not isinstance(loaded, CommentedMap):
        raise ConfigError(
            f"{shown}: is not a config (expected `key: value` lines, such as `stage: finetune`)"
        )
    where: dict[Location, str] = {}
    data = _plain(loaded, where, (), shown, count())
    base = data.pop("extends", None)
    if base is None:
        return Document(data, shown, where)
    if not isinstance(base, str):
        raise ConfigError(f"{where[('extends',)]}: extends: expected the name of a file beside this one")
    below_path = resolved.parent / base
    below = _read(below_path, _display(below_path), (*seen, resolved))
    return Document(_merged(below.data, data, where), shown, below.where | where)


def _refuse_deep(text: str, shown: str) -> None:
    deepest = depth = 0
    for bracket in _BRACKET.findall(text):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    if deepest > _MAX_OPEN_BRACKETS:
        raise _too_deep(shown)


def _too_deep(shown: str) -> ConfigError:
    return ConfigError(f"{shown}: nested deeper than {_MAX_NESTING} levels; write the values out flat")


def _plain(
    node: Any, where: dict[Location, str], location: Location, shown: str, counted: Iterator[int]
) -> Any:
    if len(location) > _MAX_NESTING:
        raise _too_deep(shown)
    if next(counted) > _MAX_VALUES:
        raise ConfigError(f"{shown}: stands for more than {_MAX_VALUES:,} values; use fewer aliases")
    if isinstance(node, CommentedMap):
        plain: dict[str, Any] = {}
        for key, value in node.items():
            below = (*location, str(key))
            line = node.lc.data[key][0] + 1 if node.lc.data and key in node.lc.data else None
            if line is not None:
                where[below] = f"{shown}:{line}"
            plain[str(key)] = _plain(value, where, below, shown, counted)
        return plain
    if isinstance(node, CommentedSeq):
        return [
            _plain(value, where, (*location, str(index)), shown, counted) for index, value in enumerate(node)
        ]
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, int) and node.bit_length() > _MAX_INT_BITS:
        place = where.get(location, shown)
        raise ConfigError(f"{place}: {brief('.'.join(location))}: a whole number of hundreds of digits")
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)


def _merged(
    base: dict[str, Any], over: dict[str, Any], where: Mapping[Location, str], around: Location = ()
) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below, location = merged.get(key), (*around, key)
        if isinstance(value, dict):
            _refuse_number(below, ".".join(location), where.get(location, ""))
        if isinstance(below, dict) and isinstance(value, dict):
            merged[key] = _merged(below, value, where, location)
        else:
            merged[key] = value
    return merged


def _refuse_number(below: Any, key: str, where: str) -> None:
    """Some of the settings that a number stands for cannot be changed without forgetting it for the others."""
    if isinstance(below, int | float) and not isinstance(below, bool):
        raise ConfigError(
            f"{where}: {brief(key)}: is {below:g} for all that is below it; write each of its keys instead"
        )


def _first_line(error: Exception) -> str:
    text = getattr(error, "problem", None) or str(error)
    return printable(str(text).strip().splitlines()[0]) if str(text).strip() else "unreadable"


def _display(path: Path) -> str:
    try:
        shown = path.resolve().relative_to(Path.cwd())
    except ValueError:
        shown = path
    return brief(str(shown), 300)
