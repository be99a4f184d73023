"""Opening the terminal interface."""

import os
import sys

from engine.errors import ReeltopError
from engine.workspace import Workspace


def open_interface(workspace: Workspace) -> None:
    """The Textual app on this terminal.

    Raises:
        ReeltopError: there is no terminal.
    """
    in_browser = os.environ.get("TEXTUAL_DRIVER", "").endswith(":WebDriver")
    if not in_browser and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ReeltopError(
            "the interface needs a terminal; `reeltop ls` and `reeltop show RUN` work without one"
        )
    from app.tui.app import ReeltopApp

    ReeltopApp(workspace).run()
