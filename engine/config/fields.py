"""A config class as a flat list of fields: what forms, error messages and the reference page are made from."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from engine.config.base import Section, StageConfig

Kind = Literal["int", "float", "bool", "choice", "text", "list", "mapping"]
_NOUNS: dict[Kind, str] = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "choice": "one of the choices",
    "text": "text",
    "list": "a list",
    "mapping": "a group of `key: value` lines",
}


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One setting. `key` is dotted; `words` are accepted besides numbers (such as `full` for a fold)."""

    key: str
    kind: Kind
    help: str
    default: Any
    required: bool
    optional: bool
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None

    @property
    def group(self) -> str:
        """Dotted key of the section, empty at the top."""
        return self.key.rpartition(".")[0]

    @property
    def name(self) -> str:
        """Last part of the key."""
        return self.key.rpartition(".")[2]

    @property
    def noun(self) -> str:
        """What a value must be, for messages."""
        words = "".join(f" or `{word}`" for word in self.words)
        return f"{_NOUNS[self.kind]}{words}{' or empty' if self.optional else ''}"

    @property
    def bounds(self) -> str:
        """Allowed range in words; empty where there is none."""
        if self.minimum is not None and self.maximum is not None:
            return f"{_plain(self.minimum)} to {_plain(self.maximum)}"
        bounds = (
            (self.minimum, "{} or more"),
            (self.above, "above {}"),
            (self.maximum, "{} or less"),
            (self.below, "below {}"),
        )
        return " and ".join(words.format(_plain(value)) for value, words in bounds if value is not None)


@dataclass(frozen=True, slots=True)
class FormResult:
    """What a form's values amount to: a config, or messages by key (`''` for the whole)."""

    config: StageConfig | None
    errors: dict[str, str]


def fields_of(model: type[Section]) -> tuple[FieldSpec, ...]:
    """Every setting of a config class in reading order, sections opened."""
    return tuple(_walk(model, ""))


def check_values(stage: str, values: dict[str, str]) -> FormResult:
    """Validate a form: dotted keys to the text typed; an empty text stands for the default."""
    from engine.config.document import Document, parse_value
    from engine.config.load import explain
    from engine.config.stages import STAGES
    from engine.errors import ConfigError

    model = STAGES[stage]
    specs = {spec.key: spec for spec in fields_of(model)}
    document = Document({}, stage)
    errors: dict[str, str] = {}
    for key, text in values.items():
        spec = specs.get(key)
        if spec is None:
            errors[key] = "unknown key"
            continue
        value: Any = text.strip()
        if not value:
            if not spec.optional:
                continue
            value = None
        elif spec.kind in ("list", "mapping"):
            try:
                value = parse_value(value if value[0] in "[{" else f"[{value}]")
            except ConfigError as unreadable:
                errors[key] = str(unreadable)
                continue
        document.set(tuple(key.split(".")), value, stage)
    document.set(("stage",), stage, stage)
    try:
        config = model.model_validate(document.data)
    except ValidationError as invalid:
        for error in invalid.errors():
            key = next(
                (
                    ".".join(str(part) for part in error["loc"][:end])
                    for end in range(len(error["loc"]), 0, -1)
                    if ".".join(str(part) for part in error["loc"][:end]) in specs
                ),
                "",
            )
            errors.setdefault(key, explain(error, specs.get(key), list(specs)))
        return FormResult(None, errors)
    return FormResult(None if errors else config, errors)


def form_values(config: Section) -> dict[str, str]:
    """The texts that a form shows for a config: what `check_values` reads back as the same config."""
    values = {}
    for spec in fields_of(type(config)):
        value: Any = config
        for part in spec.key.split("."):
            value = getattr(value, part)
        if isinstance(value, bool):
            values[spec.key] = str(value).lower()
        elif isinstance(value, list):
            values[spec.key] = ", ".join(str(item) for item in value)
        else:
            values[spec.key] = "" if value is None else str(value)
    return values


def _walk(model: type[BaseModel], prefix: str) -> Iterator[FieldSpec]:
    for name, info in model.model_fields.items():
        key = f"{prefix}{name}"
        section = next((part for part in _branches(info.annotation) if _is_section(part)), None)
        if section is not None:
            yield from _walk(section, f"{key}.")
        else:
            yield _spec(key, info)


def _spec(key: str, info: FieldInfo) -> FieldSpec:
    branches = [part for part in _branches(info.annotation) if part is not types.NoneType]
    kind: Kind = "text"
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    metadata = list(info.metadata)
    for branch in branches:
        inner = branch
        if hasattr(branch, "__metadata__"):
            inner, *extra = get_args(branch)
            metadata += [item for part in extra for item in getattr(part, "metadata", [part])]
        literal = tuple(str(value) for value in get_args(inner)) if get_origin(inner) is Literal else ()
        if literal and len(branches) > 1:
            words = literal
        elif literal:
            kind, choices = "choice", literal
        elif get_origin(inner) is list:
            kind = "list"
            (item,) = get_args(inner)
            choices = (
                tuple(str(value) for value in get_args(item)) if get_origin(item) is Literal else choices
            )
        elif get_origin(inner) is dict:
            kind = "mapping"
        elif inner in (int, float, bool):
            kind = {int: "int", float: "float", bool: "bool"}[inner]  # type: ignore[assignment]
    bounds: dict[type, Any] = {type(item): item for item in metadata}
    low, above = bounds.get(annotated_types.Ge), bounds.get(annotated_types.Gt)
    high, below = bounds.get(annotated_types.Le), bounds.get(annotated_types.Lt)
    default = info.get_default(call_default_factory=True)
    return FieldSpec(
        key=key,
        kind=kind,
        help=info.description or "",
        default=None if default is PydanticUndefined else default,
        required=info.is_required(),
        optional=types.NoneType in _branches(info.annotation),
        choices=choices,
        words=words,
        minimum=low.ge if low else None,
        maximum=high.le if high else None,
        above=above.gt if above else None,
        below=below.lt if below else None,
    )


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


def _branches(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
