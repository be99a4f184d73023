"""How fast the charted run goes and how it learns: one line below the charts."""

from collections.abc import Mapping

from textual.content import Content

from app.tui.widgets.label import Label
from engine.format import count, number
from engine.store.views import MetricSummary

_VIDEOS, _RATE, _GRADIENT = "speed/videos", "lr/text", "train/grad_norm"
_WHOLE = 1000  # from here on digits after the point say nothing


class RatesLine(Label):
    """Always there where there is room, so that nothing jumps when the first values come."""

    def show(self, summaries: Mapping[str, MetricSummary]) -> None:
        """Show the last values; what the run does not log is left out."""
        last = {key: summaries[key].last for key in (_VIDEOS, _RATE, _GRADIENT) if key in summaries}
        parts = []
        if (videos := last.get(_VIDEOS)) is not None:
            parts.append(f"{count(videos) if videos >= _WHOLE else number(videos, 3)} videos/s")
        if (rate := last.get(_RATE)) is not None:
            parts.append(f"lr {number(rate, 2)}")
        if (gradient := last.get(_GRADIENT)) is not None:
            parts.append(f"grad {number(gradient, 2)}")
        self.redraw(Content(" · ".join(parts)))
