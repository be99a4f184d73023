"""A tree whose cursor is a glyph too: no colour is needed to see where one is."""

from typing import ClassVar, TypeVar

from rich.style import Style
from rich.text import Text
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

Data = TypeVar("Data")
CURSOR = "▸"


class MarkedTree(Tree[Data]):
    """Every label begins one cell further right, so that none moves with the cursor.

    Where `ALIGNED`, what cannot be opened gets the blanks of an arrow, so that columns stand below each other.
    """

    ALIGNED: ClassVar[bool] = False

    def render_label(self, node: TreeNode[Data], base_style: Style, style: Style) -> Text:
        mark = CURSOR if node is self.cursor_node else " "
        arrow = "  " if self.ALIGNED and not node.allow_expand else ""
        return Text.assemble((mark, style), arrow, super().render_label(node, base_style, style))
