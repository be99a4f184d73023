"""What a run was made from and what was made from it, as a graph to walk: inputs above, dependants below."""

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from app.tui.bindings import bindings
from app.tui.states import COLOURS, GLYPHS
from engine.format import printable
from engine.store.lineage import Lineage, LineageEdge, LineageRun

_BRANCH, _LAST, _FIRST, _THROUGH = "├─ ", "└─ ", "┌─ ", "│  "


class LineageView(OptionList):
    """The run itself stands in the middle; enter opens the run under the cursor, esc comes back from there."""

    BINDINGS = bindings("lineage")
    BINDING_GROUP_TITLE = "Lineage"

    def __init__(self) -> None:
        super().__init__(id="lineage", markup=False)
        self._graph: Lineage | None = None
        self._runs: list[int | None] = []

    @property
    def rows(self) -> list[list[str]]:
        """Every edge as cells: source, its name, role, run, its name."""
        graph = self._graph
        if graph is None:
            return []
        return [
            [
                str(edge.source),
                printable(graph.runs[edge.source].name),
                _role(edge),
                str(edge.run),
                printable(graph.runs[edge.run].name),
            ]
            for edge in graph.edges
        ]

    def run_at(self, index: int) -> int | None:
        """The run of a line that can be opened: one that is in the store, and another than this."""
        graph = self._graph
        run_id = self._runs[index] if graph is not None and index < len(self._runs) else None
        if graph is None or run_id is None or run_id == graph.run:
            return None
        return run_id

    def deleted(self, run_id: int) -> bool:
        """The run cannot be opened: it is gone, or in no list."""
        run = self._graph.runs[run_id] if self._graph is not None else None
        return run is None or run.deleted or run.status is None

    def show(self, graph: Lineage) -> None:
        """Show the graph; the cursor stays on its run, and begins at this one."""
        if graph == self._graph:
            return
        at = self._runs[self.highlighted] if self.highlighted is not None and self._runs else graph.run
        self._graph = graph
        lines = [*_above(graph, graph.run, "", {graph.run}), (graph.run, _this(graph))]
        lines += _below(graph, graph.run, "", {graph.run})
        if len(lines) == 1:
            lines.append(
                (
                    None,
                    Content.styled(
                        "  made from no other run, and nothing was made from it yet", "$text-muted"
                    ),
                )
            )
        if graph.cut:
            lines.append((None, Content.styled("  more runs than are shown here", "$text-muted")))
        self._runs = [run_id for run_id, _ in lines]
        self.set_options([Option(content, disabled=run_id is None) for run_id, content in lines])
        self.highlighted = self._runs.index(at if at in self._runs else graph.run)


Row = tuple[int | None, Content]


def _above(graph: Lineage, run_id: int, indent: str, seen: set[int]) -> list[Row]:
    """What a run builds on, the farthest first; a run that stands there already is named without its own inputs."""
    rows: list[Row] = []
    edges = graph.inputs(run_id)
    for place, edge in enumerate(edges):
        again = edge.source in seen
        seen.add(edge.source)
        first = place == 0
        if not again:
            rows += _above(graph, edge.source, indent + ("   " if first else _THROUGH), seen)
        content = _node(graph.runs[edge.source], edge, again=again and bool(graph.inputs(edge.source)))
        rows.append((edge.source, Content.assemble(indent, _FIRST if first else _BRANCH, content)))
    return rows


def _below(graph: Lineage, run_id: int, indent: str, seen: set[int]) -> list[Row]:
    rows: list[Row] = []
    edges = graph.dependants(run_id)
    for place, edge in enumerate(edges):
        again = edge.run in seen
        seen.add(edge.run)
        last = place == len(edges) - 1
        content = _node(graph.runs[edge.run], edge, again=again and bool(graph.dependants(edge.run)))
        rows.append((edge.run, Content.assemble(indent, _LAST if last else _BRANCH, content)))
        if not again:
            rows += _below(graph, edge.run, indent + ("   " if last else _THROUGH), seen)
    return rows


def _this(graph: Lineage) -> Content:
    return Content.assemble(_node(graph.runs[graph.run], None), ("  this run", "$text-accent"))


def _node(run: LineageRun, edge: LineageEdge | None, *, again: bool = False) -> Content:
    if run.status is None:
        state = ("? not in the store", "$text-muted")
    elif run.deleted:
        state = ("✗ deleted", "$text-muted")
    else:
        state = (f"{GLYPHS[run.status]} {run.status}", f"${COLOURS[run.status]}")
    role = ("", "") if edge is None else (f"{_role(edge)}  ", "$text-muted")
    rest = f"  {printable(run.stage)}{'  (as above)' if again else ''}"
    return Content.assemble(
        role, (f"{run.id} {printable(run.name)}", "bold"), (rest, "$text-muted"), "  ", state
    )


def _role(edge: LineageEdge) -> str:
    return printable(edge.role) + (f"@{printable(edge.which)}" if edge.which else "")
