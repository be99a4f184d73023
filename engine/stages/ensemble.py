"""ensemble: the weighted mean of members' probabilities, and an honest estimate of what it scores.

Shapes: M members, N videos, C classes.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config.stages import EnsembleConfig
from engine.data.predictions import Predictions, write_predictions
from engine.data.submission import write_submission
from engine.data.taxonomy import Taxonomy
from engine.ensembling import SEARCHES, Rescorer, bootstrap, cross_fitted, interval
from engine.errors import ConfigError, DataError
from engine.members import Member, classified, find_members, validation_of
from engine.metrics import HierarchicalScores
from engine.stages.context import RunContext
from engine.training.device import choose_compute

log = logging.getLogger(__name__)
REPORT_FILE = "ensemble.json"


def run(config: EnsembleConfig, context: RunContext) -> None:
    """Find weights, estimate, classify the split, write the submission."""
    if context.resumed:
        context.recorder.resumed(-1)
    compute = choose_compute(config.gpus, config.precision)
    members = find_members([context.workspace.resolve(path) for path in config.inputs.members])
    if config.weights.kind == "given" and len(config.weights.values) != len(members):
        raise ConfigError(
            f"weights.values: {len(config.weights.values)} weights for {len(members)} members "
            f"({', '.join(member.name for member in members)}); give one for each"
        )
    if config.weights.kind == "given" and not any(config.weights.values):
        raise ConfigError("weights.values: all are 0; give at least one member a weight")
    validation = [validation_of(member, config, context, compute) for member in members]
    without = [member.name for member, found in zip(members, validation, strict=True) if not found]
    if without and config.weights.kind in ("greedy", "coordinate"):
        raise ConfigError(
            f"weights.kind: {config.weights.kind} needs validation predictions and {', '.join(without)} has none "
            "(it was trained on all labelled videos, or only predicts); set weights.kind to equal or given"
        )
    if without:
        log.info("no estimate: %s has no validation predictions", ", ".join(without))
        weights_M = np.asarray(config.weights.values or np.ones(len(members)), np.float64)
        taxonomy = _taxonomy_of(members, validation)
    else:
        aligned = _aligned(members, validation)
        taxonomy = aligned.scorer.taxonomy
        weights_M = _estimate(config, context, members, aligned)
    if config.data.split is not None:
        ids, means = classified(members, config.data.split, config, context, compute, taxonomy)
        _submit(config, context, ids, _mixed(weights_M, np.stack(means)), taxonomy)


class _Aligned:
    """The videos that all members have validation predictions of."""

    def __init__(self, ids: list[str], scorer: Rescorer, folds_N: NDArray[np.int64]) -> None:
        self.ids = ids
        self.scorer = scorer
        self.folds_N = folds_N


def _aligned(members: Sequence[Member], validation: Sequence[Sequence[Predictions]]) -> _Aligned:
    """Members' validation predictions of the same videos in the same order.

    Raises:
        DataError: they have no videos in common, or classify into different classes.
    """
    _same_classes(members, validation)
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
    probabilities = np.stack(
        [
            np.stack([found[place[video][0]].probabilities[place[video][1]] for video in ids]).astype(
                np.float32
            )
            for found, place in zip(validation, places, strict=True)
        ]
    )
    labels, folds_N = np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64)
    for number, video in enumerate(ids):
        part, row = places[0][video]
        one = validation[0][part]
        assert one.labels is not None
        labels[number] = one.labels[row]
        folds_N[number] = part
    return _Aligned(ids, Rescorer(validation[0][0].taxonomy, probabilities, labels), folds_N)


def _same_classes(members: Sequence[Member], validation: Sequence[Sequence[Predictions]]) -> None:
    codes = validation[0][0].taxonomy.codes
    for member, found in zip(members, validation, strict=True):
        if any(one.taxonomy.codes != codes for one in found):
            raise DataError(
                f"inputs.members: {member.name} knows other classes than {members[0].name}; "
                "an ensemble is of models of the same data set"
            )


def _taxonomy_of(members: Sequence[Member], validation: Sequence[Sequence[Predictions]]) -> Taxonomy:
    from engine.models.checkpoint import load_spec

    for member, found in zip(members, validation, strict=True):
        if found:
            return found[0].taxonomy
        run = member.runs[0]
        if run.checkpoint is not None:
            return Taxonomy.from_dict(load_spec(run.checkpoint).taxonomy)
    return Predictions.open(members[0].runs[0].run_dir / "artifacts" / "predictions").taxonomy


def _estimate(
    config: EnsembleConfig, context: RunContext, members: Sequence[Member], aligned: _Aligned
) -> NDArray[np.float64]:
    """Weights, their honest score, and everything that is reported of them."""
    scorer = aligned.scorer
    searched = config.weights.kind in ("greedy", "coordinate")
    if config.weights.kind == "given":
        weights_M = np.asarray(config.weights.values, np.float64)
    else:
        weights_M = SEARCHES[config.weights.kind](scorer)
    in_sample_N = scorer.predict(weights_M)
    honest_N = in_sample_N
    if searched:
        honest_N = cross_fitted(scorer, aligned.folds_N, SEARCHES[config.weights.kind], config.seed)
    alone = [scorer.score(one) for one in np.eye(len(members))]
    best = int(np.argmax([scores.f1_mean for scores in alone]))
    recorder = context.recorder
    fold = int(aligned.folds_N[0]) if len(np.unique(aligned.folds_N)) == 1 else None
    told = {"y_true": scorer.labels_N, "taxonomy": scorer.taxonomy, "step": 0, "fold": fold}
    if searched:
        recorder.evaluation(split="in-sample", y_pred=in_sample_N, **told)  # type: ignore[arg-type]
    honest = recorder.evaluation(split="val", y_pred=honest_N, **told)  # type: ignore[arg-type]
    in_sample = scorer.f1_mean(weights_M)
    report: dict[str, Any] = {
        "videos": len(aligned.ids),
        "folds": len(np.unique(aligned.folds_N)),
        "weights": config.weights.kind,
        "members": [
            {
                "name": member.name,
                "runs": [one.run_dir.name for one in member.runs],
                "weight": float(weights_M[number]),
                **_scores(alone[number]),
                "without": _without(scorer, weights_M, number),
            }
            for number, member in enumerate(members)
        ],
        "ensemble": _scores(honest),
        "in_sample": in_sample,
        "selection_noise": in_sample - honest.f1_mean,
        "best_member": members[best].name,
        "gain": honest.f1_mean - alone[best].f1_mean,
    }
    if config.bootstrap:
        resampled = bootstrap(
            scorer, [honest_N, scorer.predict(np.eye(len(members))[best])], config.bootstrap, config.seed
        )
        span, gain = interval(resampled[:, 0]), interval(resampled[:, 0] - resampled[:, 1])
        report |= {"interval": [span.low, span.high], "gain_interval": [gain.low, gain.high]}
    _tell(report)
    recorder.log(
        0,
        {
            "ensemble/f1_mean": honest.f1_mean,
            "ensemble/in_sample": in_sample,
            "ensemble/best_member": alone[best].f1_mean,
            "ensemble/gain": report["gain"],
        }
        | {f"weight/{one['name']}": one["weight"] for one in report["members"]},
    )
    path = context.artifacts / REPORT_FILE
    path.write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
    recorder.artifact("report", path, f1_mean=honest.f1_mean, members=len(members))
    folder = context.artifacts / "predictions-val"
    mixed_NC = _mixed(weights_M, scorer.probabilities_MNC)
    write_predictions(folder, aligned.ids, mixed_NC, scorer.taxonomy, labels=scorer.labels_N)
    recorder.artifact("validation", folder, split="val", videos=len(aligned.ids))
    return weights_M


def _scores(scores: HierarchicalScores) -> dict[str, Any]:
    levels = [[level.f1_micro, level.f1_macro] for level in scores.levels]
    return {"f1_mean": scores.f1_mean, "levels": levels}


def _without(scorer: Rescorer, weights_M: NDArray[np.float64], member: int) -> float | None:
    """F1-mean of the others under their weights; None where nobody is left."""
    others = weights_M.copy()
    others[member] = 0
    return scorer.f1_mean(others) if others.any() else None


def _mixed(weights_M: NDArray[np.float64], probabilities_MNC: NDArray[np.float32]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = np.tensordot(
        (weights_M / weights_M.sum()).astype(np.float32), probabilities_MNC, axes=1
    )
    return mean


def _tell(report: dict[str, Any]) -> None:
    width = max(8, *(len(one["name"]) for one in report["members"]))
    levels = "  ".join(
        f"l{number} mic  l{number} mac" for number in range(1, 1 + len(report["ensemble"]["levels"]))
    )
    log.info("%s  weight  F1-mean  %s  without", "member".ljust(width), levels)
    for one in [*report["members"], report["ensemble"] | {"name": "ensemble"}]:
        scores = "  ".join(f"{value:6.4f}" for pair in one["levels"] for value in pair)
        weight = f"{one['weight']:6.2f}" if "weight" in one else " " * 6
        without = f"{one['without']:.4f}" if one.get("without") is not None else ""
        log.info("%s  %s   %.4f  %s  %s", one["name"].ljust(width), weight, one["f1_mean"], scores, without)
    log.info(
        "on %d videos; in sample %.4f, so about %.4f of it is selection noise; gain over %s %+.4f",
        report["videos"],
        report["in_sample"],
        max(0.0, report["selection_noise"]),
        report["best_member"],
        report["gain"],
    )
    if "interval" in report:
        log.info(
            "95%% interval of F1-mean %.4f to %.4f, of the gain %+.4f to %+.4f",
            *report["interval"],
            *report["gain_interval"],
        )


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
