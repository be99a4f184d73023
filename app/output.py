"""How the command line prints: tables for people, JSON with the store's column names for programs."""

import json
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from engine.format import duration, moment, number, printable, score, size

if TYPE_CHECKING:
    from engine.class_report import ClassReport
    from engine.metrics import HierarchicalScores
    from engine.store.views import RunDetail, RunRow

_MOST_MISTAKES = 10


def print_json(data: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(_jsonable(data), ensure_ascii=False, indent=2, default=str))


def run_json(run: "RunRow") -> dict[str, Any]:
    """A run with the store's column names."""
    data: dict[str, Any] = _jsonable(run)
    return data


def detail_json(detail: "RunDetail") -> dict[str, Any]:
    """A run with its config, scores, checkpoints, artifacts, inputs and the last value of each metric."""
    data = run_json(detail.run)
    parts = _jsonable(detail)
    return data | {key: value for key, value in parts.items() if key != "run"}


def print_runs(
    runs: Sequence["RunRow"], *, matching: int | None = None, reused: Collection[int] = ()
) -> None:
    """The table of `reeltop ls`; `reused` are ids of runs that were finished before they were asked for."""
    from rich.table import Table

    depth = max((len(run.levels) for run in runs), default=0)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("id", "name", "stage", "state", "f1_mean"):
        table.add_column(column, justify="right" if column in ("id", "f1_mean") else "left")
    for level in range(1, depth + 1):
        table.add_column(f"l{level} mic", justify="right")
        table.add_column(f"l{level} mac", justify="right")
    table.add_column("took", justify="right")
    table.add_column("note", overflow="ellipsis", no_wrap=True, ratio=1)
    for run in runs:
        scores = [value for level in run.levels for value in (score(level.f1_micro), score(level.f1_macro))]
        scores += ["-"] * (2 * depth - len(scores))
        cells = [str(run.id), printable(run.name), run.stage, state(run), score(run.f1_mean), *scores]
        told = f"reused {note(run)}".strip() if run.id in reused else note(run)
        table.add_row(*map(_plain, [*cells, took(run), told]))
    _print(table)
    if matching is not None and matching > len(runs):
        print(f"{len(runs)} of {matching} runs; --limit shows more")


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> None:
    """Rows of plain text below a head; columns whose numbers are in `right` are set to the right."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(head):
        table.add_column(column, justify="right" if place in right else "left")
    for row in rows:
        table.add_row(*map(_plain, row))
    _print(table)


def print_detail(detail: "RunDetail") -> None:
    """The pages of `reeltop show`."""
    run = detail.run
    print(f"run {run.id}  {printable(run.name)}  {run.stage}  {state(run)}")
    if run.error:
        print(f"  error      {printable(run.error, keep_newlines=True)}")
    if run.waiting_for:
        print(f"  waits      {printable(run.waiting_for)}")
    print(f"  created    {moment(run.created)}   started {moment(run.started)}   took {took(run)}")
    print(f"  directory  {printable(run.directory)}")
    if run.tags:
        print(f"  tags       {printable(', '.join(run.tags))}")
    for given in detail.inputs:
        which = f"@{given.which}" if given.which else ""
        print(
            f"  {given.role:<10} {printable(given.source_name)}{which} (run {given.source_run}, {given.source_status})"
        )
    for key, value in _flat(detail.config):
        print(f"  {printable(key)} = {printable(str(value))}")
    if detail.evaluations:
        print("\nevaluations (f1_mean, then micro and macro F1 and accuracy of each level)")
        for evaluation in detail.evaluations:
            epoch = "-" if evaluation.epoch is None else evaluation.epoch
            levels = "   ".join(
                f"l{level.level} {score(level.f1_micro)} {score(level.f1_macro)} {score(level.accuracy)}"
                for level in evaluation.levels
            )
            loss = number(evaluation.loss)
            print(
                f"  {evaluation.split} epoch {epoch:>3} loss {loss:<8} {score(evaluation.f1_mean)}   {levels}"
            )
    if detail.checkpoints:
        print("\ncheckpoints")
        for saved in detail.checkpoints:
            scored = f"{score(saved.f1_mean):<6}  {size(saved.bytes):>8}"
            print(f"  {saved.kind:<6} step {saved.step:<8} {scored}  {printable(saved.path)}")
    if detail.artifacts:
        print("\nartifacts")
        for made in detail.artifacts:
            print(f"  {made.kind:<12} {size(made.bytes):>8}  {printable(made.path)}")
    if detail.metrics:
        print("\nmetrics (last, min, max, points)")
        for metric in detail.metrics:
            values = f"{number(metric.last):>10} {number(metric.min):>10} {number(metric.max):>10} {metric.count:>8}"
            print(f"  {printable(metric.key):<24} {values}")


def print_classes(run: "RunRow", report: "ClassReport") -> None:
    """The classes of a run's best evaluation by level, worst first, and below each level its most frequent mistakes."""
    from engine.class_report import worst_mistakes

    print(f"run {run.id}  {printable(run.name)}  {run.stage}  {state(run)}")
    evaluation = report.evaluation
    if evaluation is None:
        print(f"no classes: {report.problem}")
        return
    when = f"step {evaluation.step}" if evaluation.epoch is None else f"epoch {evaluation.epoch}"
    print(f"{printable(evaluation.split)} {when}  f1_mean {score(evaluation.f1_mean)}")
    for level in sorted({line.level for line in report.classes}):
        print(f"\nlevel {level}, worst F1 first")
        rows = [
            (
                printable(line.category),
                printable(line.name),
                *(number(value, 3) for value in (line.precision, line.recall, line.f1)),
                str(line.support),
                str(line.missed),
            )
            for line in report.classes
            if line.level == level
        ]
        print_table(
            ("class", "name", "precision", "recall", "f1", "videos", "wrong"), rows, right=(2, 3, 4, 5, 6)
        )
        mistakes = worst_mistakes(report.classes, level, _MOST_MISTAKES)
        if mistakes:
            print(f"\nlevel {level}, most frequent mistakes")
        for line, wrong in mistakes:
            true, taken = (
                f"{printable(one.category)} {printable(one.name)}".strip() for one in (line, wrong)
            )
            share = f"  {wrong.count / line.support:.1%} of the class" if line.support else ""
            print(f"  {true} taken for {taken}: {wrong.count}{share}")
    if report.problem is not None:
        print(f"\n{report.problem}")


def print_scores(scores: "HierarchicalScores") -> None:
    """The competition's evaluation."""
    print(f"f1_mean   {scores.f1_mean:.6f}")
    for level in scores.levels:
        micro, macro = level.f1_micro, level.f1_macro
        print(
            f"level {level.level}   f1_micro {micro:.6f}   f1_macro {macro:.6f}   accuracy {level.accuracy:.6f}"
        )


def state(run: "RunRow") -> str:
    """`running 54%`, `finished`."""
    if run.status.live and run.progress is not None:
        return f"{run.status} {run.progress.share:.0%}"
    return str(run.status)


def took(run: "RunRow") -> str:
    """Time from start to end, or to now."""
    if run.started is None:
        return "-"
    end = run.ended or datetime.now(UTC).replace(tzinfo=None)
    return duration((end - run.started).total_seconds())


def note(run: "RunRow") -> str:
    """Why it waits or failed."""
    text = run.waiting_for or run.error or run.notes or ""
    return printable(text.strip().splitlines()[0]) if text.strip() else ""


def _plain(text: str) -> Any:
    """Text that is shown as it is, never as markup."""
    from rich.text import Text

    return Text(text)


def _print(table: Any) -> None:
    from rich.console import Console

    # Where there is no terminal nothing is cut: a program or a file gets the whole line.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 240)
    console.print(table)


def _flat(data: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _jsonable(data: Any) -> Any:
    if is_dataclass(data) and not isinstance(data, type):
        data = asdict(data)
    if isinstance(data, dict):
        return {key: _jsonable(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_jsonable(value) for value in data]
    if isinstance(data, Enum):
        return data.value
    if isinstance(data, datetime):
        return data.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")
    if isinstance(data, float) and (data != data or data in (float("inf"), float("-inf"))):
        return None
    return data
