"""A run's settings as a tree, searched by part of a name or value."""

from typing import Any

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from app.tui.facts import shown
from app.tui.widgets.filter_bar import FilterBar
from engine.format import printable


class ConfigTree(Vertical):
    """Sections open; `/` leaves only what matches."""

    def __init__(self) -> None:
        super().__init__()
        self._config: dict[str, Any] = {}
        self._search = ""

    def compose(self) -> ComposeResult:
        yield FilterBar("part of a name or value", widget_id="config-filter")
        tree: Tree[None] = Tree(Text("settings"), id="config-tree")
        tree.show_root = False
        tree.guide_depth = 2
        yield tree

    def show(self, config: dict[str, Any]) -> None:
        """Show the settings; nothing moves when they are those shown already."""
        if config != self._config:
            self._config = config
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
        found = self._add(tree.root, self._config, "")
        tree.root.expand()
        self.query_one(FilterBar).show_error(None if found or not self._search else "nothing matches", 0)

    def _add(self, node: "TreeNode[None]", values: dict[str, Any], prefix: str) -> bool:
        any_found = False
        for key, value in values.items():
            name = f"{prefix}{key}"
            if isinstance(value, dict):
                section = node.add(Text(printable(key), style="bold"), expand=True)
                if self._add(section, value, f"{name}."):
                    any_found = True
                else:
                    section.remove()
            elif not self._search or self._search in f"{name} {shown(value)}".lower():
                node.add_leaf(Text.assemble((f"{printable(key)}  ", "dim"), shown(value)))
                any_found = True
        return any_found
