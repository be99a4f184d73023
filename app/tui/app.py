"""The app: three modes, the store's feed behind them, the palette; everything else is on a screen."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import events
from textual.app import App, SystemCommand
from textual.await_complete import AwaitComplete
from textual.command import Provider
from textual.filter import ANSIToTruecolor, LineFilter
from textual.message import Message
from textual.screen import Screen

from app.tui import ascii as plain_glyphs
from app.tui import troubles
from app.tui.alarms import Alarms
from app.tui.bindings import bindings
from app.tui.feed import Feed
from app.tui.personal import PersonalApp
from app.tui.screens.start import Start
from app.tui.styled import StyledFilter
from app.tui.supervision import Supervision
from engine.workspace import Workspace

if TYPE_CHECKING:
    from app.tui.screens.launch import Launch
    from engine.store.database import Store


ALARM_SECONDS = 5.0


def _start() -> Screen[None]:
    return Start()


def _monitor() -> Screen[None]:
    from app.tui.screens.monitor import Monitor

    return Monitor()


def _runs() -> Screen[None]:
    from app.tui.screens.runs import Runs

    return Runs()


def _launch() -> Screen[None]:
    from app.tui.screens.launch import Launch

    return Launch()


def _compare() -> Screen[None]:
    from app.tui.screens.compare import Compare

    return Compare()


def _ensemble() -> Screen[None]:
    from app.tui.screens.ensemble import Ensemble

    return Ensemble()


def _commands() -> type[Provider]:
    from app.tui.commands import Commands

    return Commands


class ReeltopApp(PersonalApp):
    """The terminal interface on a workspace.

    Args:
        replay: a recorded trace that stands in for the GPUs; every screen then says SIMULATED.
        supervise: start a supervisor whenever runs wait or live and there is none.
    """

    TITLE = "reeltop"
    CSS_PATH = Path(__file__).with_suffix(".tcss")
    MODES: ClassVar[dict[str, str | Callable[[], Screen[None]]]] = {
        "start": _start,
        "monitor": _monitor,
        "runs": _runs,
        "launch": _launch,
        "compare": _compare,
        "ensemble": _ensemble,
    }
    DEFAULT_MODE = "start"
    BINDINGS = bindings("app")
    BINDING_GROUP_TITLE = "everywhere"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = App.COMMANDS | {_commands}

    class StoreState(Message):
        """The store is well (None), or cannot be used for the reason given."""

        def __init__(self, trouble: str | None) -> None:
            super().__init__()
            self.trouble = trouble

    class Done(Message):
        """A command has ended."""

        def __init__(self, text: str, failed: bool = False) -> None:
            super().__init__()
            self.text = text
            self.failed = failed

    def __init__(self, workspace: Workspace, *, replay: Path | None = None, supervise: bool = True) -> None:
        super().__init__(workspace)
        self.replay = replay
        self.feed = Feed(workspace.store_url, lambda trouble: self._post(self.StoreState(trouble)))
        self.trouble: str | None = None
        self.alarms = Alarms()
        self.opened = False
        self.marked: list[int] = []  # by a person, in that order: what Compare and Ensemble begin with
        self._supervise = supervise
        self._supervision = Supervision(
            workspace, self.feed.store, lambda trouble: self._post(self.Done(trouble, failed=True))
        )
        self._ascii = plain_glyphs.AsciiFilter() if plain_glyphs.wanted() else None

    @property
    def store_name(self) -> str:
        """The store's last name, for the top line."""
        return self.workspace.store_url.rsplit("/", 1)[-1]

    async def on_ready(self, _event: events.Ready) -> None:
        """After the first paint: whatever takes time to import or to make comes here, or in threads from here."""
        if self.current_mode == self.DEFAULT_MODE:  # no key was quicker
            await self.switch_mode(self.first_mode())
        self.app_resume_signal.subscribe(self, lambda _app: self.refresh(layout=True))
        self.start_personal()
        self.set_interval(ALARM_SECONDS, self.look_for_alarms)
        self.run_worker(self.feed.run, name="feed", group="feed", thread=True, exclusive=True)

    def on_unmount(self) -> None:
        self.keep_memory()
        self.feed.close()
        self._supervision.close()

    def on_reeltop_app_store_state(self, message: StoreState) -> None:
        self.trouble = message.trouble
        if message.trouble is None and not self.opened:
            self.opened = True
            if self._supervise:
                self.run_worker(self._supervision.run, name="supervision", group="supervision", thread=True)
        for screen in self.screen_stack:
            show = getattr(screen, "show_trouble", None)
            if show is not None:
                show(message.trouble)

    def command(self, act: Callable[["Store"], str | None], done: str = "") -> None:
        """Do something with the store in a thread; say `done`, or what `act` returns, or why it could not be done."""

        def work() -> None:
            try:
                text = act(self.feed.store()) or done
            except troubles.expected() as error:
                self._post(self.Done(troubles.one_line(error), failed=True))
                return
            self.feed.look()
            if text:
                self._post(self.Done(text))

        self.run_worker(work, name="command", group="commands", thread=True)

    def on_reeltop_app_done(self, message: Done) -> None:
        severity: Literal["error", "information"] = "error" if message.failed else "information"
        self.notify(message.text, severity=severity, timeout=10 if message.failed else 4, markup=False)

    def look_for_alarms(self) -> None:
        """Tell once what a person would want to know; the screen on top shows what stands."""
        self.alarms.look()
        for alert in self.alarms.fresh:
            self.notify(str(alert), severity="warning", timeout=12, markup=False)
        for screen in self.screen_stack[-1:]:  # none while modes change
            show = getattr(screen, "show_alerts", None)
            if show is not None:
                show(self.alarms.standing)

    def open_run(self, run_id: int) -> None:
        """Put the screen about a run on top."""
        from app.tui.screens.run import RunScreen

        self.push_screen(RunScreen(run_id))

    async def open_config(self, path: Path) -> None:
        """Show a configuration, given below `configs/`, in Launch."""
        from app.tui.screens.launch import Launch

        await self.action_mode("launch")
        base = self.screen_stack[0]
        if isinstance(base, Launch):
            base.open_config(path)

    def clone(self, run_id: int) -> AwaitComplete:
        """Show a run's config in Launch, under a free name; may be awaited."""
        return self._in_launch(lambda launch: launch.open_again(run_id))

    def launch_from(self, run_id: int, which: str | None = None) -> AwaitComplete:
        """Show a finetune config in Launch that starts from a run's checkpoint; may be awaited."""
        return self._in_launch(lambda launch: launch.open_from(run_id, which))

    def _in_launch(self, act: "Callable[[Launch], None]") -> AwaitComplete:
        async def go() -> None:
            from app.tui.screens.launch import Launch

            await self.action_mode("launch")
            base = self.screen_stack[0]
            if isinstance(base, Launch):
                act(base)

        return AwaitComplete(go()).call_next(self)

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = list(super().get_line_filters())
        # Those that take colours away cannot do with a style that is none; what is always there can.
        if any(not isinstance(each, ANSIToTruecolor) for each in filters):
            filters.insert(0, StyledFilter())
        return [*filters, self._ascii] if self._ascii is not None else filters

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Textual's own, less those that have a key here."""
        return (
            command
            for command in super().get_system_commands(screen)
            if command.title not in ("Quit", "Keys", "Maximize", "Minimize")
        )

    async def action_mode(self, mode: str) -> None:
        """Go to a mode."""
        await self.switch_mode(mode)

    def action_help(self) -> None:
        """Show or hide the keys of this screen."""
        if self.screen.query("HelpPanel"):
            self.action_hide_help_panel()
        else:
            self.action_show_help_panel()

    async def action_back(self) -> None:
        """Close the help panel, else the screen on top of the mode's own."""
        if self.screen.query("HelpPanel"):
            self.action_hide_help_panel()
        elif len(self.screen_stack) > 1:
            await self.pop_screen()

    def _post(self, message: Message) -> None:
        if self.is_running:
            self.post_message(message)
