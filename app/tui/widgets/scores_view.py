"""Evaluations by level over time, and below the classes of the chosen one as a tree, worst first."""

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import DataTable, Tree

from engine.format import count, number, printable, score
from engine.store.views import ClassScore, EvaluationRow

_SPARKS = "▁▂▃▄▅▆▇█"


class ScoresView(Vertical):
    """Starts at the best evaluation; another is chosen with the cursor."""

    class Chosen(Message):
        """Classes of another evaluation are wanted."""

        def __init__(self, evaluation_id: int) -> None:
            super().__init__()
            self.evaluation_id = evaluation_id

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[EvaluationRow, ...] = ()
        self._scores: tuple[ClassScore, ...] = ()
        self.chosen: int | None = None
        self._kept = False  # a person has chosen; until then the best one is followed

    def compose(self) -> ComposeResult:
        yield DataTable(id="evaluations", cursor_type="row", classes="panel")
        tree: Tree[str] = Tree(Text("classes"), id="class-tree", classes="panel")
        tree.show_root = False
        tree.guide_depth = 2
        yield tree

    def on_mount(self) -> None:
        self.query_one(DataTable).border_title = "evaluations"
        self.query_one(Tree).border_title = "classes, worst first"

    def show(self, rows: tuple[EvaluationRow, ...]) -> None:
        """Show the evaluations."""
        if rows == self._rows:
            return
        self._rows = rows
        table = self.query_one(DataTable)
        table.clear(columns=True)
        levels = max((len(row.levels) for row in rows), default=0)
        names = ["", "split", "fold", "epoch", "step", "loss", "f1_mean"]
        names += [
            f"l{level} {short}" for level in range(1, levels + 1) for short in ("micro", "macro", "acc")
        ]
        for name in names:
            table.add_column(Text(name, justify="left" if name in ("", "split") else "right"))
        best = max((row for row in rows), key=lambda row: row.f1_mean, default=None)
        for row in rows:
            table.add_row(*_cells(row, best is not None and row.id == best.id), key=str(row.id))
        if not self._kept or self.chosen not in {row.id for row in rows}:
            self.chosen = best.id if best is not None else None
        if self.chosen is not None:
            table.move_cursor(row=[row.id for row in rows].index(self.chosen))
            self.post_message(self.Chosen(self.chosen))

    def show_classes(self, classes: tuple[ClassScore, ...]) -> None:
        """Show the classes of the chosen evaluation."""
        if classes == self._scores:
            return
        self._scores = classes
        tree: Tree[str] = self.query_one("#class-tree", Tree)
        tree.clear()
        by_level: dict[int, list[ClassScore]] = {}
        for entry in sorted(
            classes, key=lambda entry: (entry.f1 if entry.f1 == entry.f1 else -1.0, entry.category)
        ):
            by_level.setdefault(entry.level, []).append(entry)
        for parent in by_level.get(1, []):
            children = [entry for entry in by_level.get(2, []) if entry.category.startswith(parent.category)]
            node = tree.root.add(_line(parent), data=parent.category, allow_expand=bool(children))
            for child in children:
                node.add_leaf(_line(child), data=child.category)
        if 1 not in by_level:
            for entry in by_level.get(2, []):
                tree.root.add_leaf(_line(entry), data=entry.category)
        tree.root.expand()
        if tree.root.children:
            tree.root.children[0].expand()

    @on(DataTable.RowHighlighted)
    def _chosen(self, event: DataTable.RowHighlighted) -> None:
        if event.row_key.value is None:
            return
        evaluation_id = int(event.row_key.value)
        if evaluation_id != self.chosen and self.query_one(DataTable).has_focus:
            self.chosen, self._kept = evaluation_id, True
            self.post_message(self.Chosen(evaluation_id))


def _cells(row: EvaluationRow, best: bool) -> list[Text]:
    texts = [
        "-" if row.fold is None else str(row.fold),
        "-" if row.epoch is None else str(row.epoch),
        count(row.step),
        number(row.loss),
        score(row.f1_mean),
    ]
    for level in row.levels:
        texts += [score(level.f1_micro), score(level.f1_macro), score(level.accuracy)]
    head = [Text("best" if best else "", style="bold"), Text(printable(row.split))]
    return head + [Text(text, justify="right") for text in texts]


def _line(entry: ClassScore) -> Text:
    known = entry.f1 == entry.f1
    spark = _SPARKS[min(7, int(entry.f1 * 8))] if known else " "
    return Text.assemble(
        (f"{printable(entry.category):<8}", "bold"),
        f" f1 {entry.f1:.2f} {spark}  " if known else " f1 -     ",
        (f"precision {entry.precision:.2f}  recall {entry.recall:.2f}  n {entry.support:,}", "dim"),
    )
