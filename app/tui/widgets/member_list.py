"""The members of an ensemble with their weights, which keys and the mouse change."""

from collections.abc import Sequence

from textual.events import MouseDown, MouseMove, MouseUp
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from app.tui.bindings import bindings
from app.tui.ensemble_lines import Layout, MemberLine, head, layout, member_line
from app.tui.widgets.label import Label


class MemberList(OptionList):
    """Says what a person wants of which member; whoever owns the weights shows them again.

    Args:
        titles: where the titles of the columns go.
    """

    BINDINGS = bindings("members")
    BINDING_GROUP_TITLE = "Members"

    class Weighed(Message):
        """A weight is wanted for a member; `dragging` while the mouse button is held."""

        def __init__(self, index: int, weight: float, *, dragging: bool = False) -> None:
            super().__init__()
            self.index = index
            self.weight = weight
            self.dragging = dragging

    class Switched(Message):
        """A member is to be switched off, or on again."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    class Removed(Message):
        """A member is to leave."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    class Typing(Message):
        """A weight is to be typed, which begins with `text`."""

        def __init__(self, index: int, name: str, text: str) -> None:
            super().__init__()
            self.index = index
            self.name = name
            self.text = text

    def __init__(self, titles: Label, *, widget_id: str) -> None:
        super().__init__(id=widget_id, markup=False)
        self._titles = titles
        self._members: tuple[MemberLine, ...] = ()
        self._held: tuple[int, Layout] | None = None

    def show(self, members: Sequence[MemberLine]) -> None:
        """Show the members; the cursor stays where it is."""
        same = len(members) == len(self._members)
        self._members = tuple(members)
        lines = [member_line(line, self._layout) for line in self._members]
        if not same:
            cursor = self.highlighted or 0
            self.set_options([Option(line) for line in lines])
            self.highlighted = min(cursor, len(lines) - 1) if lines else None
        for index, line in enumerate(lines if same else ()):
            if line != self.get_option_at_index(index).prompt:
                self.replace_option_prompt_at_index(index, line)
        if (titles := head(self._layout)) != self._titles.content:
            self._titles.update(titles)

    def on_resize(self) -> None:
        self.show(self._members)

    def action_step(self, by: float) -> None:
        """Change the weight under the cursor."""
        if (index := self.highlighted) is not None:
            weight = round(max(0.0, self._members[index].weight + by), 2)
            self.post_message(self.Weighed(index, weight))

    def action_off(self) -> None:
        """No weight for the member under the cursor."""
        if (index := self.highlighted) is not None:
            self.post_message(self.Weighed(index, 0.0))

    def action_switch(self) -> None:
        """Off, or on again with the weight that it had."""
        if (index := self.highlighted) is not None:
            self.post_message(self.Switched(index))

    def action_remove(self) -> None:
        """Take the member under the cursor out of the ensemble."""
        if (index := self.highlighted) is not None:
            self.post_message(self.Removed(index))

    def action_type(self, text: str) -> None:
        """Type a weight."""
        if (index := self.highlighted) is not None:
            self.post_message(self.Typing(index, self._members[index].name, text))

    def on_mouse_down(self, event: MouseDown) -> None:
        """On the bar: a weight. On the circle: off or on."""
        index = event.style.meta.get("option")
        position = event.get_content_offset(self)
        if index is None or position is None:
            return
        shape = self._layout
        if position.x < 2:
            self.post_message(self.Switched(index))
        elif (weight := shape.weight_at(position.x)) is not None:
            self._held = index, shape
            self.capture_mouse()
            self.post_message(self.Weighed(index, weight, dragging=True))

    def on_mouse_move(self, event: MouseMove) -> None:
        if self._held is None:
            return
        index, shape = self._held
        x = event.x - self.gutter.left
        edges = shape.bar_start - 1, shape.bar_start + shape.bar
        weight = shape.weight_at(max(edges[0], min(edges[1], x)))
        if weight is not None and index < len(self._members) and weight != self._members[index].weight:
            self.post_message(self.Weighed(index, weight, dragging=True))

    def on_mouse_up(self, event: MouseUp) -> None:
        if self._held is not None:
            index, _ = self._held
            self._held = None
            self.release_mouse()
            if index < len(self._members):
                self.post_message(self.Weighed(index, self._members[index].weight))

    @property
    def _layout(self) -> Layout:
        width = self.scrollable_content_region.width or self.size.width or 76
        shape = layout(width, self._members)
        if self._held is not None:
            held = self._held[1]
            return Layout(shape.name, shape.bar, shape.levels, held.scale)
        return shape
