"""What the tests of the Runs screen read from it."""

from test_runs_screen import lines

from app.tui.app import ReeltopApp


def told(app: ReeltopApp) -> str:
    """All that was said in the corner."""
    return "\n".join(note.message for note in app._notifications)


def order(app: ReeltopApp) -> list[str]:
    """Names of the runs in sight, from above."""
    return [line.split()[1] for line in (text[2:] for text in lines(app))]
