"""Settings, what is remembered, and the palette: a mistake in a file is one line, and never keeps the app shut."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import new_run
from textual.command import CommandPalette
from textual.widgets import Input

from app.tui.app import ReeltopApp
from app.tui.bindings import TABLE
from app.tui.memory import Memory
from app.tui.screens.monitor import Monitor
from app.tui.screens.run import RunScreen
from app.tui.screens.runs import Runs
from app.tui.settings import is_key, read_settings, settings_files, template
from app.tui.widgets.run_table import RunTable
from engine.store.database import Store
from engine.store.runs import create_runs
from engine.workspace import Workspace

THEMES = ("nord", "textual-dark", "textual-light")


def write(folder: Path, text: str) -> Path:
    """A settings file in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def told(app: ReeltopApp) -> list[str]:
    return [note.message for note in app._notifications]


def test_the_file_for_all_workspaces_is_where_xdg_says_and_the_workspaces_goes_before(tmp_path: Path) -> None:
    home = write(tmp_path / "config" / "reeltop", "theme: nord\nkeys:\n  runs.mark: m\n  runs.tag: T\n")
    here = write(tmp_path / ".reeltop", "theme: textual-light\nkeys:\n  runs.mark: comma, f5\n")
    files = settings_files(tmp_path, {"XDG_CONFIG_HOME": str(tmp_path / "config")})
    assert files == [home, here]
    settings = read_settings(files, THEMES)
    assert settings.theme == "textual-light"
    assert dict(settings.keys) == {"runs.mark": "comma,f5", "runs.tag": "T"}
    assert settings.troubles == ()
    assert settings_files(tmp_path, {})[0] == Path("~/.config/reeltop/settings.yaml").expanduser()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("thme: nord", ".reeltop/settings.yaml:1: `thme` is no setting: did you mean `theme`?"),
        ("theme: nrod", ".reeltop/settings.yaml:1: theme: there is no theme `nrod`: did you mean `nord`?"),
        ("theme: [1]", "there is no theme `[1]`"),
        ("keys:\n  runs.mrak: m", ":2: keys: nothing is called `runs.mrak`: did you mean `runs.mark`?"),
        ("keys:\n  runs.mark: ctl+m", ":2: keys: runs.mark: `ctl+m` is no key: write such as m, f5, ctrl+s"),
        ("keys:\n  runs.mark: m,", "`` is no key"),
        ("keys:\n  runs.mark: [m]", "is no key"),
        ("keys: m", ":1: keys: write one `id: key` a line"),
        ("keys:\n  runs.mark: s", "settings: s is for runs.mark now, and no longer for runs.sort"),
        ("a: [", "is not YAML"),
        ("", "is not a config"),
        ("\x00", "is not YAML"),
    ],
)
def test_a_mistake_is_one_line_with_its_place_and_a_way_out(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path / ".reeltop", text)
    [trouble] = read_settings([path], THEMES).troubles
    assert said in trouble
    assert "\n" not in trouble


def test_what_is_right_beside_a_mistake_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path / ".reeltop", "theme: nord\nkeys:\n  runs.mark: m\n  nothing: x\n")
    settings = read_settings([path], THEMES)
    assert (settings.theme, settings.keys, len(settings.troubles)) == ("nord", (("runs.mark", "m"),), 1)


def test_no_files_are_no_settings_and_no_trouble(tmp_path: Path) -> None:
    assert read_settings(settings_files(tmp_path, {"XDG_CONFIG_HOME": str(tmp_path)}), THEMES).troubles == ()


def test_a_person_without_a_home_or_a_right_to_look_there_has_the_workspaces_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    here = write(tmp_path / ".reeltop", "theme: nord")
    monkeypatch.setattr(Path, "expanduser", fail)
    assert settings_files(tmp_path, {}) == [here]

    def closed(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", closed)
    assert read_settings([here], THEMES).theme is None


def test_every_key_of_the_interface_is_a_key_that_a_file_may_say() -> None:
    for entries in TABLE.values():
        for binding in entries:
            assert all(is_key(key) for key in binding.key.split(",")), binding
    assert is_key("?")
    assert is_key("ctrl+shift+f12")
    assert not is_key("ctrl+")
    assert not is_key("nothing here")


def test_the_file_to_begin_with_names_every_key_and_sets_nothing(tmp_path: Path) -> None:
    text = template()
    for entries in TABLE.values():
        assert all(f"{binding.id}: " in text for binding in entries)
    lines = [line.removeprefix("# ").removeprefix("#") for line in text.splitlines() if ": " in line]
    path = write(tmp_path / ".reeltop", "\n".join(lines[1:] if "config" in lines[0] else lines))
    assert [trouble for trouble in read_settings([path], THEMES).troubles if "no key" in trouble] == []


def test_the_example_of_the_readme_is_taken_as_it_stands(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    lines = readme.partition("    theme: nord\n")[2].partition("\n\n")[0].splitlines()
    path = write(tmp_path / ".reeltop", "\n".join(["theme: nord", *(line[4:] for line in lines)]))
    settings = read_settings([path], THEMES)
    assert settings.troubles == ()
    assert (settings.theme, dict(settings.keys)["runs.mark"]) == ("nord", "m")


async def test_keys_and_theme_of_the_file_hold(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    write(workspace.root / ".reeltop", "theme: nord\nkeys:\n  mode.runs: f7\n  runs.mark: m\n")
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: app.opened and app.theme == "nord")
        await pilot.press("2")
        await pilot.press("f7")
        await settled(pilot, lambda: app.current_mode == "runs" and app.screen.query(RunTable))
        await settled(pilot, lambda: app.screen.query_one(RunTable).matching == 4)
        await pilot.press("space")
        assert app.marked == []
        await pilot.press("m")
        assert len(app.marked) == 1
        assert told(app) == []


async def test_what_is_wrong_with_the_settings_is_told_and_the_app_opens(
    workspace: Workspace, settled: Callable, no_settings: Path
) -> None:
    write(no_settings / "reeltop", "theme: none such\n")
    write(workspace.root / ".reeltop", "keys:\n  runs.mark: ctl+x\n")
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: len(told(app)) == 2 and app.opened)
        assert "there is no theme" in told(app)[0]
        assert "`ctl+x` is no key" in told(app)[1]


async def test_the_theme_that_was_chosen_is_kept_until_the_file_says_another(
    workspace: Workspace, settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test() as pilot:
        await settled(pilot, lambda: app.opened)
        app.theme = "gruvbox"
        await settled(pilot, lambda: app.memory.get("theme") is not None)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test() as pilot:
        assert app.theme == "gruvbox"
        await settled(pilot, lambda: app.opened)
    write(workspace.root / ".reeltop", "theme: nord\n")
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test() as pilot:
        await settled(pilot, lambda: app.theme == "nord")
        app.theme = "dracula"
        await settled(pilot, lambda: (app.memory.get("theme") or {}).get("name") == "dracula")
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test() as pilot:
        await settled(pilot, lambda: app._settings is not None)
        assert app.theme == "dracula"


async def test_the_mode_that_was_left_is_the_first_one(workspace: Workspace, settled: Callable) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.opened)
        await pilot.press("2")
        await settled(pilot, lambda: isinstance(app.screen, Runs))
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Runs))


async def test_a_broken_memory_is_told_once_kept_aside_and_begun_anew(
    workspace: Workspace, settled: Callable
) -> None:
    folder = workspace.root / ".reeltop"
    folder.mkdir()
    (folder / "state.json").write_text("{not json")
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.opened)
        assert len([text for text in told(app) if "state.json cannot be used" in text]) == 1
        await pilot.press("2")
        await settled(pilot, lambda: isinstance(app.screen, Runs))
    assert (folder / "state.broken").read_text() == "{not json"
    assert json.loads((folder / "state.json").read_text())["sections"]["mode"] == "runs"


@pytest.mark.parametrize(
    "text", ["[]", '{"version": 99, "sections": {}}', '{"sections": 5}', "\udcff", "[" * 10_000]
)
def test_a_memory_of_another_kind_is_begun_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / ".reeltop").mkdir()
    (tmp_path / ".reeltop" / "state.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    memory = Memory(tmp_path)
    assert memory.get("mode") is None
    assert "cannot be used" in memory.trouble
    memory.put("mode", "runs")
    memory.write()
    assert Memory(tmp_path).get("mode") == "runs"


def test_two_interfaces_keep_each_others_views(tmp_path: Path) -> None:
    one, two = Memory(tmp_path), Memory(tmp_path)
    assert one.put("view:a", {"sort": "name"})
    one.write()
    assert two.put("view:b", {"sort": "id"})
    two.write()
    assert list(Memory(tmp_path).views()) == ["a", "b"]
    assert not one.put("view:a", {"sort": "name"})
    one.put("view:a", None)
    one.write()
    assert list(Memory(tmp_path).views()) == ["b"]
    assert sorted(path.name for path in (tmp_path / ".reeltop").iterdir()) == ["state.json"]


async def test_a_workspace_that_cannot_be_written_says_so_once_and_works(
    workspace: Workspace, settled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_memory: Memory) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Memory, "write", fail)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, lambda: isinstance(app.screen, Monitor) and app.opened)
        for key, mode in (("2", "runs"), ("3", "launch"), ("1", "monitor")):
            await pilot.press(key)
            await settled(pilot, lambda mode=mode: app.current_mode == mode)
        await settled(pilot, lambda: len([text for text in told(app) if "not remembered" in text]) == 1)


async def palette(app: ReeltopApp, pilot: object, settled: Callable, text: str) -> None:
    """Open the palette, type, and take the first thing found."""
    await pilot.press("ctrl+p")
    await settled(pilot, lambda: isinstance(app.screen, CommandPalette))
    app.screen.query_one(Input).value = text

    def first() -> str:
        """The first line, once the search has answered."""
        lists = app.screen.query("CommandList")
        option = lists.first().get_option_at_index(0) if lists and lists.first().option_count else None
        return str(option.prompt) if option is not None else ""

    await settled(pilot, lambda: text in first())
    await pilot.press("down", "enter")


async def test_the_palette_finds_the_oldest_of_many_runs_and_opens_it(
    workspace: Workspace, store: Store, settled: Callable
) -> None:
    create_runs(store, [new_run("the-first-of-all")] + [new_run(f"run-{n}") for n in range(1000)])
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: app.opened)
        await palette(app, pilot, settled, "the-first-of")
        await settled(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_the_palette_shows_saved_views(
    workspace: Workspace, runs: dict[str, int], settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    app.memory.put("view:only model-3", {"filter": "name=model-3", "sort": "name"})
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: app.opened)
        await palette(app, pilot, settled, "view only model-3")
        await settled(pilot, lambda: app.current_mode == "runs" and app.screen.query(RunTable))
        await settled(pilot, lambda: app.screen.query_one(RunTable).matching == 1)


async def test_the_palette_opens_the_settings_in_the_editor_and_they_hold(
    workspace: Workspace, settled: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit(_app: ReeltopApp, path: Path) -> str:
        assert "runs.mark" in path.read_text()
        path.write_text("theme: nord\n")
        return ""

    monkeypatch.setattr("app.tui.editor.edit_file", edit)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: app.opened)
        await palette(app, pilot, settled, "settings")
        await settled(pilot, lambda: app.theme == "nord")


async def test_without_a_terminal_to_give_away_the_settings_file_is_named(
    workspace: Workspace, settled: Callable
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: app.opened)
        app.edit_settings()
        await settled(pilot, lambda: any("no terminal here" in text for text in told(app)))
        assert os.access(workspace.root / ".reeltop" / "settings.yaml", os.R_OK)
