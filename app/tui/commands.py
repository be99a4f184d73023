"""The command palette: runs to open, configurations to launch, and the keys of the screen by name."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.screen import Screen

from app.tui import troubles
from app.tui.forms import find_files
from app.tui.requests import Page
from app.tui.states import GLYPHS, title
from engine.format import printable

if TYPE_CHECKING:
    from app.tui.app import ReeltopApp

_MOST_RUNS = 500
_FIRST_RUNS = 5


class _Command(NamedTuple):
    text: str
    help: str
    act: Callable[[], object]
    common: bool


class Commands(Provider):
    """Runs and files are gathered in a thread when the palette opens; their names are shown as they are."""

    async def startup(self) -> None:
        app = cast("ReeltopApp", self.app)
        self._commands = _actions(app, self.screen)
        worker = app.run_worker(lambda: _gather(app), name="palette", group="palette", thread=True)
        self._commands += await worker.wait()

    async def discover(self) -> Hits:
        for command in self._commands:
            if command.common:
                yield DiscoveryHit(Content(command.text), command.act, command.text, command.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self._commands:
            score = matcher.match(command.text)
            if score > 0:
                yield Hit(score, Content(command.text), command.act, command.text, command.help)


def _actions(app: "ReeltopApp", screen: Screen[object]) -> list[_Command]:
    """The keys of the screen and of the app, by what they do."""
    commands = []
    seen = set()
    for node, binding, enabled, _ in screen.active_bindings.values():
        if enabled and binding.description and binding.id is not None and binding.id not in seen:
            seen.add(binding.id)
            key = app.get_key_display(binding)
            commands.append(
                _Command(
                    binding.description,
                    f"{key}  {binding.tooltip}",
                    partial(app.run_action, binding.action, node),
                    binding.show or binding.id.startswith("mode."),
                )
            )
    return commands


def _gather(app: "ReeltopApp") -> list[_Command]:
    """In a thread: configurations, and the newest runs."""
    commands = [
        _Command(
            f"launch {printable(str(path))}", "open this configuration", partial(app.open_config, path), False
        )
        for path in find_files(app.workspace.configs)
    ]
    try:
        page = Page(limit=_MOST_RUNS).answer(app.feed.store())
    except troubles.expected():
        return commands
    commands += [
        _Command(
            f"open {title(run)}  {run.stage}  {GLYPHS[run.status]} {run.status}",
            "all about this run",
            partial(app.open_run, run.id),
            index < _FIRST_RUNS,
        )
        for index, run in enumerate(page.runs)
    ]
    return commands
