"""What an ensemble tells of itself: members' scores beside its own, what each brings, how sure the gain is.

Shapes: M members, N videos.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.ensemble.members import Member
from engine.ensemble.search import Rescorer, bootstrap, interval
from engine.ensemble.text import SEARCH_NAMES, shown_name
from engine.metrics import HierarchicalScores

log = logging.getLogger(__name__)
REPORT_FILE = "ensemble.json"


def unscored_report(members: Sequence[Member], kind: str, weights_M: NDArray[np.float64]) -> dict[str, Any]:
    """The report where nothing can be estimated: members and weights alone; `ensemble` is None."""
    return {
        "weights": kind,
        "members": [_named(member, weight) for member, weight in zip(members, weights_M, strict=True)],
        "ensemble": None,
    }


def scored_report(
    members: Sequence[Member],
    kind: str,
    weights_M: NDArray[np.float64],
    scorer: Rescorer,
    honest_N: NDArray[np.int64],
    honest: HierarchicalScores,
    *,
    folds: int,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """The report as plain data; a member's `levels` are [micro F1, macro F1] of each, `without` the F1-mean without it.

    Args:
        honest_N: predictions that were made by weights searched without the video, and their scores.
        folds: number of validation folds that the videos are of.
        resamples: of the bootstrap; 0 leaves the intervals out.
    """
    alone = [scorer.score(one) for one in np.eye(len(members))]
    best = int(np.argmax([scores.f1_mean for scores in alone]))
    in_sample = scorer.f1_mean(weights_M)
    report: dict[str, Any] = {
        "videos": len(scorer.labels_N),
        "folds": folds,
        "weights": kind,
        "members": [
            _named(member, weights_M[number])
            | _scores(alone[number])
            | {"without": _without(scorer, weights_M, number)}
            for number, member in enumerate(members)
        ],
        "ensemble": _scores(honest),
        "in_sample": in_sample,
        "equal": scorer.f1_mean(np.ones(len(members))),
        "selection_noise": in_sample - honest.f1_mean,
        "best_member": members[best].name,
        "gain": honest.f1_mean - alone[best].f1_mean,
    }
    if resamples:
        best_N = scorer.predict(np.eye(len(members))[best])
        resampled = bootstrap(scorer, [honest_N, best_N], resamples, seed)
        span, gain = interval(resampled[:, 0]), interval(resampled[:, 0] - resampled[:, 1])
        report |= {"interval": [span.low, span.high], "gain_interval": [gain.low, gain.high]}
    return report


def log_report(report: dict[str, Any]) -> None:
    """A table for people in the run's log."""
    names = [shown_name(one) for one in report["members"]]
    width = max(8, *map(len, names))
    levels = "  ".join(
        f"l{number} mic  l{number} mac" for number in range(1, 1 + len(report["ensemble"]["levels"]))
    )
    log.info("%s  weight  F1-mean  %s  without", "member".ljust(width), levels)
    for name, one in zip([*names, "ensemble"], [*report["members"], report["ensemble"]], strict=True):
        scores = "  ".join(f"{value:6.4f}" for pair in one["levels"] for value in pair)
        weight = f"{one['weight']:6.2f}" if "weight" in one else " " * 6
        without = f"{one['without']:.4f}" if one.get("without") is not None else ""
        log.info("%s  %s   %.4f  %s  %s", name.ljust(width), weight, one["f1_mean"], scores, without)
    log.info(
        "on %d videos; in sample %.4f, so about %.4f of it is selection noise; gain over %s %+.4f",
        report["videos"],
        report["in_sample"],
        max(0.0, report["selection_noise"]),
        report["best_member"],
        report["gain"],
    )
    if report["weights"] in SEARCH_NAMES and report["equal"] >= report["ensemble"]["f1_mean"]:
        log.info("equal weights score %.4f: the search found nothing better", report["equal"])
    if "interval" in report:
        log.info(
            "95%% interval of F1-mean %.4f to %.4f, of the gain %+.4f to %+.4f",
            *report["interval"],
            *report["gain_interval"],
        )


def _named(member: Member, weight: float) -> dict[str, Any]:
    return {
        "name": member.name,
        "runs": [one.run_dir.name for one in member.runs],
        "weight": float(weight),
    }


def _scores(scores: HierarchicalScores) -> dict[str, Any]:
    levels = [[level.f1_micro, level.f1_macro] for level in scores.levels]
    return {"f1_mean": scores.f1_mean, "levels": levels}


def _without(scorer: Rescorer, weights_M: NDArray[np.float64], member: int) -> float | None:
    """F1-mean of the others under their weights; None where nobody is left."""
    others = weights_M.copy()
    others[member] = 0
    return scorer.f1_mean(others) if others.any() else None
