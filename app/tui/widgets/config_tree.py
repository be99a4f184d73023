"""A run's settings and its environment as a tree, searched by part of a name or value."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from app.tui.facts import flat, shown
from app.tui.widgets.filter_bar import FilterBar
from app.tui.widgets.marked_tree import MarkedTree
from engine.format import printable

_ENVIRONMENT = "environment"
_PACKAGES = "packages"


class ConfigTree(Vertical):
    """Sections open, long lists closed; `/` leaves only what matches, all of it open."""

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, Any] = {}
        self._search = ""

    def compose(self) -> ComposeResult:
        yield FilterBar("part of a name or value", widget_id="config-filter")
        tree: Tree[None] = MarkedTree(Text("settings"), id="config-tree")
        tree.show_root = False
        tree.guide_depth = 2
        yield tree

    @property
    def rows(self) -> list[list[str]]:
        """Name and value of everything that matches."""
        return [
            [name, shown(value)]
            for name, value in flat(self._values)
            if self._search in f"{name} {shown(value)}".lower()
        ]

    def show(self, config: Mapping[str, Any], env: Mapping[str, Any]) -> None:
        """Show the settings and the environment; nothing moves when they are those shown already."""
        values = {**config, _ENVIRONMENT: _nested(env)} if env else dict(config)
        if values != self._values:
            self._values = values
            self._build()

    def open_filter(self) -> None:
        """Type a search."""
        self.query_one(FilterBar).open()

    @on(FilterBar.Changed)
    def _searched(self, event: FilterBar.Changed) -> None:
        event.stop()
        self._search = event.text.strip().lower()
        self._build()

    @on(FilterBar.Left)
    def _left(self, event: FilterBar.Left) -> None:
        event.stop()
        self.query_one(FilterBar).close_if_empty()
        self.query_one(Tree).focus()

    def _build(self) -> None:
        tree: Tree[None] = self.query_one("#config-tree", Tree)
        tree.clear()
        found = self._add(tree.root, self._values, "")
        tree.root.expand()
        self.query_one(FilterBar).show_error(None if found or not self._search else "nothing matches", 0)

    def _add(self, node: "TreeNode[None]", values: Mapping[str, Any], prefix: str) -> bool:
        any_found = False
        for key, value in values.items():
            name = f"{prefix}{key}"
            if isinstance(value, dict):
                is_long = name == f"{_ENVIRONMENT}.{_PACKAGES}"
                label = Text(printable(key), style="bold")
                if is_long:
                    label.append(f"  {len(value)}", "dim")
                section = node.add(label, expand=not is_long or bool(self._search))
                if self._add(section, value, f"{name}."):
                    any_found = True
                else:
                    section.remove()
            elif self._search in f"{name} {shown(value)}".lower():
                node.add_leaf(Text.assemble((f"{printable(key)}  ", "dim"), shown(value)))
                any_found = True
        return any_found


def _nested(env: Mapping[str, Any]) -> dict[str, Any]:
    """The environment with its variables and its packages as sections; what has no value is left out."""
    known = {key: value for key, value in env.items() if value is not None}
    packages = known.pop(_PACKAGES, None)
    variables = {key.removeprefix("env."): known.pop(key) for key in list(known) if key.startswith("env.")}
    if variables:
        known["variables"] = variables
    if isinstance(packages, str):
        pairs = (line.partition("==") for line in packages.splitlines() if line.strip())
        known[_PACKAGES] = {name: version for name, _, version in pairs}
    return known
