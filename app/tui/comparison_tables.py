"""A comparison as tables that can be taken along: Markdown for people, CSV for programs."""

from collections.abc import Mapping

from app.tui.exports import table
from engine.comparison import ClassChange, Comparison
from engine.comparison_text import changes_by_run, class_title, column_title, f1_text, sections, signed
from engine.format import printable


def markdown(comparison: Comparison, base: int, names: Mapping[str, str], *, everything: bool = False) -> str:
    """Tables of every section, and of the classes of each run against the base."""
    ids = [one.run.id for one in comparison.runs]
    titles = [column_title(comparison, run_id) for run_id in ids]
    parts = [f"# {' · '.join(titles)}\n"]
    for section in sections(comparison, everything=everything):
        parts.append(f"## {section.heading}\n")
        if section.lines:
            rows = [[line.key, *(line.marked(run_id) for run_id in ids)] for line in section.lines]
            parts.append(table(["", *titles], rows, "markdown"))
    for run_id, changes in changes_by_run(comparison, base).items():
        against = f"{column_title(comparison, run_id)} against {column_title(comparison, base)}"
        parts.append(f"## Classes: {against}\n")
        rows = [_class_cells(one, names) for one in changes if one.change != 0]
        head = ["class", "f1 of the base", "f1", "change", "videos"]
        parts.append(table(head, rows, "markdown") if rows else "No class gains or loses.\n")
    if comparison.notes:
        parts.append("".join(f"- {printable(note)}\n" for note in comparison.notes))
    return "\n".join(parts)


def comma_separated(comparison: Comparison, names: Mapping[str, str], *, everything: bool = False) -> str:
    """One table: section, key, and a column for each run; the F1 of every class is its last section."""
    ids = [one.run.id for one in comparison.runs]
    head = ["section", "key", *(column_title(comparison, run_id) for run_id in ids)]
    rows = [
        [section.name, line.key, *(line.cells.get(run_id, "") for run_id in ids)]
        for section in sections(comparison, everything=everything)
        for line in section.lines
    ]
    classes: dict[tuple[int, str], dict[int, str]] = {}
    for one in comparison.runs:
        for entry in one.classes:
            classes.setdefault((entry.level, entry.category), {})[one.run.id] = f1_text(entry)
    for (level, category), values in sorted(classes.items()):
        cells = [values.get(run_id, "") for run_id in ids]
        rows.append([f"f1 of level {level}", class_title(category, names), *cells])
    return table(head, rows, "csv")


def _class_cells(one: ClassChange, names: Mapping[str, str]) -> list[str]:
    f1 = (f1_text(one.base), f1_text(one.other))
    return [class_title(one.category, names), *f1, signed(one.change), str(one.support)]
