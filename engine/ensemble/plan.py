"""From finished runs to the config of their ensemble: what the command line and the interface share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.config.stages import EnsembleConfig
from engine.errors import ConfigError, RunError
from engine.folds import model_of, name_together, together
from engine.format import printable
from engine.store.views import RunDetail, RunRow
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.store.database import Store

CLASSIFYING = ("finetune", "baseline", "predict", "ensemble")


def ensemble_config(
    workspace: Workspace,
    members: Sequence[str],
    details: Sequence[RunDetail],
    weights: Mapping[str, Any],
    name: str,
) -> EnsembleConfig:
    """An ensemble on the first member's data set, of its test split where there is one.

    Args:
        members: references to the runs, such as `12` or `12@last`.
        details: the same runs.
        weights: the config's `weights`.

    Raises:
        ConfigError: a run classifies nothing.
    """
    for detail in details:
        check_classifies(detail)
    data: dict[str, Any] = {}
    if root := next((root for one in details if (root := one.config.get("data", {}).get("root"))), None):
        data["root"] = root
        if not (workspace.resolve(root) / "annotations" / "test.json").is_file():
            data["split"] = None
    return EnsembleConfig.model_validate(
        {
            "stage": "ensemble",
            "name": name,
            "gpus": max(one.run.gpus for one in details),
            "data": data,
            "inputs": {"members": list(members)},
            "weights": dict(weights),
        }
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that could be a member, or the folds of one model; `f1_mean` is the mean over them, where it is known."""

    name: str
    runs: tuple[RunRow, ...]
    f1_mean: float | None


def candidates(store: "Store") -> tuple[Candidate, ...]:
    """The newest finished runs with predictions, the folds of a model together, newest first."""
    from engine.store.queries import predicting_runs, run_detail

    details = []
    models = []
    for run in predicting_runs(store):
        try:
            detail = run_detail(store, run.id)
            models.append(_model(store, detail))
        except RunError:
            # Deleted meanwhile, or what it builds on was: it is told from other runs by its id alone.
            models.append(f"run {run.id}")
            detail = RunDetail(run, {}, {})
        details.append(detail)
    folds = [detail.config.get("data", {}).get("fold") for detail in details]
    found = []
    for group in together(models, folds):
        runs = tuple(details[position].run for position in group)
        scores = [run.f1_mean for run in runs if run.f1_mean is not None]
        name = name_together([run.name for run in runs])
        found.append(Candidate(name, runs, sum(scores) / len(scores) if scores else None))
    return tuple(found)


def check_classifies(detail: RunDetail) -> None:
    """Whether a run can be a member.

    Raises:
        ConfigError: it classifies nothing.
    """
    if detail.run.stage not in CLASSIFYING:
        raise ConfigError(
            f"run {detail.run.id} {printable(detail.run.name)} is of stage {detail.run.stage}, which classifies "
            f"nothing; name {', '.join(CLASSIFYING[:-1])} or {CLASSIFYING[-1]} runs"
        )


def group_members(store: "Store", details: Sequence[RunDetail]) -> list[list[int]]:
    """Positions of the runs of each member, folds of one model together.

    Raises:
        RunError: a run that one builds on is gone.
    """
    return together(
        [_model(store, one) for one in details], [one.config.get("data", {}).get("fold") for one in details]
    )


def member_names(store: "Store", details: Sequence[RunDetail]) -> list[str]:
    """What the weights are of: the runs, folds of one model together.

    Raises:
        RunError: a run that one builds on is gone.
    """
    return [
        name_together([details[position].run.name for position in group])
        for group in group_members(store, details)
    ]


def _model(store: "Store", detail: RunDetail) -> str:
    """The model that a run is of; inputs that have a fold of their own count as their models."""
    from engine.store.queries import run_detail

    roles = {given.role for given in detail.inputs}
    folders = {role: path for role, path in detail.config.get("inputs", {}).items() if role not in roles}
    inputs: list[Any] = [folders]
    for given in detail.inputs:
        source = run_detail(store, given.source_run)
        own_fold = "fold" in source.config.get("data", {})
        inputs.append([given.role, given.which, _model(store, source) if own_fold else source.run.id])
    return model_of(detail.config, inputs)
