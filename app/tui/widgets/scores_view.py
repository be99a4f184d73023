"""Evaluations over time: a table with every level, and below it the course of each score."""

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import DataTable

from app.tui.bindings import bindings
from app.tui.states import sparkline
from app.tui.widgets.fitted_columns import fit_columns
from app.tui.widgets.label import Label
from engine.class_report import best_evaluation
from engine.format import amount, count, number, printable, score
from engine.store.views import EvaluationRow

_SPARK_CELLS = 40
NO_EVALUATION = "this run has made no evaluation"
NO_EVALUATION_YET = "no evaluation yet: one is made after each epoch, where videos are held out"
_MEASURES = (("mic", "f1_micro"), ("mac", "f1_macro"))  # micro F1 of single labels is the accuracy


class Evaluations(DataTable[Text]):
    """A row each; enter goes to its classes."""

    BINDINGS = bindings("scores")
    BINDING_GROUP_TITLE = "Scores"


class ScoresView(Vertical):
    """Starts at the best evaluation, and follows it until another is chosen with the cursor."""

    class Chosen(Message):
        """Classes of another evaluation are wanted."""

        def __init__(self, evaluation_id: int) -> None:
            super().__init__()
            self.evaluation_id = evaluation_id

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[EvaluationRow, ...] = ()
        self._best: EvaluationRow | None = None
        self.chosen: int | None = None
        self._kept = False
        self._ended = False

    def compose(self) -> ComposeResult:
        yield Evaluations(id="evaluations", cursor_type="row", classes="panel")
        with VerticalScroll(id="courses", classes="panel"):
            yield Label("", classes="courses-text")

    def on_mount(self) -> None:
        self.query_one(DataTable).border_title = "evaluations"
        self.query_one("#courses").border_title = "over time, first to last"
        self._draw_courses()

    @property
    def chosen_row(self) -> EvaluationRow | None:
        """The evaluation under the cursor."""
        return next((row for row in self._rows if row.id == self.chosen), None)

    @property
    def head(self) -> list[str]:
        """Names of the columns."""
        levels = max((len(row.levels) for row in self._rows), default=0)
        names = ["", "split", "fold", "epoch", "step", "loss", "f1_mean"]
        return names + [f"l{level} {short}" for level in range(1, levels + 1) for short, _ in _MEASURES]

    @property
    def rows(self) -> list[list[str]]:
        """The cells as text."""
        return [_cells(row, row is self._best) for row in self._rows]

    def show(self, rows: tuple[EvaluationRow, ...], *, ended: bool) -> None:
        """Show the evaluations; where there are none, whether some may come."""
        if rows == self._rows and ended == self._ended:
            return
        self._rows, self._ended = rows, ended
        self._best = best_evaluation(rows)
        table = self.query_one(Evaluations)
        table.clear(columns=True)
        fit_columns(table, self.head, self.rows, left=("", "split"))
        for row, cells in zip(rows, self.rows, strict=True):
            best, split, *numbers = (Text(cell, justify="right") for cell in cells)
            best.stylize("bold")
            best.justify = split.justify = "left"
            table.add_row(best, split, *numbers, key=str(row.id))
        if not self._kept or self.chosen not in {row.id for row in rows}:
            self.chosen = self._best.id if self._best is not None else rows[-1].id if rows else None
        if self.chosen is not None:
            self._put_cursor()
            self.post_message(self.Chosen(self.chosen))
        self._draw_courses()

    def step(self, by: int) -> None:
        """Choose the evaluation before or after."""
        ids = [row.id for row in self._rows]
        if self.chosen not in ids:
            return
        place = min(max(ids.index(self.chosen) + by, 0), len(ids) - 1)
        if ids[place] != self.chosen:
            self.chosen, self._kept = ids[place], True
            self._put_cursor()
            self.post_message(self.Chosen(ids[place]))

    def _put_cursor(self) -> None:
        place = next((index for index, row in enumerate(self._rows) if row.id == self.chosen), 0)
        self.query_one(Evaluations).move_cursor(row=place)

    @on(DataTable.RowHighlighted)
    def _chosen(self, event: DataTable.RowHighlighted) -> None:
        if event.row_key.value is None:
            return
        evaluation_id = int(event.row_key.value)
        if evaluation_id != self.chosen and self.query_one(Evaluations).has_focus:
            self.chosen, self._kept = evaluation_id, True
            self.post_message(self.Chosen(evaluation_id))

    def _draw_courses(self) -> None:
        label = self.query_one(".courses-text", Label)
        if not self._rows:
            label.update(NO_EVALUATION if self._ended else NO_EVALUATION_YET)
            return
        lines: list[Content] = []
        for split in dict.fromkeys(row.split for row in self._rows):
            rows = [row for row in self._rows if row.split == split]
            lines.append(
                Content.styled(f"{printable(split)}, {amount(len(rows), 'evaluation')}", "bold $text-accent")
            )
            for name, values in _courses(rows):
                lines.append(_course(name, values, rows))
        label.update(Content("\n").join(lines))


def _courses(rows: list[EvaluationRow]) -> list[tuple[str, list[float | None]]]:
    courses: list[tuple[str, list[float | None]]] = [("f1_mean", [row.f1_mean for row in rows])]
    for place in range(max(len(row.levels) for row in rows)):
        for short, field in _MEASURES:
            values = [getattr(row.levels[place], field) if place < len(row.levels) else None for row in rows]
            courses.append((f"l{place + 1} {short}", values))
    if any(row.loss is not None for row in rows):
        courses.append(("loss", [row.loss for row in rows]))
    return courses


def _course(name: str, values: list[float | None], rows: list[EvaluationRow]) -> Content:
    known = [
        (value, row) for value, row in zip(values, rows, strict=True) if value is not None and value == value
    ]
    clean = [value if value is not None and value == value else None for value in values]
    text = f"  {name:<7} {sparkline(clean, _SPARK_CELLS)}"
    if not known:
        return Content(text)
    best, row = (min if name == "loss" else max)(known, key=lambda pair: pair[0])
    at = f"step {count(row.step)}" if row.epoch is None else f"epoch {row.epoch}"
    shown = number if name == "loss" else score
    return Content(f"{text}  {shown(known[0][0])} to {shown(known[-1][0])}, best {shown(best)} at {at}")


def _cells(row: EvaluationRow, best: bool) -> list[str]:
    texts = [
        "best" if best else "",
        printable(row.split),
        "-" if row.fold is None else str(row.fold),
        "-" if row.epoch is None else str(row.epoch),
        count(row.step),
        number(row.loss),
        score(row.f1_mean),
    ]
    for level in row.levels:
        texts += [score(level.f1_micro), score(level.f1_macro)]
    return texts
