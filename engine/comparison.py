"""Two or more runs beside each other: settings, scores at their best, classes, inputs, code and machine."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from engine.class_report import best_evaluation
from engine.errors import DataError, RunError
from engine.store.views import ClassScore, EvaluationRow, MetricSummary, RunDetail, RunRow
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.store.database import Store

_NAMES = {"name", "notes", "tags", "inputs"}  # settings that name a run, or are compared as its inputs
_CODE = ("git_sha", "git_dirty", "git_untracked_code", "patch")
_NOT_ENVIRONMENT = {"command", "cwd", "packages", *_CODE}


@dataclass(frozen=True, slots=True)
class Fact:
    """A setting, input or circumstance: its value by run id, for the runs that have it. None and no value are alike."""

    key: str
    values: Mapping[int, Any]
    differs: bool


@dataclass(frozen=True, slots=True)
class Score:
    """A score by run id, for the runs that have it; `best` has those of the best value where it tells runs apart."""

    name: str
    values: Mapping[int, float]
    best: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ClassChange:
    """A class in the base run and in another; None where a run was not scored on the class."""

    level: int
    category: str
    base: ClassScore | None
    other: ClassScore | None

    @property
    def change(self) -> float | None:
        """How much F1 the other run gains over the base, below zero where it loses; None where one has no F1."""
        if self.base is None or self.other is None:
            return None
        change = self.other.f1 - self.base.f1
        return change if math.isfinite(change) else None

    @property
    def support(self) -> int:
        """Videos of the class."""
        known = self.base or self.other
        return known.support if known is not None else 0


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A run, its best validation pass with the classes' scores, its series, and where its epochs lie."""

    run: RunRow
    evaluation: EvaluationRow | None
    classes: tuple[ClassScore, ...]
    metrics: tuple[MetricSummary, ...]
    steps_per_epoch: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs in the order in which they were named; `gone` are ids of those that are not there any more.

    `notes` say what makes the scores less comparable than they look.
    """

    runs: tuple[ComparedRun, ...]
    config: tuple[Fact, ...] = ()
    scores: tuple[Score, ...] = ()
    inputs: tuple[Fact, ...] = ()
    environment: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = field(default=())
    gone: tuple[int, ...] = field(default=())

    def run(self, run_id: int) -> ComparedRun | None:
        """One of the runs."""
        return next((one for one in self.runs if one.run.id == run_id), None)


def compare(store: "Store", run_ids: Sequence[int], *, skip_gone: bool = False) -> Comparison:
    """Runs beside each other, each at its best validation evaluation.

    Raises:
        RunError: a run is not there, or was deleted; with `skip_gone` it is left out and told instead.
    """
    from engine.store.queries import run_detail

    details: list[RunDetail] = []
    gone: list[int] = []
    for run_id in dict.fromkeys(run_ids):
        try:
            details.append(run_detail(store, run_id))
        except RunError:
            if not skip_gone:
                raise
            gone.append(run_id)
    runs = tuple(_compared(store, detail) for detail in details)
    return Comparison(
        runs=runs,
        config=_facts({one.run.id: dict(_settings(one.config)) for one in details}),
        scores=_scores(runs),
        inputs=_facts({one.run.id: _inputs(one) for one in details}),
        environment=_facts({one.run.id: _environment(one) for one in details}),
        notes=tuple(_notes(runs)),
        gone=tuple(gone),
    )


def class_changes(base: ComparedRun, other: ComparedRun) -> tuple[ClassChange, ...]:
    """Every class's gain or loss against the base, the largest first; last what cannot be compared."""
    ours = {(one.level, one.category): one for one in base.classes}
    theirs = {(one.level, one.category): one for one in other.classes}
    changes = [
        ClassChange(level, category, ours.get((level, category)), theirs.get((level, category)))
        for level, category in dict.fromkeys(chain(ours, theirs))
    ]
    return tuple(sorted(changes, key=lambda one: (-abs(one.change or 0.0), one.change is None)))


def class_names(workspace: Workspace, store: "Store", run_ids: Sequence[int]) -> dict[str, str]:
    """Names of classes by code, as far as the runs or their data know them; what cannot be read names nothing."""
    from engine.confusions import confusions_of
    from engine.data.categories import CATEGORIES_FILE, load_categories
    from engine.store.queries import run_detail

    names: dict[str, str] = {}
    for run_id in run_ids:
        try:
            known: Mapping[str, str] = confusions_of(workspace, store, run_id).names
            if not known:
                root = run_detail(store, run_id).config.get("data", {}).get("root")
                data = load_categories(workspace.resolve(root) / CATEGORIES_FILE) if root else None
                known = data.names if data is not None else {}
        except (RunError, DataError):
            continue
        names = {**known, **names}
    return names


def _compared(store: "Store", detail: RunDetail) -> ComparedRun:
    from engine.store.queries import class_scores

    passes = [one for one in detail.evaluations if one.split == "val"]
    best = best_evaluation(passes) or (passes[-1] if passes else None)
    return ComparedRun(
        run=detail.run,
        evaluation=best,
        classes=class_scores(store, best.id) if best is not None else (),
        metrics=detail.metrics,
        steps_per_epoch=_steps_per_epoch(detail),
    )


def _steps_per_epoch(detail: RunDetail) -> float | None:
    progress = detail.run.progress
    training = detail.config.get("training")
    epochs = training.get("epochs") if isinstance(training, dict) else None
    if progress is not None and progress.unit == "step" and isinstance(epochs, int) and epochs > 0:
        return progress.total / epochs if progress.total > 0 else None
    ends = [one for one in detail.evaluations if one.epoch and one.step > 0]
    return ends[-1].step / ends[-1].epoch if ends and ends[-1].epoch else None


def _facts(of_runs: Mapping[int, Mapping[str, Any]]) -> tuple[Fact, ...]:
    facts = []
    for key in dict.fromkeys(chain.from_iterable(of_runs.values())):
        values = {run_id: known[key] for run_id, known in of_runs.items() if key in known}
        first, *others = (values.get(run_id) for run_id in of_runs)
        facts.append(Fact(key, values, any(not _same(first, other) for other in others)))
    return tuple(facts)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _settings(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, dict) and value and (prefix or key not in _NAMES):
            yield from _settings(value, f"{prefix}{key}.")
        elif prefix or key not in _NAMES:
            yield prefix + key, value


def _inputs(detail: RunDetail) -> dict[str, Any]:
    """What each role was given: `7 features`, `9 pretrain@last`, or a path as the config has it."""
    given: dict[str, list[str]] = {}
    for item in detail.inputs:
        which = f"@{item.which}" if item.which else ""
        given.setdefault(item.role, []).append(f"{item.source_run} {item.source_name}{which}")
    paths = detail.config.get("inputs")
    roles: dict[str, Any] = dict(paths) if isinstance(paths, dict) else {}
    return roles | {role: names[0] if len(names) == 1 else names for role, names in given.items()}


def _environment(detail: RunDetail) -> dict[str, Any]:
    """Code first, then the machine and the versions; packages one by one, but those that have a line already."""
    env: dict[str, Any] = dict(detail.env)
    patch = next((one.sha256[:12] for one in reversed(detail.artifacts) if one.kind == "patch"), None)
    facts = {key: env.get(key) for key in _CODE} | {"patch": patch}
    facts |= {key: value for key, value in env.items() if key not in _NOT_ENVIRONMENT}
    for line in str(env.get("packages") or "").splitlines():
        name, _, version = line.partition("==")
        if name and name not in env:
            facts[f"package {name}"] = version
    return {key: value for key, value in facts.items() if value is not None}


def _scores(runs: Sequence[ComparedRun]) -> tuple[Score, ...]:
    levels = sorted({level.level for one in runs if one.evaluation for level in one.evaluation.levels})
    rows: dict[str, dict[int, float | None]] = {"f1_mean": {}}
    for level in levels:
        rows |= {f"l{level} {short}": {} for short in ("micro", "macro", "accuracy")}
    rows["loss"] = {}
    for one in runs:
        run_id, evaluation = one.run.id, one.evaluation
        if evaluation is None:
            rows["f1_mean"][run_id] = one.run.f1_mean
            continue
        rows["f1_mean"][run_id] = evaluation.f1_mean
        rows["loss"][run_id] = evaluation.loss
        for scores in evaluation.levels:
            rows[f"l{scores.level} micro"][run_id] = scores.f1_micro
            rows[f"l{scores.level} macro"][run_id] = scores.f1_macro
            rows[f"l{scores.level} accuracy"][run_id] = scores.accuracy
    return tuple(_score(name, values, lower=name == "loss") for name, values in rows.items())


def _score(name: str, values: Mapping[int, float | None], *, lower: bool) -> Score:
    known = {run_id: value for run_id, value in values.items() if value is not None and math.isfinite(value)}
    top = (min if lower else max)(known.values(), default=None)
    best = tuple(run_id for run_id, value in known.items() if value == top)
    return Score(name, known, best if len(best) < len(known) else ())


def _notes(runs: Sequence[ComparedRun]) -> Iterator[str]:
    scored = [one for one in runs if one.evaluation is not None]
    for one in runs:
        if one.evaluation is None:
            yield f"{one.run.id} {one.run.name} has no validation scores"
    folds = {one.run.id: one.evaluation.fold for one in scored if one.evaluation is not None}
    if len(set(folds.values())) > 1:
        told = ", ".join(
            f"{run_id} on {'all folds' if fold is None else f'fold {fold}'}" for run_id, fold in folds.items()
        )
        yield f"scored on different videos: {told}"
    elif len({_videos(one) for one in scored if one.classes}) > 1:
        yield "scored on different videos: the numbers of videos by class differ"


def _videos(one: ComparedRun) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((score.category, score.support) for score in one.classes if score.support))
