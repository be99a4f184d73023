"""Members weighed by hand: what they predicted is loaded once, then scored under any weights, or searched.

Nothing here needs torch: members whose runs wrote no validation predictions are left out, not classified.

Shapes: M members, N videos, C classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config.stages import EnsembleConfig
from engine.data.predictions import Predictions
from engine.ensemble.agreement import Agreement, ClassFixes, agreement, class_fixes
from engine.ensemble.members import Member, find_members
from engine.ensemble.plan import check_classifies
from engine.ensemble.report import scored_report
from engine.ensemble.search import Watch, searched
from engine.ensemble.validation import Aligned, aligned, written_validation
from engine.errors import DataError, ReeltopError, RunError
from engine.format import printable
from engine.metrics import HierarchicalScores
from engine.store.database import Store
from engine.store.queries import run_detail
from engine.store.views import RunDetail, Status
from engine.supervisor.needs import output_of
from engine.supervisor.rows import Source
from engine.workspace import Workspace

_RESAMPLES = 200
_SEED = EnsembleConfig.model_fields["seed"].default  # so that an ensemble run searches and resamples alike

Told = Callable[[int, int, str], None]  # done, total, what is being loaded


@dataclass(frozen=True)
class Gathered:
    """Members that can be averaged, with their predictions of the videos that all of them have.

    Attributes:
        run_ids: of each member its runs.
        notes: one line for each run or member that is left out, or that is here only in part.
        data: None where there are no members.
    """

    members: tuple[Member, ...] = ()
    run_ids: tuple[tuple[int, ...], ...] = ()
    notes: tuple[str, ...] = ()
    data: Aligned | None = None

    @property
    def aligned(self) -> Aligned:
        """The predictions.

        Raises:
            DataError: there are no members.
        """
        if self.data is None:
            raise DataError("an ensemble needs members: choose runs that have validation predictions")
        return self.data

    @cached_property
    def alone(self) -> tuple[HierarchicalScores, ...]:
        """Each member's own scores."""
        scorer = self.aligned.scorer
        return tuple(scorer.score(one) for one in np.eye(len(self.members)))

    @cached_property
    def answers(self) -> NDArray[np.int64]:
        """Each member's answers, leaf indices int64 [M, N]."""
        scorer = self.aligned.scorer
        return np.stack([scorer.predict(one) for one in np.eye(len(self.members))])

    @cached_property
    def agreement(self) -> Agreement:
        """How alike the members answer."""
        scorer = self.aligned.scorer
        return agreement(self.answers, scorer.labels_N, len(scorer.taxonomy.codes))

    @cached_property
    def best(self) -> int:
        """The member that scores best alone."""
        return int(np.argmax([scores.f1_mean for scores in self.alone]))

    @property
    def videos(self) -> int:
        """Number of videos that all members have predictions of."""
        return len(self.aligned.ids)

    @property
    def levels(self) -> int:
        """Number of levels of the taxonomy."""
        return self.aligned.scorer.taxonomy.levels


@dataclass(frozen=True)
class Weighed:
    """What some weights are worth.

    Attributes:
        without: F1-mean without each member; None where no other has a weight.
        fixes: of each level, coarsest first, what the ensemble makes right or wrong against the best member.
    """

    weights: tuple[float, ...]
    scores: HierarchicalScores
    without: tuple[float | None, ...]
    fixes: tuple[tuple[ClassFixes, ...], ...]


def gather(workspace: Workspace, store: Store, run_ids: Sequence[int], told: Told) -> Gathered:
    """Load the validation predictions of runs; whatever does not fit is left out, with a note that says why."""
    notes: list[str] = []
    paths, known = [], {}
    for number, run_id in enumerate(dict.fromkeys(run_ids)):
        told(number, 2 * len(run_ids), f"run {run_id}")
        try:
            detail = run_detail(store, run_id)
            path = _output(workspace, store, detail)
            find_members([path], workspace)
        except (ReeltopError, OSError) as error:
            notes.append(f"left out: {_reason(error)}")
            continue
        paths.append(path)
        known[path.parent.parent] = run_id
    found: list[_Loaded] = []
    for number, member in enumerate(find_members(paths, workspace) if paths else ()):
        told(len(paths) + number, 2 * len(paths), member.name)
        loaded = _loaded(member, notes)
        if isinstance(loaded, str):
            notes.append(f"left out: {loaded}")
        else:
            found.append(loaded)
    fitting = _fitting(found, notes)
    told(1, 1, "")
    return Gathered(
        tuple(one.member for one in fitting),
        tuple(tuple(known[run.run_dir] for run in one.member.runs) for one in fitting),
        tuple(notes),
        aligned([one.member for one in fitting], [one.predictions for one in fitting]) if fitting else None,
    )


def weigh(gathered: Gathered, weights: Sequence[float]) -> Weighed:
    """Score the members under weights, all of them and without each; one weight must be above 0."""
    data = gathered.aligned
    scorer = data.scorer
    predicted_N = scorer.predict(weights)
    scores = scorer.score_of(predicted_N)
    without = [
        None if len(one) and one[0] < 0 else scorer.f1_mean_of(one) for one in scorer.predict_without(weights)
    ]
    best_N = gathered.answers[gathered.best]
    fixes = [
        class_fixes(scorer.taxonomy, level, scorer.labels_N, best_N, predicted_N)
        for level in range(1, gathered.levels + 1)
    ]
    return Weighed(tuple(weights), scores, tuple(without), tuple(fixes))


def given_report(gathered: Gathered, weights: Sequence[float]) -> dict[str, Any]:
    """The report of an ensemble run (see `engine.ensemble.report`) on given weights: how sure their score is."""
    scorer = gathered.aligned.scorer
    weights_M = np.asarray(weights, np.float64)
    predicted_N = scorer.predict(weights_M)
    return _report(gathered, "given", weights_M, predicted_N)


def search_report(gathered: Gathered, kind: str, watch: Watch) -> dict[str, Any]:
    """The report of an ensemble run on weights that a search finds: its `ensemble` scores are cross-fitted ones.

    Args:
        watch: told which share is done; what it raises ends the search.
    """
    data = gathered.aligned
    weights_M, honest_NC = searched(data.scorer, data.folds_N, kind, _SEED, watch)
    return _report(gathered, kind, weights_M, honest_NC.argmax(axis=1))


def _report(
    gathered: Gathered, kind: str, weights_M: NDArray[np.float64], honest_N: NDArray[np.int64]
) -> dict[str, Any]:
    data = gathered.aligned
    return scored_report(
        gathered.members,
        kind,
        weights_M,
        data.scorer,
        honest_N,
        data.scorer.score_of(honest_N),
        folds=len(np.unique(data.folds_N)),
        resamples=_RESAMPLES,
        seed=_SEED,
    )


def _output(workspace: Workspace, store: Store, detail: RunDetail) -> Path:
    """The checkpoint or predictions with which an ensemble run would take this run as a member."""
    run = detail.run
    check_classifies(detail)
    if run.status is not Status.FINISHED:
        raise RunError(
            f"run {run.id} {printable(run.name)} is {run.status}: only finished runs can be members"
        )
    source = Source("members", None, run.id, run.name, run.directory, run.status, deleted=False)
    return workspace.resolve(f"{run.directory}/{output_of(store, source)}")


@dataclass(frozen=True)
class _Loaded:
    """A member with the predictions of its runs, and the labelled videos that these are of."""

    member: Member
    predictions: list[Predictions]
    ids: set[str]

    @property
    def codes(self) -> tuple[str, ...]:
        return self.predictions[0].taxonomy.codes

    def goes_with(self, other: "_Loaded") -> bool:
        """They know the same classes, and share a video."""
        return self.codes == other.codes and not self.ids.isdisjoint(other.ids)


def _loaded(member: Member, notes: list[str]) -> _Loaded | str:
    """The member with those of its runs that wrote predictions, or why there are none; each other run is a note."""
    name = printable(member.name)
    runs, found, without = [], [], []
    for run in member.runs:
        try:
            predictions = written_validation(run.classifier or run)
        except (DataError, OSError) as error:
            without.append(_reason(error))
            continue
        if predictions is not None:
            runs.append(run)
            found.append(predictions)
            continue
        why = (
            "it was trained on all labelled videos"
            if run.fold == "full"
            else "none are there of its checkpoint"
        )
        without.append(f"{printable(run.config.name)}: no validation predictions ({why})")
    if not found:
        return f"{name}: {without[0]}" if len(member.runs) > 1 else without[0]
    notes += [f"left out of {name}: {reason}" for reason in without]
    if any(one.taxonomy.codes != found[0].taxonomy.codes for one in found):
        return f"{name}: its folds know different classes"
    ids = _labelled(found)
    return _Loaded(Member(member.name, runs), found, ids) if ids else f"{name}: its videos have no labels"


def _labelled(predictions: Sequence[Predictions]) -> set[str]:
    return {
        video
        for one in predictions
        if one.labels is not None
        for video, label in zip(one.ids, one.labels.tolist(), strict=True)
        if label >= 0
    }


def _fitting(found: Sequence[_Loaded], notes: list[str]) -> list[_Loaded]:
    """Members that can be averaged with the one that goes with most others; of the rest, a note says why not."""
    if not found:
        return []
    first = max(found, key=lambda one: sum(one.goes_with(other) for other in found))
    name = printable(first.member.name)
    shared = set(first.ids)
    fitting = []
    for one in found:
        if one.codes != first.codes:
            notes.append(f"left out: {printable(one.member.name)}: knows other classes than {name}")
        elif shared.isdisjoint(one.ids):
            notes.append(
                f"left out: {printable(one.member.name)}: no validation video in common with {name} and the others"
            )
        else:
            shared &= one.ids
            fitting.append(one)
    return fitting


def _reason(error: Exception) -> str:
    return printable(str(error))
