"""What a run takes for what: the confusions beside its validation predictions, and the names of its classes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import DataError
from engine.store.database import Store
from engine.store.queries import artifact_of, run_row
from engine.workspace import Workspace


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
    folder = workspace.root / run_row(store, run_id).directory / made.path
    names = {str(code): str(name) for code, name in _read(folder / "taxonomy.json").get("names", {}).items()}
    wrong: dict[str, list[tuple[str, int]]] = {}
    for pairs in _read(folder / "confusion.json").values():
        for true, predicted, number in pairs:
            if true != predicted:
                wrong.setdefault(str(true), []).append((str(predicted), int(number)))
    return Confusions(names, {code: tuple(answers) for code, answers in wrong.items()})


def _read(path: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: confusions cannot be read ({error}); run the evaluation again") from error
    return data
