"""A tree whose cursor is a glyph too: no colour is needed to see where one is."""

from typing import TypeVar

from rich.style import Style
from rich.text import Text
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

Data = TypeVar("Data")
CURSOR = "▸"


class MarkedTree(Tree[Data]):
    """Every label begins one cell further right, so that none moves with the cursor."""

    def render_label(self, node: TreeNode[Data], base_style: Style, style: Style) -> Text:
        mark = CURSOR if node is self.cursor_node else " "
        return Text.assemble((mark, style), super().render_label(node, base_style, style))
