"""A config written as a file that people go on editing: from one they know, with its comments, or whole."""

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from engine.config.base import StageConfig
from engine.config.document import dump_yaml, parse_value
from engine.config.load import plain
from engine.errors import ConfigError
from engine.format import printable

SUFFIXES = (".yaml", ".yml")


def target_of(folder: Path, name: str) -> Path:
    """The file below `folder` that a person means by `name`; `.yaml` is added where it has no such ending.

    Raises:
        ConfigError: no name, one that leads out of the folder, or a hidden one.
    """
    name = name.strip()
    if not name:
        raise ConfigError("a file needs a name")
    relative = Path(name)
    if relative.suffix not in SUFFIXES:
        relative = relative.with_name(f"{relative.name}.yaml")
    if relative.is_absolute() or ".." in relative.parts or "\0" in name:
        raise ConfigError(f"{printable(name)}: name a file below {printable(folder.name)}/")
    if any(part.startswith(".") for part in relative.parts):
        raise ConfigError(f"{printable(name)}: hidden files are not shown; take another name")
    target = folder / relative
    if target.is_dir() or any(parent.is_file() for parent in target.parents if parent.is_relative_to(folder)):
        raise ConfigError(f"{printable(name)}: there is a folder or a file in its way; take another name")
    return target


def config_text(config: StageConfig, source: Path | None, changed: Mapping[str, Any], target: Path) -> str:
    """The text of a file for `config`.

    Where it was made from `source`, that file's text with the changed settings, so that its comments stay; whole where
    there is none, or where another folder would make its `extends` mean another file.

    Args:
        changed: dotted keys to plain values: what differs from the source.
    """
    document = None if source is None else _document(source)
    if document is None or ("extends" in document and source is not None and source.parent != target.parent):
        return dump_yaml(plain(config))
    for key, value in changed.items():
        section = document
        *above, last = key.split(".")
        for part in above:
            if not isinstance(section.get(part), CommentedMap):
                section[part] = CommentedMap()
            section = section[part]
        section[last] = value
    yaml = _yaml()
    stream = StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def sweep_text(config: StageConfig, matrix: Mapping[str, Sequence[str]], file: str) -> str:
    """A pipeline that makes the run of `file`, which lies beside it, once for every combination of the values."""
    run = {
        "config": file,
        "matrix": {key: [_typed(text) for text in texts] for key, texts in matrix.items()},
    }
    return dump_yaml({"name": config.experiment or config.name, "runs": {config.name: run}})


def write_config_file(target: Path, text: str, *, replace: bool = False) -> None:
    """Write it whole or not at all.

    Raises:
        FileExistsError: it is there already, and `replace` is not given.
        OSError: it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if not replace:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
        return
    partial = target.with_name(f".{target.name}.new")
    partial.write_text(text, encoding="utf-8")
    partial.replace(target)


def _typed(text: str) -> Any:
    try:
        return parse_value(text)
    except ConfigError:
        return text


def _document(source: Path) -> CommentedMap | None:
    try:
        loaded = _yaml().load(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError):
        return None
    return loaded if isinstance(loaded, CommentedMap) else None


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.allow_unicode = True
    yaml.width = 4096
    return yaml
