"""A person's settings: theme and keys, from one file for all workspaces and one in the workspace, which goes before.

# ~/.config/reeltop/settings.yaml, then .reeltop/settings.yaml; both are only read
theme: nord
keys:
  runs.mark: m
  runs.filter: f,slash
"""

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.tui.bindings import TABLE
from app.tui.memory import FOLDER
from engine.errors import ConfigError
from engine.format import brief

if TYPE_CHECKING:
    from engine.config.document import Document

FILE = "settings.yaml"
_FIELDS = ("theme", "keys")
_MODIFIERS = ("ctrl", "shift", "alt", "super", "meta", "hyper")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the files say; `troubles` has a line for everything in them that was not taken."""

    theme: str | None = None
    keys: tuple[tuple[str, str], ...] = ()
    troubles: tuple[str, ...] = ()


def settings_files(root: Path, environ: Mapping[str, str] = os.environ) -> list[Path]:
    """The files, the one for all workspaces first; whether they are there or not."""
    here = [root / FOLDER / FILE]
    try:
        home = Path(environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    except RuntimeError:  # a user without a home, as containers have them
        return here
    return [home / "reeltop" / FILE, *here]


def is_there(path: Path) -> bool:
    """Whether there is such a file, as far as this person may know."""
    try:
        return path.exists()
    except OSError:
        return False


def read_settings(files: Sequence[Path], themes: Sequence[str]) -> Settings:
    """What the files say, the later before the earlier; what is wrong in them is left out and told.

    Never raises: a mistake in a settings file must not keep the interface from opening.
    """
    theme: str | None = None
    keys: dict[str, str] = {}
    troubles: list[str] = []
    for path in files:
        if not is_there(path):
            continue
        from engine.config.document import read_document

        shown = f"{FOLDER}/{FILE}" if path.parent.name == FOLDER else str(path)
        try:
            document = read_document(path, shown=shown)
        except ConfigError as error:
            troubles.append(f"{error}; nothing in it is used")
            continue
        for name in document.data:
            if name not in _FIELDS:
                troubles.append(
                    f"{document.place((name,))}: `{brief(name)}` is no setting{_near(name, _FIELDS)}"
                )
        chosen = document.data.get("theme")
        if chosen is not None:
            if chosen in themes:
                theme = chosen
            else:
                troubles.append(
                    f"{document.place(('theme',))}: theme: there is no theme `{brief(str(chosen))}`"
                    f"{_near(str(chosen), themes)}"
                )
        taken, wrong = _keys(document)
        keys |= taken
        troubles += wrong
    return Settings(theme, tuple(keys.items()), (*troubles, *_clashes(keys)))


def template() -> str:
    """A settings file to begin with: every key as it is, to be changed behind the `#`."""
    lines = [
        "# Settings of the interface in this workspace; those for all workspaces are in",
        "# ~/.config/reeltop/settings.yaml, and what is set here goes before them.",
        "",
        "# theme: nord",
        "",
        "# keys:",
    ]
    keys: dict[str, str] = {}
    for entries in TABLE.values():
        for binding in entries:
            keys.setdefault(binding.id or "", binding.key)
    told = binding_ids()
    lines += [f"#   {name + ': ' + key:<44} # {told[name]}" for name, key in keys.items() if name]
    return "\n".join(lines) + "\n"


def binding_ids() -> dict[str, str]:
    """Every id that a key can be given to, with what it does."""
    found: dict[str, str] = {}
    for entries in TABLE.values():
        for binding in entries:
            if binding.id is not None:
                found.setdefault(binding.id, binding.description)
    return found


def is_key(name: str) -> bool:
    """Whether a terminal could send it: `m`, `?`, `f5`, `ctrl+s`."""
    from textual.keys import KEY_NAME_REPLACEMENTS, Keys, key_to_character

    *modifiers, key = name.split("+") if len(name) > 1 else [name]
    if any(modifier not in _MODIFIERS for modifier in modifiers):
        return False
    named = {*Keys, *KEY_NAME_REPLACEMENTS.values()}
    return bool(key) and (len(key) == 1 or key in named or key_to_character(key) is not None)


def _keys(document: "Document") -> tuple[dict[str, str], list[str]]:
    section: Any = document.data.get("keys")
    if section is None:
        return {}, []
    if not isinstance(section, dict):
        return {}, [f"{document.place(('keys',))}: keys: write one `id: key` a line, such as `runs.mark: m`"]
    known = binding_ids()
    taken: dict[str, str] = {}
    troubles: list[str] = []
    for name, value in section.items():
        place = document.place(("keys", name))
        if name not in known:
            troubles.append(f"{place}: keys: nothing is called `{brief(name)}`{_near(name, list(known))}")
            continue
        text = str(value).strip()
        names = [","] if text == "," else [part.strip() for part in text.split(",")]
        wrong = [part for part in names if not is_key(part)]
        if wrong or not isinstance(value, str | int):
            shown = brief(wrong[0] if wrong else text)
            troubles.append(
                f"{place}: keys: {name}: `{shown}` is no key: write such as m, f5, ctrl+s or slash"
            )
            continue
        taken[name] = "comma" if names == [","] else ",".join(names)
    return taken, troubles


def _clashes(keys: Mapping[str, str]) -> list[str]:
    """A key that would do two things at one place: the one of the settings file is obeyed, and this is told."""
    found: list[str] = []
    for entries in TABLE.values():
        holders: dict[str, str] = {}
        # Those that the person chose come last, as they win.
        for binding in sorted(entries, key=lambda each: each.id in keys):
            name = binding.id or ""
            for key in keys.get(name, binding.key).split(","):
                other = holders.get(key)
                if other not in (None, name):
                    found.append(f"settings: {key} is for {name} now, and no longer for {other}")
                holders[key] = name
    return list(dict.fromkeys(found))


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f": did you mean `{near[0]}`?"
    return f": {', '.join(known)}" if len(known) < 30 else ""
