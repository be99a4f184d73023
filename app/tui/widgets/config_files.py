"""The configuration files of the workspace as a tree."""

from pathlib import Path

from rich.text import Text
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from engine.format import printable


class ConfigFiles(Tree[Path]):
    """Folders open; a leaf holds the file's path below `configs/`."""

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(Text("configs"), id=widget_id, classes="panel")
        self.show_root = False
        self.guide_depth = 2
        self._files: tuple[Path, ...] = ()

    def on_mount(self) -> None:
        self.border_title = "configs"

    def show(self, files: tuple[Path, ...]) -> None:
        """Show the files; the cursor goes to the first one."""
        if files == self._files:
            return
        self._files = files
        self.clear()
        folders: dict[Path, TreeNode[Path]] = {Path(): self.root}
        first: TreeNode[Path] | None = None
        for file in files:
            for parent in reversed(file.parents):
                if parent not in folders:
                    above = folders[parent.parent]
                    folders[parent] = above.add(Text(f"{printable(parent.name)}/"), expand=True)
            leaf = folders[file.parent].add_leaf(Text(printable(file.stem)), data=file)
            first = first or leaf
        self.root.expand()
        if first is not None:
            self.call_after_refresh(self.move_cursor, first)
