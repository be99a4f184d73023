"""What is compared, taken along: to the clipboard, or into files."""

from typing import TYPE_CHECKING

from app.tui import exports
from app.tui.comparison_tables import comma_separated, markdown
from app.tui.exports import Format
from app.tui.screens.base import ReeltopScreen
from app.tui.widgets.overlay_chart import OverlayChart

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

    def action_copy_table(self, form: Format) -> None:
        """All of the comparison to the clipboard."""
        if not self._comparison.runs:
            self.notify("there is nothing to copy yet", severity="warning", markup=False)
            return
        self.app.copy_to_clipboard(self._exported(form))
        what = "CSV" if form == "csv" else "Markdown tables"
        self.notify(f"copied {len(self._comparison.runs)} runs as {what}", markup=False)

    def action_write(self) -> None:
        """The curves as SVG where they have the keys, else the comparison as Markdown and CSV, into the exports."""
        chart = self.query_one(OverlayChart)
        ids = [one.run.id for one in self._comparison.runs]
        more = f"-and-{len(ids) - _MOST_IDS}" if len(ids) > _MOST_IDS else ""
        name = f"compare-{'-'.join(map(str, ids[:_MOST_IDS]))}{more}"
        if self.focused is not None and chart in self.focused.ancestors:
            picture = chart.picture()
            texts = {"svg": picture} if picture is not None else {}
            name = f"{name}-{chart.key}"
        else:
            texts = {"md": self._exported("markdown"), "csv": self._exported("csv")} if ids else {}
        if not texts:
            self.notify("there is nothing to write yet", severity="warning", markup=False)
            return
        root = self.reeltop.workspace.root

        def write(_store: "Store") -> str:
            paths = [exports.write(root, name, suffix, text) for suffix, text in texts.items()]
            return f"written {', '.join(str(path.relative_to(root)) for path in paths)}"

        self.reeltop.command(write)

    def _exported(self, form: Format) -> str:
        if form == "markdown":
            return markdown(self._comparison, self._base, self._names, everything=self._everything)
        return comma_separated(self._comparison, self._names, everything=self._everything)
