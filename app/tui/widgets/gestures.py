"""What a person does on a plot, as messages."""

from textual.message import Message

from app.tui.curves import Limits


class Moved(Message):
    """Another part of an axis is wanted; None leaves that axis."""

    def __init__(self, x: Limits | None, y: Limits | None) -> None:
        super().__init__()
        self.x = x
        self.y = y


class Pointed(Message):
    """The crosshair is wanted at `x`, or gone."""

    def __init__(self, x: float | None) -> None:
        super().__init__()
        self.x = x


class AllWanted(Message):
    """The whole series is wanted again."""
