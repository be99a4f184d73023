"""What the screens share: top bar, footer, and a subscription to the feed while they are on top."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.events import ScreenResume
from textual.geometry import Size
from textual.screen import Screen

from app.tui.feed import Answered, Refused
from app.tui.requests import HealthOfRuns, LiveRuns, Request, WaitingRuns
from app.tui.widgets.key_line import KeyLine
from app.tui.widgets.top_bar import TopBar
from engine.store.views import Queue, RunRow

if TYPE_CHECKING:
    from app.tui.app import ReeltopApp
    from engine.store.live import Health


class ReeltopScreen(Screen[None]):
    """A screen names its requests in `requests`, and takes the answers in `receive`."""

    MODE: ClassVar[str] = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide"), (150, "-very-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (12, "-short"), (32, "-tall")]  # noqa: RUF012
    _live: tuple[RunRow, ...] = ()
    _waiting = Queue()
    _resumed = False
    _styled_for: object = None

    @property
    def reeltop(self) -> "ReeltopApp":
        """The app, by its own type."""
        return cast("ReeltopApp", self.app)

    def compose(self) -> ComposeResult:
        app = self.reeltop
        # Textual gives the classes of the size at the first resize only: all would be styled and arranged twice.
        for breakpoints, cells in (
            (self.HORIZONTAL_BREAKPOINTS, app.size.width),
            (self.VERTICAL_BREAKPOINTS, app.size.height),
        ):
            self.add_class([name for least, name in breakpoints if cells >= least][-1])
        yield TopBar(self.MODE or app.current_mode, app.store_name, simulated=app.replay is not None)
        yield from self.compose_body()
        yield KeyLine()

    @abstractmethod
    def compose_body(self) -> ComposeResult:
        """The widgets between top bar and footer."""
        raise NotImplementedError

    def requests(self) -> Sequence[Request]:
        """What the screen wants to know now."""
        return ()

    def receive(self, request: Request, value: object) -> None:
        """An answer, new or changed."""

    def refused(self, request: Request, message: str) -> None:
        """A request that cannot be answered, with the reason."""

    def ask(self) -> None:
        """Tell the feed what the screen wants to know; call it when that changes."""
        if self._resumed and self.is_mounted:
            self.reeltop.feed.want(self, (LiveRuns(), WaitingRuns(), HealthOfRuns(), *self.requests()))

    def on_screen_resume(self, event: ScreenResume) -> None:
        styled_for = (self.app.pseudo_classes, self.app.classes)
        if styled_for == self._styled_for:  # no other theme, no other focus of the terminal meanwhile
            event.refresh_styles = False
        self._styled_for = styled_for
        self._resumed = True
        self.ask()
        self.show_trouble(self.reeltop.trouble)

    def _screen_resized(self, size: Size) -> None:
        """Textual's own, which arranges all of it anew at every change of modes: not where the size is as it was."""
        if size != self.outer_size:
            super()._screen_resized(size)

    def on_screen_suspend(self) -> None:
        self._resumed = False
        # What is on the screen stays there; the alarms may have heard of the runs from another screen meanwhile.
        self.reeltop.feed.rest(self, tell_again=(HealthOfRuns(),))

    def on_unmount(self) -> None:
        self.reeltop.feed.forget(self)

    def on_answered(self, message: Answered) -> None:
        if not self.is_mounted:
            return
        if isinstance(message.request, LiveRuns):
            self._live = cast("tuple[RunRow, ...]", message.value)
        elif isinstance(message.request, WaitingRuns):
            self._waiting = cast(Queue, message.value)
            self.query_one(TopBar).show_counts(len(self._live), self._waiting.total)
        elif isinstance(message.request, HealthOfRuns):
            self.reeltop.alarms.see_runs(cast("tuple[Health, ...]", message.value))
        self.receive(message.request, message.value)

    def on_refused(self, message: Refused) -> None:
        if self.is_mounted:
            self.refused(message.request, str(message.error))

    def show_trouble(self, trouble: str | None) -> None:
        """One line about a store that cannot be read; None when it is well."""
        if self.is_mounted:
            self.query_one(TopBar).show_trouble(trouble)
