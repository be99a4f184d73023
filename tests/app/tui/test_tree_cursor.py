"""Where the cursor of a tree is can be read, without colours and in ASCII too."""

from collections.abc import Callable

from rich.segment import Segment
from textual.color import Color

from app.tui.app import ReeltopApp
from app.tui.ascii import AsciiFilter
from app.tui.screens.launch import Launch
from app.tui.widgets.config_files import ConfigFiles
from app.tui.widgets.marked_tree import CURSOR
from engine.workspace import Workspace


async def test_the_file_under_the_cursor_has_a_glyph_that_goes_with_it(
    workspace: Workspace, settled: Callable
) -> None:
    for name in ("first", "second"):
        (workspace.configs / f"{name}.yaml").write_text("stage: finetune\nmodel: {vision: models/clip}\n")
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(pilot, lambda: app.opened)
        await pilot.press("3")
        await settled(pilot, lambda: isinstance(app.screen, Launch) and app.screen.query(ConfigFiles))
        files = app.screen.query_one(ConfigFiles)

        def rows() -> list[str]:
            return [files.render_line(y).text.rstrip() for y in range(2)]

        await settled(pilot, lambda: f"{CURSOR}first" in rows()[0])
        assert CURSOR not in rows()[1]
        place = rows()[1].index("second")
        await pilot.press("down")
        await settled(pilot, lambda: f"{CURSOR}second" in rows()[1])
        assert rows()[1].index("second") == place
        assert CURSOR not in rows()[0]


def test_the_glyph_is_another_one_than_the_guides_in_ascii() -> None:
    [written] = AsciiFilter().apply([Segment(f"├ {CURSOR}first")], Color(0, 0, 0))
    assert written.text == "+ >first"
