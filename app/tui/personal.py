"""What is a person's own in the app: settings, what is remembered of the workspace, and undo."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from textual import work
from textual.app import App
from textual.theme import Theme
from textual.widget import AwaitMount

from app.tui.memory import Memory
from app.tui.troubles import one_line
from engine.workspace import Workspace

if TYPE_CHECKING:
    from app.tui.app import ReeltopApp
    from app.tui.settings import Settings
    from engine.store.database import Store

_MOST_UNDOS = 50
Undo = Callable[["Store"], str]


class PersonalApp(App[None]):
    """An app that looks and answers as it was left, and takes back what can be taken back."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace
        self.memory = Memory(workspace.root)
        self._undos: list[Undo] = []
        self._settings: Settings | None = None
        self._unwritable = False
        self._entered: set[str] = set()  # modes whose screen is there
        self._at_once = False
        remembered = self._remembered_theme()
        if remembered is not None:
            self.theme = remembered

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, self._theme_changed)

    def start_personal(self) -> None:
        """After the first paint: settings are read in a thread, as YAML takes its time to import."""
        if self.memory.trouble:
            self._told(self.memory.trouble)
        from app.tui.settings import is_there, settings_files

        if any(is_there(path) for path in settings_files(self.workspace.root)):
            self._read_settings()

    def edit_settings(self) -> None:
        """The workspace's settings in $EDITOR, every key named where there is no file yet; then they hold."""
        from app.tui.editor import edit_file
        from app.tui.settings import settings_files, template

        path = settings_files(self.workspace.root)[-1]
        try:
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                path.write_text(template(), encoding="utf-8")
        except OSError as error:
            self._told(f"{path}: cannot be written ({error.strerror})")
            return
        problem = edit_file(self, path)
        if problem:
            self._told(problem)
        self._read_settings()

    def first_mode(self) -> str:
        """The mode that was left, where it is still there."""
        mode = self.memory.get("mode")
        return mode if isinstance(mode, str) and mode in self.MODES and mode != "start" else "monitor"

    def switch_mode(self, mode: str) -> AwaitMount:
        self._at_once = mode in self._entered
        awaited = super().switch_mode(mode)
        self._at_once = False
        self._entered.add(mode)
        if mode != self.DEFAULT_MODE:
            self.remember("mode", mode)
        return awaited

    def delay_update(self, delay: float = 0.05) -> None:
        """Textual waits so long at every change of modes; a screen that is there already needs no time to settle."""
        if not self._at_once:
            super().delay_update(delay)

    def remember(self, section: str, value: Any) -> None:
        """Keep plain data for the next sitting, under a name; written in a thread."""
        if self.memory.put(section, value) and self.is_running:
            self._write_memory()

    def can_undo(self, undo: Undo) -> None:
        """`undo` takes back what was just done: it is called with the store in a thread, and says what it did."""
        self._undos = [*self._undos[1 - _MOST_UNDOS :], undo]

    def undo(self) -> None:
        """Take back what was done last."""
        if not self._undos:
            self.notify("nothing to take back", severity="warning", markup=False)
            return
        cast("ReeltopApp", self).command(self._undos.pop())

    def keep_memory(self) -> None:
        """At the end: what was not written yet."""
        try:
            self.memory.write()
        except OSError:
            return  # it was told when it happened first

    @work(thread=True, group="memory", name="memory")
    def _write_memory(self) -> None:
        try:
            self.memory.write()
        except OSError as error:
            if not self._unwritable:
                self._unwritable = True
                self.call_from_thread(self._told, f"views are not remembered: {one_line(error)}")

    @work(thread=True, group="settings", name="settings")
    def _read_settings(self) -> None:
        from app.tui.settings import read_settings, settings_files

        settings = read_settings(settings_files(self.workspace.root), sorted(self.available_themes))
        self.call_from_thread(self._take_settings, settings)

    def _take_settings(self, settings: "Settings") -> None:
        self._settings = settings
        self.set_keymap(dict(settings.keys))
        chosen = self._remembered_theme(settings.theme or "")
        theme = chosen or settings.theme
        if theme is not None:
            self.theme = theme
        for trouble in settings.troubles:
            self._told(trouble)

    def _remembered_theme(self, set_theme: str | None = None) -> str | None:
        """The theme chosen in the palette, unless the settings file has another one since."""
        kept = self.memory.get("theme")
        if not isinstance(kept, dict) or kept.get("name") not in self.available_themes:
            return None
        if set_theme is not None and kept.get("set") != set_theme:
            return None
        return str(kept["name"])

    def _theme_changed(self, theme: Theme) -> None:
        known = self._settings.theme if self._settings is not None else None
        kept = self.memory.get("theme")
        if theme.name != (known or "textual-dark") or kept is not None:
            self.remember("theme", {"name": theme.name, "set": known or ""})

    def _told(self, text: str) -> None:
        self.notify(text, severity="warning", timeout=10, markup=False)
