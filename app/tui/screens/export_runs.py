"""What the table of runs shows, as a file or on the clipboard."""

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input

from app.tui.bindings import bindings
from app.tui.run_view import View
from app.tui.screens.dialog import Dialog
from app.tui.widgets.choice import Choice
from app.tui.widgets.label import Label
from engine.errors import ReeltopError
from engine.format import amount

if TYPE_CHECKING:
    from app.tui.app import ReeltopApp
    from engine.store.database import Store

FOLDER = "exports"
_SHOWN, _ALL = "columns shown", "all columns"
_MOST_COPIED = 2000


class ExportRuns(Dialog[None]):
    """All runs that the filter leaves, in their order, not those in sight alone; the ending says which format."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("export"), *bindings("ask")]

    def __init__(self, app: "ReeltopApp", view: View, count: int) -> None:
        super().__init__()
        self._reeltop = app
        self._view = view
        self._count = count

    def compose(self) -> ComposeResult:
        now = datetime.now()
        with Vertical():
            yield Label(
                f"Export {self._count:,} run{'' if self._count == 1 else 's'}", classes="dialog-title"
            )
            yield Input(f"{FOLDER}/runs-{now:%Y%m%d-%H%M%S}.csv", compact=True, select_on_focus=False)
            yield Choice((_SHOWN, _ALL), _SHOWN)
            yield Label("", classes="dialog-wrong")
            yield Label(".csv .json .md .parquet; paths begin at the workspace", classes="dim")
            yield self.key_line("export", "ask", first=[("⏎", "write"), ("tab", "to the columns")])

    def action_copy(self) -> None:
        if self._count > _MOST_COPIED:
            self.show_wrong(f"too many for a clipboard: {_MOST_COPIED:,} runs at most; write a file")
            return
        view, columns, app = self._view, self._columns(), self._reeltop

        def command(store: "Store") -> str:
            from io import StringIO

            from engine.exports import export_of, write_text

            text = StringIO()
            export = export_of(store, view.filter, view.sort, columns)
            write_text(export, text, "md")
            app.call_from_thread(app.copy_to_clipboard, text.getvalue())
            return f"{amount(len(export.run_ids), 'run')} on the clipboard, as Markdown"

        app.command(command)
        self.dismiss(None)

    @on(Input.Submitted)
    def _write(self, event: Input.Submitted) -> None:
        from engine.exports import format_of

        app, view, columns = self._reeltop, self._view, self._columns()
        path = app.workspace.resolve(event.value.strip() or FOLDER)
        try:
            form = format_of(str(path))
            if not path.is_relative_to(app.workspace.root):
                raise ReeltopError(
                    "name a file in the workspace: elsewhere writes `reeltop export --out FILE`"
                )
            if path.exists():
                raise ReeltopError("it is there already: name another")
        except ReeltopError as error:
            self.show_wrong(str(error))
            return

        def command(store: "Store") -> str:
            from engine.exports import export_of, write_export

            path.parent.mkdir(parents=True, exist_ok=True)
            export = export_of(store, view.filter, view.sort, columns)
            count = write_export(export, path, form)
            return f"{amount(count, 'run')}, {len(export.columns)} columns in {path.relative_to(app.workspace.root)}"

        app.command(command)
        self.dismiss(None)

    @on(Input.Changed)
    def _typed(self) -> None:
        self.show_wrong("")

    def _columns(self) -> tuple[str, ...]:
        return self._view.columns if self.query_one(Choice).value == _SHOWN else ()
