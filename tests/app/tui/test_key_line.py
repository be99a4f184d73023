"""The footer shows the keys that work now, and is not made anew while they stay the same."""

from collections.abc import Callable

import pytest
from textual.widgets import Input

from app.tui.app import ReeltopApp
from app.tui.screens.launch import Launch
from app.tui.widgets.choice import Choice
from app.tui.widgets.config_form import ConfigForm
from app.tui.widgets.key_line import KeyLine
from engine.workspace import Workspace


def keys(app: ReeltopApp) -> list[str]:
    return [word for line in app.screen.query(KeyLine) for word in line.words]


async def test_moving_between_fields_makes_no_new_footer_but_other_keys_do(
    workspace: Workspace, settled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace.configs / "model.yaml").write_text("stage: finetune\nmodel: {vision: models/clip}\n")
    made: list[object] = []
    render = KeyLine.render

    def counted(line: KeyLine) -> object:
        made.append(line)
        return render(line)

    monkeypatch.setattr(KeyLine, "render", counted)
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
        assert len(made) > before


@pytest.mark.parametrize("width", [20, 40, 80, 200])
async def test_help_and_quit_are_always_in_sight_and_no_word_is_cut(
    workspace: Workspace, settled: Callable, width: int
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(width, 24)) as pilot:
        await settled(pilot, lambda: app.opened)
        for key, mode in (("1", "monitor"), ("2", "runs"), ("5", "ensemble")):
            await pilot.press(key)
            await settled(pilot, lambda mode=mode: app.current_mode == mode and "quit" in keys(app))
            line = app.screen.query_one(KeyLine)
            text = line.render().plain
            assert "? keys q quit" in text
            assert len(text) <= width
            if width == 80:
                assert text.endswith("^p palette")
            shown = [text[x : x + word.width] for x, word in line._places()]
            assert all(word.endswith(name) for word, name in zip(shown, keys(app), strict=True))
            if width == 200:
                assert len(keys(app)) >= 8


async def test_a_click_on_a_key_presses_it_also_within_a_group(
    workspace: Workspace, settled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(160, 24)) as pilot:
        await settled(pilot, lambda: app.opened)
        await pilot.press("5")
        await settled(pilot, lambda: app.current_mode == "ensemble" and "quit" in keys(app))
        line = app.screen.query_one(KeyLine)
        pressed: list[str] = []
        monkeypatch.setattr(app, "simulate_key", pressed.append)
        for x, word in line._places():
            for place, (key, shown, _) in enumerate(word.keys):
                before = sum(len(each[1]) for each in word.keys[:place])
                await pilot.click(KeyLine, offset=(x + before, 0))
                await settled(pilot, lambda: pressed)
                assert pressed.pop() == key, shown
        assert not pressed
