"""The footer shows the keys that work now, and is not made anew while they stay the same."""

from collections.abc import Callable

import pytest
from textual.widgets import Footer, Input

from app.tui.app import ReeltopApp
from app.tui.screens.launch import Launch
from app.tui.widgets.choice import Choice
from app.tui.widgets.config_form import ConfigForm
from app.tui.widgets.key_line import KeyLine
from engine.workspace import Workspace


def keys(app: ReeltopApp) -> list[str]:
    return [str(key.description) for key in app.screen.query("FooterKey")]


async def test_moving_between_fields_makes_no_new_footer_but_other_keys_do(
    workspace: Workspace, settled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace.configs / "model.yaml").write_text("stage: finetune\nmodel: {vision: models/clip}\n")
    made: list[object] = []
    compose = Footer.compose

    def counted(footer: Footer) -> object:
        made.append(footer)
        return compose(footer)

    monkeypatch.setattr(Footer, "compose", counted)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: app.opened)
        await pilot.press("3")
        await settled(pilot, lambda: isinstance(app.screen, Launch) and "queue" in keys(app))
        form = app.screen.query_one(ConfigForm)
        await settled(pilot, lambda: len(form.query(Input)) > 9 and form.query(Choice))
        inputs = list(form.query(Input))
        inputs[0].focus()
        await settled(pilot, lambda: app.focused is inputs[0])
        await pilot.pause(0.2)
        before = len(made)
        for field in inputs[1:5]:
            field.focus()
            await settled(pilot, lambda field=field: app.focused is field)
        await pilot.pause(0.2)
        assert len(made) == before
        await pilot.press("escape", "1")
        await settled(pilot, lambda: "open" in keys(app))
        assert isinstance(app.screen.query_one(Footer), KeyLine)
