"""What a person reads on the screen."""

from typing import Any

from textual.app import App


def drawn(app: App[Any]) -> list[str]:
    """The lines of the screen as they are drawn."""
    return ["".join(part.text for part in strip) for strip in app.screen._compositor.render_strips()]
