"""The command palette: runs to open, configurations to launch, and the keys of the screen by name."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.screen import Screen

from app.tui import troubles
from app.tui.completion import quoted
from app.tui.forms import find_files
from app.tui.requests import Page
from app.tui.states import GLYPHS, title
from engine.format import printable
from engine.store.views import RunRow

if TYPE_CHECKING:
    from app.tui.app import ReeltopApp

_MOST_RUNS = 300
_MOST_FOUND = 20
_FIRST_RUNS = 5
_SOME = 0.1


class _Command(NamedTuple):
    text: str
    help: str
    act: Callable[[], object]
    common: bool


class Commands(Provider):
    """Runs and files are gathered in a thread when the palette opens; their names are shown as they are."""

    async def startup(self) -> None:
        app = cast("ReeltopApp", self.app)
        self._commands = [*_actions(app, self.screen), *_own(app)]
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
        app, known = cast("ReeltopApp", self.app), {command.text for command in self._commands}
        for command in await asyncio.to_thread(_found, app, query):
            if command.text not in known:
                score = matcher.match(command.text) or _SOME
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


def _own(app: "ReeltopApp") -> list[_Command]:
    """Saved views, and the settings file."""
    commands = [
        _Command(
            f"view {printable(name)}",
            "columns, order, filter and groups",
            partial(_show_view, app, name),
            True,
        )
        for name in app.memory.views()
    ]
    help_ = "theme and keys, in $EDITOR; they hold at once"
    return [*commands, _Command("settings", help_, app.edit_settings, True)]


async def _show_view(app: "ReeltopApp", name: str) -> None:
    from app.tui.run_view import view_from
    from app.tui.screens.runs import Runs

    await app.action_mode("runs")
    base = app.screen_stack[0]
    if isinstance(base, Runs):
        base.show_view(view_from(app.memory.views().get(name)))


def _found(app: "ReeltopApp", query: str) -> list[_Command]:
    """In a thread: runs with the words in their name, however old."""
    words = query.split()
    if not words:
        return []
    text = " ".join(f"name~{quoted(word)}" for word in words)
    try:
        page = Page(text, limit=_MOST_FOUND).answer(app.feed.store())
    except troubles.expected():
        return []
    return [_open(app, run, common=False) for run in page.runs]


def _open(app: "ReeltopApp", run: RunRow, *, common: bool) -> _Command:
    text = f"open {title(run)}  {run.stage}  {GLYPHS[run.status]} {run.status}"
    return _Command(text, "all about this run", partial(app.open_run, run.id), common)


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
    commands += [_open(app, run, common=index < _FIRST_RUNS) for index, run in enumerate(page.runs)]
    return commands
