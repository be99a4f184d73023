"""What a run takes for what: the confusions beside its validation predictions, and the names of its classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from engine.data.regular import require_regular
from engine.errors import DataError
from engine.format import brief, size
from engine.store.database import Store
from engine.store.queries import artifact_of, run_row
from engine.workspace import Workspace

_MOST_BYTES = 64 << 20
_File = TypeVar("_File")


class _Classes(msgspec.Struct):
    """What `taxonomy.json` says of names."""

    names: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Confusions:
    """Of each class, by its code at any level: its name, and its wrong answers with their number, the most first."""

    names: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)


def confusions_of(workspace: Workspace, store: Store, run_id: int) -> Confusions:
    """The confusions of a run's best state; empty where it has no validation predictions.

    Raises:
        RunError: there is no such run.
        DataError: the files beside the predictions are broken.
    """
    made = artifact_of(store, run_id, "validation")
    if made is None:
        return Confusions()
    return read_confusions(workspace.root / run_row(store, run_id).directory / made.path)


def read_confusions(folder: Path) -> Confusions:
    """The confusions beside predictions.

    Raises:
        DataError: the files are missing or broken.
    """
    names = _read(folder / "taxonomy.json", _Classes).names
    wrong: dict[str, list[tuple[str, int]]] = {}
    for pairs in _read(folder / "confusion.json", dict[str, list[tuple[str, str, int]]]).values():
        for true, predicted, number in pairs:
            if true != predicted:
                wrong.setdefault(true, []).append((predicted, number))
    return Confusions(names, {code: tuple(answers) for code, answers in wrong.items()})


def _read(path: Path, kind: type[_File]) -> _File:
    require_regular(path)
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ValueError(f"larger than {size(_MOST_BYTES)}")
        return msgspec.json.decode(data, type=kind)
    except (OSError, ValueError, RecursionError) as error:
        reason = brief(str(error), 200)
        raise DataError(f"{path}: confusions cannot be read ({reason}); run the evaluation again") from error
