"""Runs side by side: scores, settings that differ, classes that gain and lose, inputs, code and machine."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from app.output import print_json, print_table, run_json, state
from app.verbs.runs import open_store
from engine.errors import RunError
from engine.format import printable
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.comparison import ClassChange, Comparison, Fact
    from engine.comparison_text import Section
    from engine.store.database import Store

_FEW = 8  # gains, and losses, of a run that are printed unless all are asked for
_GAP = 2


def compare_runs(
    workspace: Workspace, references: Sequence[str], *, everything: bool = False, as_json: bool = False
) -> None:
    """Print the runs beside each other; the first is what gains and losses of classes are measured against.

    Raises:
        RunError: fewer than two runs, one of them twice, or one that is not there.
    """
    from engine.actions import watch
    from engine.comparison import class_names, compare

    store = open_store(workspace)
    watch(workspace, store)
    ids = _distinct(store, references)
    comparison = compare(store, ids)
    names = class_names(workspace, store, ids)
    if as_json:
        print_json(_json(comparison, names, everything=everything))
    else:
        _print(comparison, names, everything=everything)


def _distinct(store: "Store", references: Sequence[str]) -> list[int]:
    from engine.store.runs import find_run

    if len(references) < 2:
        raise RunError(
            "compare needs two runs or more, such as `reeltop compare @best @last`; see `reeltop ls`"
        )
    ids: dict[int, str] = {}
    for reference in references:
        run_id = find_run(store, reference)
        if run_id in ids:
            both = " and ".join(dict.fromkeys(printable(one) for one in (ids[run_id], reference)))
            raise RunError(
                f"{both} mean{'' if ids[run_id] != reference else 's'} run {run_id} twice: name each once"
            )
        ids[run_id] = reference
    return list(ids)


def _json(comparison: "Comparison", names: Mapping[str, str], *, everything: bool) -> dict[str, Any]:
    from engine.comparison_text import changes_by_run

    base = comparison.runs[0].run.id

    def facts(values: "Sequence[Fact]") -> list[dict[str, Any]]:
        return [asdict(fact) for fact in values if fact.differs or everything]

    return {
        "runs": [
            run_json(one.run) | {"evaluation": asdict(one.evaluation) if one.evaluation else None}
            for one in comparison.runs
        ],
        "base": base,
        "scores": [asdict(one) for one in comparison.scores],
        "config": facts(comparison.config),
        "inputs": facts(comparison.inputs),
        "environment": facts(comparison.environment),
        "classes": [
            {"run": run_id, "changes": [_change_json(one, names) for one in changes]}
            for run_id, changes in changes_by_run(comparison, base).items()
        ],
        "notes": list(comparison.notes),
    }


def _change_json(one: "ClassChange", names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "level": one.level,
        "category": one.category,
        "name": names.get(one.category),
        "support": one.support,
        "base_f1": one.base.f1 if one.base is not None else None,
        "f1": one.other.f1 if one.other is not None else None,
        "change": one.change,
    }


def _print(comparison: "Comparison", names: Mapping[str, str], *, everything: bool) -> None:
    from engine.comparison_text import changes_by_run, column_title, sections

    runs = [one.run for one in comparison.runs]
    titles = {run.id: column_title(comparison, run.id) for run in runs}
    for run in runs:
        mark = "  base" if run is runs[0] else ""
        print(f"{titles[run.id]}  {printable(run.stage)}  {state(run)}{mark}")
    for section in sections(comparison, everything=everything):
        print(f"\n{section.heading}")
        if section.lines:
            _print_section(section, titles)
    for run_id, changes in changes_by_run(comparison, runs[0].id).items():
        _print_classes(
            f"{titles[run_id]} against {titles[runs[0].id]}", changes, names, everything=everything
        )
    for note in comparison.notes:
        print(f"\nnote: {printable(note)}")


def _print_section(section: "Section", titles: Mapping[int, str]) -> None:
    """As many runs beside each other as the terminal has room for; the base stands in every part."""
    base, *others = titles
    widths = {
        run_id: max(len(title), *(min(24, len(line.marked(run_id))) for line in section.lines)) + _GAP
        for run_id, title in titles.items()
    }
    keys = min(36, max(len(line.key) for line in section.lines)) + _GAP
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else 240
    while others:
        taken = [others.pop(0)]
        while others and keys + sum(widths[one] for one in (base, *taken, others[0])) <= room:
            taken.append(others.pop(0))
        shown = [base, *taken]
        print_table(
            ["", *(titles[one] for one in shown)],
            [[line.key, *(line.marked(one) for one in shown)] for line in section.lines],
        )


def _print_classes(
    heading: str, changes: "Sequence[ClassChange]", names: Mapping[str, str], *, everything: bool
) -> None:
    from engine.comparison_text import class_title, f1_text, signed

    gains = [one for one in changes if one.change is not None and one.change > 0]
    losses = [one for one in changes if one.change is not None and one.change < 0]
    unknown = [one for one in changes if one.change is None]
    alike = len(changes) - len(gains) - len(losses) - len(unknown)
    told = [f"{len(gains)} gain", f"{len(losses)} lose", f"{alike} the same"]
    told += [f"{len(unknown)} in one of them only"] if unknown else []
    print(f"\nclasses: {heading}: {', '.join(told)}")
    most = len(changes) if everything else _FEW
    shown = [*gains[:most], *losses[:most], *(unknown if everything else [])]
    if not shown:
        return
    rows = [
        [
            class_title(one.category, names),
            f1_text(one.base),
            f1_text(one.other),
            signed(one.change),
            f"{one.support:,}",
        ]
        for one in shown
    ]
    print_table(["class", "base", "f1", "change", "videos"], rows, right=range(1, 5))
    left = len(gains) + len(losses) + len(unknown) - len(shown)
    if left:
        print(f"{left} more with --all")
