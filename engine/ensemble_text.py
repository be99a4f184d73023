"""An ensemble's report as text: the same rows for the command line, and for what is copied or exported."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from engine.ensemble_report import shown_name
from engine.format import printable, score


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
    if "interval" in report:
        low, high = report["interval"]
        least, most = report["gain_interval"]
        lines.append(f"95% interval: F1-mean {low:.4f} to {high:.4f}, gain {least:+.4f} to {most:+.4f}")
    return lines


def report_markdown(report: dict[str, Any]) -> str:
    """The table and what is to be known about it."""
    head, rows = report_table(report)
    marks = ["---", *(["---:"] * (len(head) - 1))]
    lines = [_markdown_row(cells) for cells in (head, marks, *rows)]
    return "\n".join([*lines, "", *report_lines(report)]) + "\n"


def report_csv(report: dict[str, Any]) -> str:
    """The table alone."""
    head, rows = report_table(report)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([head, *rows])
    return out.getvalue()


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
