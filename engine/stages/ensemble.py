"""ensemble: the weighted mean of members' probabilities, and an honest estimate of what it scores.

Shapes: M members, N videos, C classes.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config.stages import EnsembleConfig
from engine.data.predictions import Predictions, write_predictions
from engine.data.submission import write_submission
from engine.data.taxonomy import Taxonomy
from engine.ensemble_report import REPORT_FILE, log_report, scored_report, unscored_report
from engine.ensembling import SEARCHES, Rescorer, cross_fitted, weighted_mean
from engine.errors import ConfigError, DataError
from engine.member_predictions import classified, other_classes, taxonomy_of, validation_of
from engine.members import Member, find_members
from engine.stages.context import RunContext
from engine.training.device import choose_compute

log = logging.getLogger(__name__)
_SEARCHED = ("greedy", "coordinate")


def run(config: EnsembleConfig, context: RunContext) -> None:
    """Find weights, estimate, classify the split, write the submission."""
    if context.resumed:
        context.recorder.resumed(-1)
    compute = choose_compute(config.gpus, config.precision)
    workspace = context.workspace
    members = find_members([workspace.resolve(path) for path in config.inputs.members], workspace)
    _check_given(config, members)
    validation = validation_of(members, config, context, compute)
    without = [member.name for member, found in zip(members, validation, strict=True) if not found]
    if without and config.weights.kind in _SEARCHED:
        raise ConfigError(
            f"weights.kind: {config.weights.kind} needs validation predictions and {', '.join(without)} has none "
            "(it was trained on all labelled videos, or only predicts); set weights.kind to equal or given"
        )
    if without:
        log.info("no estimate: %s has no validation predictions", ", ".join(without))
        taxonomy = taxonomy_of(members[0].runs[0])
        given = config.weights.values if config.weights.kind == "given" else [1.0] * len(members)
        weights_M = np.asarray(given)
        _write_report(context, unscored_report(members, config.weights.kind, weights_M))
    else:
        aligned = _aligned(members, validation)
        taxonomy = aligned.scorer.taxonomy
        weights_M = _estimate(config, context, members, aligned)
    if config.data.split is not None:
        ids, means = classified(members, config.data.split, config, context, compute, taxonomy)
        _submit(config, context, ids, weighted_mean(weights_M, np.stack(means)), taxonomy)


def _check_given(config: EnsembleConfig, members: Sequence[Member]) -> None:
    values = config.weights.values
    if config.weights.kind == "given" and len(values) != len(members):
        raise ConfigError(
            f"weights.values: {len(values)} weights for {len(members)} members "
            f"({', '.join(member.name for member in members)}); give one for each"
        )
    if config.weights.kind == "given" and not any(values):
        raise ConfigError("weights.values: all are 0; give at least one member a weight")


@dataclass(frozen=True)
class _Aligned:
    """The videos that all members have validation predictions of; their fold, -1 where no member knows it."""

    ids: list[str]
    scorer: Rescorer
    folds_N: NDArray[np.int64]

    @property
    def fold(self) -> int | None:
        """The one fold that they are of."""
        found = np.unique(self.folds_N)
        return int(found[0]) if len(found) == 1 and found[0] >= 0 else None


def _aligned(members: Sequence[Member], validation: Sequence[Sequence[Predictions]]) -> _Aligned:
    """Members' validation predictions of the same videos in the same order.

    Raises:
        DataError: they have no videos in common, or classify into different classes.
    """
    taxonomy = validation[0][0].taxonomy
    for member, found in zip(members, validation, strict=True):
        if any(one.taxonomy.codes != taxonomy.codes for one in found):
            raise other_classes(member.name, members[0].name)
    places: list[dict[str, tuple[int, int]]] = [
        {video: (part, row) for part, one in enumerate(found) for row, video in enumerate(one.ids)}
        for found in validation
    ]
    ids = [video for video in places[0] if all(video in others for others in places[1:])]
    if not ids:
        folds = "; ".join(
            f"{member.name}: {sorted({str(run.fold) for run in member.runs})}" for member in members
        )
        raise DataError(
            f"inputs.members: no video is in the validation folds of all members ({folds}); give runs of the same folds"
        )
    probabilities_MNC = np.zeros((len(members), len(ids), len(taxonomy.codes)), np.float32)
    for number, (found, place) in enumerate(zip(validation, places, strict=True)):
        at = np.array([place[video] for video in ids])
        for part, one in enumerate(found):
            rows = np.flatnonzero(at[:, 0] == part)
            probabilities_MNC[number, rows] = one.probabilities[at[rows, 1]]
    labels_N, folds_N = _labels_and_folds(validation, places, ids)
    known = np.flatnonzero(labels_N >= 0)
    return _Aligned(
        [ids[row] for row in known],
        Rescorer(taxonomy, probabilities_MNC[:, known], labels_N[known]),
        folds_N[known],
    )


def _labels_and_folds(
    validation: Sequence[Sequence[Predictions]],
    places: Sequence[dict[str, tuple[int, int]]],
    ids: Sequence[str],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """True leaves [N], and folds [N] as the first member has them that knows of folds."""
    told = [all(isinstance(one.meta.get("fold"), int) for one in found) for found in validation]
    knowing = told.index(True) if any(told) else None
    labels_N, folds_N = np.zeros(len(ids), np.int64), np.full(len(ids), -1)
    for number, video in enumerate(ids):
        part, row = places[0][video]
        labels = validation[0][part].labels
        assert labels is not None
        labels_N[number] = labels[row]
        if knowing is not None:
            folds_N[number] = validation[knowing][places[knowing][video][0]].meta["fold"]
    return labels_N, folds_N


def _estimate(
    config: EnsembleConfig, context: RunContext, members: Sequence[Member], aligned: _Aligned
) -> NDArray[np.float64]:
    """Weights, their honest score, and everything that is reported of them."""
    scorer, recorder, kind = aligned.scorer, context.recorder, config.weights.kind
    weights_M = np.asarray(config.weights.values) if kind == "given" else SEARCHES[kind](scorer)
    in_sample_N = scorer.predict(weights_M)
    told: dict[str, Any] = {
        "y_true": scorer.labels_N,
        "taxonomy": scorer.taxonomy,
        "step": 0,
        "fold": aligned.fold,
    }
    honest_N, honest_NC = in_sample_N, weighted_mean(weights_M, scorer.probabilities_MNC)
    if kind in _SEARCHED:
        recorder.evaluation(split="in-sample", y_pred=in_sample_N, **told)
        honest_NC = cross_fitted(scorer, aligned.folds_N, SEARCHES[kind], config.seed)
        honest_N = honest_NC.argmax(axis=1)
    honest = recorder.evaluation(split="val", y_pred=honest_N, **told)
    report = scored_report(
        members,
        kind,
        weights_M,
        scorer,
        honest_N,
        honest,
        folds=len(np.unique(aligned.folds_N)),
        resamples=config.bootstrap,
        seed=config.seed,
    )
    log_report(report)
    recorder.log(
        0,
        {
            "ensemble/f1_mean": honest.f1_mean,
            "ensemble/in_sample": report["in_sample"],
            "ensemble/best_member": max(one["f1_mean"] for one in report["members"]),
            "ensemble/gain": report["gain"],
        }
        | {f"ensemble/weight/{one['name']}": one["weight"] for one in report["members"]},
    )
    _write_report(context, report)
    folder = context.artifacts / "predictions-val"
    # Those of the honest estimate: an ensemble that has this one as a member must not see them flattered.
    write_predictions(
        folder, aligned.ids, honest_NC, scorer.taxonomy, labels=scorer.labels_N, fold=aligned.fold
    )
    recorder.artifact("validation", folder, split="val", videos=len(aligned.ids), fold=aligned.fold)
    return weights_M


def _write_report(context: RunContext, report: dict[str, Any]) -> None:
    path = context.artifacts / REPORT_FILE
    path.write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
    f1_mean = report["ensemble"]["f1_mean"] if report["ensemble"] else None
    context.recorder.artifact("report", path, f1_mean=f1_mean, members=len(report["members"]))


def _submit(
    config: EnsembleConfig,
    context: RunContext,
    ids: Sequence[str],
    probabilities_NC: NDArray[np.float32],
    taxonomy: Taxonomy,
) -> None:
    split = config.data.split
    folder = context.artifacts / "predictions"
    write_predictions(folder, ids, probabilities_NC, taxonomy, split=split)
    submission: Path = context.artifacts / "submission.csv"
    write_submission(submission, ids, [taxonomy.codes[leaf] for leaf in probabilities_NC.argmax(axis=1)])
    context.recorder.artifact("predictions", folder, split=split, videos=len(ids))
    context.recorder.artifact("submission", submission, split=split, videos=len(ids))
