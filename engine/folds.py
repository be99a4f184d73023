"""Which runs are folds of one model, by their configs alone."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

# Neither what a run is called, nor when and where it runs, makes it another model.
_IDLE = {"name", "experiment", "tags", "notes", "priority", "gpus"}
_FOLD = re.compile(r"(?<=.)[-_. ]?fold[-_. ]?\d+")


def model_of(config: Mapping[str, Any], inputs: Any) -> str:
    """The model that a run is of: equal for runs that differ in nothing but their validation fold.

    Args:
        config: a run's config as plain data.
        inputs: what stands for its inputs; an input that has a fold of its own should be given as its `model_of`.
    """
    settings = {key: value for key, value in config.items() if key not in _IDLE} | {"inputs": inputs}
    data = {key: value for key, value in config.get("data", {}).items() if key != "workers"}
    if "fold" in data:
        data["fold"] = "full" if data["fold"] == "full" else None
    return json.dumps(settings | {"data": data}, sort_keys=True)


def together(models: Sequence[str], folds: Sequence[object]) -> list[list[int]]:
    """Positions of the runs of each model, in the order of their first; a fold that comes twice makes it two models."""
    groups: list[list[int]] = []
    of_model: dict[str, list[list[int]]] = {}
    for position, (model, fold) in enumerate(zip(models, folds, strict=True)):
        known = of_model.setdefault(model, [])
        wanting = [group for group in known if fold not in [folds[other] for other in group]]
        if isinstance(fold, int) and wanting:
            wanting[0].append(position)
            continue
        known.append([position])
        groups.append(known[-1])
    return groups


def name_together(names: Sequence[str]) -> str:
    """What the folds of a model are called: svm for svm-fold0 and svm-fold1."""
    stems = {_FOLD.sub("", name) for name in names}
    return stems.pop() if len(names) > 1 and len(stems) == 1 else names[0]
