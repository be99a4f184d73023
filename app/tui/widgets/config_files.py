"""The configuration files of the workspace as a tree."""

from pathlib import Path

from rich.text import Text
from textual.widgets.tree import TreeNode

from app.tui.widgets.marked_tree import MarkedTree
from engine.format import printable


class ConfigFiles(MarkedTree[Path]):
    """Folders open; a leaf holds the file's path below `configs/`."""

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(Text("configs"), id=widget_id, classes="panel")
        self.show_root = False
        self.guide_depth = 2
        self._files: tuple[Path, ...] = ()
        self._leaves: dict[Path, TreeNode[Path]] = {}
        self._chosen: Path | None = None
        self._away = False

    def on_mount(self) -> None:
        self.border_title = "configs"

    def choose(self, file: Path | None) -> None:
        """Put the cursor on a file, as soon as it is shown; None takes it to the top and opens none."""
        self._chosen, self._away = file, file is None
        if file is None or file in self._leaves:
            self.call_after_refresh(self._place_cursor)

    def show(self, files: tuple[Path, ...]) -> None:
        """Show the files; the cursor goes to the chosen one, else to the first."""
        if files == self._files:
            return
        self._files = files
        self.clear()
        self._leaves.clear()
        folders: dict[Path, TreeNode[Path]] = {Path(): self.root}
        for file in files:
            for parent in reversed(file.parents):
                if parent not in folders:
                    above = folders[parent.parent]
                    folders[parent] = above.add(Text(f"{printable(parent.name)}/"), expand=True)
            self._leaves[file] = folders[file.parent].add_leaf(Text(printable(file.stem)), data=file)
        self.root.expand()
        self.call_after_refresh(self._place_cursor)

    def _place_cursor(self) -> None:
        if self._away:
            self.move_cursor(None)
            return
        leaf = self._leaves.get(self._chosen) if self._chosen else None
        if leaf is None:
            leaf = next(iter(self._leaves.values()), None)
        if leaf is not None:
            self.move_cursor(leaf)
