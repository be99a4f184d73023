"""What is compared, taken along: to the clipboard, or into files."""

from typing import TYPE_CHECKING

from app.tui.screens.base import ReeltopScreen
from engine.comparison_text import comma_separated, markdown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.comparison import Comparison
    from engine.store.database import Store

_MOST_IDS = 8  # in a file's name


class CompareExport(ReeltopScreen):
    """A screen that shows a comparison."""

    _comparison: "Comparison"
    _names: "Mapping[str, str]"
    _base: int
    _everything: bool

    def action_copy_table(self, kind: str) -> None:
        """All of the comparison to the clipboard."""
        if not self._comparison.runs:
            self.notify("nothing to copy", severity="warning", markup=False)
            return
        self.app.copy_to_clipboard(self._exported(kind))
        word = "a Markdown table" if kind == "markdown" else "CSV"
        self.notify(f"copied {len(self._comparison.runs)} runs as {word}", markup=False)

    def action_write(self) -> None:
        """All of the comparison into files."""
        if not self._comparison.runs:
            self.notify("nothing to write", severity="warning", markup=False)
            return
        ids = [one.run.id for one in self._comparison.runs]
        more = f"-and-{len(ids) - _MOST_IDS}" if len(ids) > _MOST_IDS else ""
        name = f"compare-{'-'.join(map(str, ids[:_MOST_IDS]))}{more}"
        folder = self.reeltop.workspace.root / "exports"
        texts = {f"{name}.md": self._exported("markdown"), f"{name}.csv": self._exported("csv")}

        def write(_store: "Store") -> str:
            folder.mkdir(exist_ok=True)
            for file, text in texts.items():
                (folder / file).write_text(text, encoding="utf-8")
            return f"wrote exports/{name}.md and .csv"

        self.reeltop.command(write)

    def _exported(self, kind: str) -> str:
        if kind == "markdown":
            return markdown(self._comparison, self._base, self._names, everything=self._everything)
        return comma_separated(self._comparison, self._names, everything=self._everything)
