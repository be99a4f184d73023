"""A file in the person's own editor, with the interface out of the way meanwhile."""

import os
import shlex
import subprocess
from pathlib import Path

from textual.app import App, SuspendNotSupported

from engine.format import printable


def edit_file(app: App[None], path: Path) -> str:
    """Open `path` in `$VISUAL` or `$EDITOR` and wait; why that could not be done, or nothing."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        command = [*shlex.split(editor), str(path)]
        with app.suspend():
            ended = subprocess.run(command, check=False)
    except SuspendNotSupported:
        return f"there is no terminal here to give to an editor: edit {path}"
    except ValueError:
        return f"EDITOR={printable(editor)} cannot be understood: close its quotation marks"
    except OSError as error:
        return f"{printable(editor)} cannot be started ({error.strerror}): set EDITOR to your editor"
    return "" if ended.returncode == 0 else f"{printable(editor)} ended with code {ended.returncode}"
