"""From files and overrides to validated configs, with errors that name file, line, field and fix."""

import difflib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from engine.config.base import Section, StageConfig
from engine.config.document import Document, Location, parse_overrides, read_document
from engine.config.fields import FieldSpec, fields_of
from engine.config.pipeline import PipelineConfig, PipelineRun
from engine.config.stages import STAGES
from engine.errors import ConfigError
from engine.format import printable

AnySection = TypeVar("AnySection", bound=Section)
CONFIG_FILE = "config.yaml"
_NOT_HASHED = {"name", "experiment", "priority", "gpus", "tags", "notes", "inputs"}


def load_file(path: Path, overrides: Sequence[str] = ()) -> StageConfig | PipelineConfig:
    """The stage or pipeline that the file describes; overrides of a pipeline are its runs' to apply.

    Raises:
        ConfigError: naming file, line, field and fix.
    """
    document = read_document(path)
    if "runs" in document.data:
        return validate_as(PipelineConfig, document)
    return load_stage(document, overrides)


def load_stage(document: Document, overrides: Sequence[str] = ()) -> StageConfig:
    """The validated config of one run.

    Raises:
        ConfigError: naming file, line, field and fix.
    """
    for location, value, where in parse_overrides(overrides):
        document.set(location, value, where)
    return validate_as(stage_class(document), document)


def load_run_config(run_dir: Path) -> StageConfig:
    """The resolved config of a run's directory."""
    return load_stage(read_document(run_dir / CONFIG_FILE))


def stage_class(document: Document) -> type[StageConfig]:
    """The config class of the document's `stage`."""
    stage = document.data.get("stage")
    known = ", ".join(STAGES)
    if stage is None:
        raise ConfigError(f"{document.source}: stage: missing; choose one of {known}")
    if not isinstance(stage, str) or stage not in STAGES:
        raise ConfigError(
            f"{document.place(('stage',))}: stage: there is no stage {printable(str(stage))!r}"
            f"{_nearest(str(stage), list(STAGES))}; choose one of {known}"
        )
    return STAGES[stage]


def validate_as(model: type[AnySection], document: Document) -> AnySection:
    """`document` as `model`, or a ConfigError whose one line is about the first wrong field."""
    try:
        return model.model_validate(document.data)
    except ValidationError as invalid:
        errors = sorted(invalid.errors(), key=lambda error: error["type"] != "extra_forbidden")
    fields = {_field_location(error, document.data) for error in errors}
    more = f" (and {len(fields) - 1} more)" if len(fields) > 1 else ""
    raise ConfigError(describe_error(model, document, errors[0]) + more)


def describe_error(model: type[Section], document: Document, error: ErrorDetails) -> str:
    """`file:line: field: what is wrong; the fix` of one pydantic error."""
    specs = {spec.key: spec for spec in fields_of(model)}
    location = _field_location(error, document.data)
    key = ".".join(location)
    keys = list(specs)
    if model is PipelineConfig:
        keys += [".".join((*location[:2], name)) for name in PipelineRun.model_fields]
    # A number that stands for several settings is wrong as each of them is.
    spec = specs.get(key) or specs.get(".".join(map(str, error["loc"])))
    problem = explain(error, spec, keys, location)
    return f"{document.place(location)}: {printable(key)}: {problem}"


def explain(error: ErrorDetails, spec: FieldSpec | None, keys: Sequence[str], location: Location = ()) -> str:
    """What is wrong with a value, and what is allowed, without its place."""
    kind = error["type"]
    shown = _shown_value(error.get("input"))
    if kind == "extra_forbidden":
        return f"unknown key{_nearest_key(keys, location)}"
    if kind == "missing":
        return f"missing; add it{f' ({spec.help})' if spec else ''}"
    if spec is not None and spec.choices and spec.kind != "list":
        return f"{shown} is not one of {', '.join(spec.choices)}{_nearest(str(error.get('input')), spec.choices)}"
    if kind.startswith(("greater_than", "less_than")) and spec is not None:
        return f"{shown} is out of range; allowed is {spec.bounds}"
    if kind == "too_short":
        return f"{shown} is empty; give one at least"
    if kind in ("model_type", "dict_type") and spec is None:
        below = _names_at(keys, (*location, ""))
        return f"{shown} is not a group of settings; write its keys below it: {', '.join(below)}"
    if kind == "value_error":
        return f"{shown} {error['msg'].removeprefix('Value error, ')}"
    if spec is not None and kind.endswith(("_type", "_parsing", "_from_float")):
        return f"{shown} is not {spec.noun}{f'; allowed is {spec.bounds}' if spec.bounds else ''}"
    return f"{shown}: {error['msg'][0].lower()}{error['msg'][1:]}"


def plain(config: Section) -> dict[str, Any]:
    """A config as JSON-able data, fields in their order."""
    return config.model_dump(mode="json")


def config_hash(config: StageConfig) -> str:
    """SHA-256 of what the run computes: not of its name, notes, place in the queue, or inputs.

    Nor of where it runs: a step has the same videos, frames and masks whatever the number of GPUs (`batch_size`
    counts over all of them) and of decoding processes, so that `gpus` and `data.workers` change a result no further
    than another machine's rounding does.
    """
    relevant = {key: value for key, value in plain(config).items() if key not in _NOT_HASHED}
    if "data" in relevant:
        relevant["data"] = {key: value for key, value in relevant["data"].items() if key != "workers"}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def flatten(data: dict[str, Any], prefix: str = "") -> dict[str, str | int | float | bool | None]:
    """Nested settings as dotted keys; lists become JSON text."""
    flat: dict[str, str | int | float | bool | None] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            flat[prefix + key] = json.dumps(value, ensure_ascii=False)
        else:
            flat[prefix + key] = value
    return flat


def _field_location(error: ErrorDetails, data: Any) -> Location:
    """The field's own place: pydantic appends the branch of a union that it tried."""
    location: list[str] = []
    for part in error["loc"]:
        name = str(part)
        if isinstance(data, dict):
            location.append(name)
            data = data.get(name)
        elif isinstance(data, list) and isinstance(part, int):
            break
        elif not location or data is None:
            location.append(name)
        else:
            break
    return tuple(location)


def _names_at(keys: Sequence[str], location: Location) -> list[str]:
    """Names of the settings and groups beside `location`."""
    around = "".join(f"{part}." for part in location[:-1])
    return list(dict.fromkeys(key[len(around) :].split(".")[0] for key in keys if key.startswith(around)))


def _nearest_key(keys: Sequence[str], location: Location) -> str:
    name = location[-1] if location else ""
    around = "".join(f"{part}." for part in location[:-1])
    beside = _names_at(keys, location)
    if close := difflib.get_close_matches(name, beside, n=1):
        return f", did you mean {around}{close[0]}?"
    by_last_part = {key.rpartition(".")[2]: key for key in reversed(keys)}
    if close := difflib.get_close_matches(name, by_last_part, n=1):
        return f", did you mean {by_last_part[close[0]]}?"
    return f"; known here: {', '.join(beside)}"


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f", did you mean {close[0]}?" if close else ""


def _shown_value(value: Any) -> str:
    text = printable(repr(value) if isinstance(value, str) else json.dumps(value, default=str))
    return text if len(text) <= 60 else f"{text[:57]}..."
