"""An ensemble's report as text: the same rows for the command line, and for what is copied or exported."""

from typing import Any

from engine.format import printable, score

SEARCH_NAMES = {"bagged": "bagged selection", "greedy": "greedy selection", "coordinate": "coordinate search"}


def report_table(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Titles and rows: the members, and last the ensemble by its honest estimate, where there is one."""
    names = [printable(shown_name(one)) for one in report["members"]]
    if report["ensemble"] is None:
        weights = [f"{one['weight']:.2f}" for one in report["members"]]
        return ["member", "weight"], [list(row) for row in zip(names, weights, strict=True)]
    levels = range(1, 1 + len(report["ensemble"]["levels"]))
    scores = [f"l{level} {kind}" for level in levels for kind in ("mic", "mac")]
    rows = [
        [
            name,
            f"{one['weight']:.2f}" if "weight" in one else "",
            score(one["f1_mean"]),
            *(score(value) for pair in one["levels"] for value in pair),
            score(one["without"]) if one.get("without") is not None else "",
        ]
        for name, one in zip([*names, "ensemble"], [*report["members"], report["ensemble"]], strict=True)
    ]
    return ["member", "weight", "f1_mean", *scores, "without"], rows


def report_lines(report: dict[str, Any]) -> list[str]:
    """What is to be known about the numbers: where they are from, what is selection, how sure they are."""
    if report["ensemble"] is None:
        return [
            "no estimate: a member has no validation predictions, as it was trained on all labelled videos"
        ]
    lines = [
        f"on {report['videos']} validation videos; in sample {score(report['in_sample'])}, so about "
        f"{max(0.0, report['selection_noise']):.4f} is selection noise; gain over {printable(report['best_member'])} "
        f"{report['gain']:+.4f}"
    ]
    if report["weights"] in SEARCH_NAMES and report.get("equal", -1) >= report["ensemble"]["f1_mean"]:
        lines.append(f"equal weights score {score(report['equal'])}: the search found nothing better")
    if "interval" in report:
        low, high = report["interval"]
        least, most = report["gain_interval"]
        lines.append(f"95% interval: F1-mean {low:.4f} to {high:.4f}, gain {least:+.4f} to {most:+.4f}")
    return lines


def shown_name(member: dict[str, Any]) -> str:
    """A report's member for people: how many folds it is of, where they are several."""
    folds = len(member["runs"])
    return f"{member['name']} ({folds} folds)" if folds > 1 else str(member["name"])
