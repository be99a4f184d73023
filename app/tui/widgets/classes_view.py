"""The classes of one evaluation as the tree of the taxonomy: scores, names, and what each is taken for."""

import math
from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets.tree import TreeNode

from app.tui.bindings import bindings
from app.tui.columns import fit
from app.tui.widgets.label import Label
from app.tui.widgets.marked_tree import MarkedTree
from app.tui.widgets.scores_view import NO_EVALUATION, NO_EVALUATION_YET
from engine.class_report import ORDERS, ClassLine, Mistake, class_lines, ordered, parent_of
from engine.confusions import Confusions
from engine.format import amount, count, printable, score
from engine.store.views import ClassScore, EvaluationRow

_SPARKS = "▁▂▃▄▅▆▇█"
_GUIDE = 2
_NAME_CELLS = 24
_MOST_MISTAKES = 8
HEAD = ["level", "class", "name", "precision", "recall", "f1", "videos", "mistakes", "most taken for"]


class ClassTree(MarkedTree[str]):
    """Keys of the tree of classes."""

    BINDINGS = bindings("classes")
    BINDING_GROUP_TITLE = "Classes"
    ALIGNED = True

    def action_order(self) -> None:
        """The next order."""
        self.post_message(ClassesView.Ordered())

    def action_evaluation(self, by: int) -> None:
        """To the evaluation before or after."""
        self.post_message(ClassesView.Stepped(by))

    def action_expand(self) -> None:
        """Open all, or close all."""
        opened = all(child.is_expanded for child in self.root.children if child.allow_expand)
        for child in self.root.children:
            if opened:
                child.collapse_all()
            else:
                child.expand_all()


class ClassesView(Vertical):
    """Level 1 opens to its classes of level 2, and a class to what it is taken for."""

    class Ordered(Message):
        """Another order is wanted."""

    class Stepped(Message):
        """The evaluation before or after is wanted."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def __init__(self) -> None:
        super().__init__()
        self._scores: tuple[ClassScore, ...] = ()
        self._confusions = Confusions()
        self._problem: str | None = None
        self._evaluation: EvaluationRow | None = None
        self._ended = False
        self._order = ORDERS[0]
        self._lines: list[ClassLine] = []

    def compose(self) -> ComposeResult:
        yield Label(NO_EVALUATION_YET, classes="classes-status dim")
        yield Label("", classes="classes-head")
        tree = ClassTree(Text("classes"), id="class-tree")
        tree.show_root = False
        tree.guide_depth = _GUIDE
        yield tree

    @property
    def rows(self) -> list[list[str]]:
        """The classes as cells, below `HEAD`."""
        return [
            [
                str(line.level),
                printable(line.category),
                printable(line.name),
                *(_share(value, 4) for value in (line.precision, line.recall, line.f1)),
                str(line.support),
                str(line.missed),
                "; ".join(f"{_named(wrong)} {wrong.count}" for wrong in line.mistakes[:3]),
            ]
            for line in self._lines
        ]

    def show_ended(self, ended: bool) -> None:
        """Say whether evaluations may still come."""
        if ended != self._ended:
            self._ended = ended
            self._tell()

    def show_evaluation(self, evaluation: EvaluationRow | None) -> None:
        """Say which evaluation the classes are of."""
        self._evaluation = evaluation
        self._tell()

    def show_classes(self, classes: tuple[ClassScore, ...]) -> None:
        """Show the scores."""
        if classes != self._scores:
            self._scores = classes
            self._build()

    def show_confusions(self, confusions: Confusions | None, problem: str | None = None) -> None:
        """Show names and mistakes, or why there are none."""
        self._problem = problem
        if confusions is not None and confusions != self._confusions:
            self._confusions = confusions
            self._build()
        self._tell()

    def on_classes_view_ordered(self, event: Ordered) -> None:
        event.stop()
        self._order = ORDERS[(ORDERS.index(self._order) + 1) % len(ORDERS)]
        self._build()

    def on_resize(self) -> None:
        self._tell()

    def _build(self) -> None:
        """Anew, with open what was open, and the cursor where it was."""
        tree = self.query_one(ClassTree)
        nodes = _all_nodes(tree.root)
        opened = {node.data for node in nodes if node.is_expanded and node.data}
        at = tree.cursor_node.data if tree.cursor_node is not None else None
        tree.clear()
        self._lines = ordered(class_lines(self._scores, self._confusions), self._order)
        made: dict[tuple[int, str], TreeNode[str]] = {}
        for line in self._lines:
            above = parent_of(line, self._lines)
            parent = made[above.level, above.category] if above is not None else tree.root
            parent.allow_expand = True
            made[line.level, line.category] = parent.add(
                class_text(line, line.level - 1), data=line.category, allow_expand=bool(line.mistakes)
            )
        for line in self._lines:
            for wrong in line.mistakes[:_MOST_MISTAKES]:
                made[line.level, line.category].add_leaf(
                    mistake_text(line, wrong), data=f"{line.category}>{wrong.category}"
                )
        tree.root.expand()
        nodes = _all_nodes(tree.root)
        first = tree.root.children[0].data if tree.root.children else None
        for node in nodes:
            if node.data in opened or (not opened and node.data == first):
                node.expand()
        for node in nodes:
            if at is not None and node.data == at:
                tree.call_after_refresh(tree.move_cursor, node)
        self._tell()

    def _tell(self) -> None:
        status = self.query_one(".classes-status", Label)
        head = self.query_one(".classes-head", Label)
        head.display = bool(self._lines)
        head.update(_HEADING)
        row = self._evaluation
        if row is None:
            status.update(NO_EVALUATION if self._ended else NO_EVALUATION_YET)
            return
        when = f"step {count(row.step)}" if row.epoch is None else f"epoch {row.epoch}"
        told = f"{printable(row.split)} {when}  f1_mean {score(row.f1_mean)}   {self._order}"
        if self._problem is not None:
            told += f"   no confusions: {self._problem}"
        elif self._confusions.wrong:
            told += "   mistakes: of its best state"
        elif not self._ended:
            told += "   names and mistakes come at its end"
        status.update(told)


_HEADING = Text(
    f"{'   class':<{_NAME_CELLS + 3}}{'f1':>6}   {'prec':>5} {'recall':>6} {'videos':>7} {'wrong':>6}  most taken for",
    style="dim",
)


def class_text(line: ClassLine, depth: int) -> Text:
    """A class as a line of the tree, `depth` below its top."""
    spark = _SPARKS[int(max(0.0, min(7.0, line.f1 * 8)))] if math.isfinite(line.f1) else " "
    name = fit(f"{printable(line.category)} {printable(line.name)}".strip(), _NAME_CELLS - depth * _GUIDE)
    numbers = (
        f"{_share(line.precision, 2):>5} {_share(line.recall, 2):>6} {line.support:>7,} {line.missed:>6,}"
    )
    text = Text.assemble((name, "bold"), f" {_share(line.f1, 2):>5} {spark} ", (numbers, "dim"))
    if line.mistakes:
        text.append(f"  {_named(line.mistakes[0])} {line.mistakes[0].count:,}", "dim")
    return text


def mistake_text(line: ClassLine, wrong: Mistake) -> Text:
    """A wrong answer as a line below its class."""
    share = f"  {wrong.count / line.support:.1%} of them" if line.support else ""
    return Text(f"taken for {_named(wrong)}  {amount(wrong.count, 'video')}{share}")


def _named(wrong: Mistake) -> str:
    return f"{printable(wrong.category)} {printable(wrong.name)}".strip()


def _share(value: float, digits: int) -> str:
    return "-" if value != value else f"{value:.{digits}f}"


def _all_nodes(root: TreeNode[str]) -> Sequence[TreeNode[str]]:
    found = []
    for child in root.children:
        found += [child, *_all_nodes(child)]
    return found
