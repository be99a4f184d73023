"""What the ensemble screen has done in threads: loading, scoring, searching; each answers with a message."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message
from textual.worker import Worker, get_current_worker

from app.tui import troubles
from app.tui.screens.base import ReeltopScreen

if TYPE_CHECKING:
    from engine.ensemble.plan import Candidate
    from engine.ensemble.weighing import Gathered, Weighed

_BETWEEN_PROGRESS = 0.1


class _StoppedError(Exception):
    """The person has ended the search, or gone on to something else."""


@dataclass
class Loading(Message):
    """How far loading has come."""

    asked: int
    done: int
    total: int
    name: str


@dataclass
class Loaded(Message):
    """Members are there; `asked` says for which question."""

    asked: int
    gathered: "Gathered"


@dataclass
class Scored(Message):
    """What weights are worth."""

    asked: int
    weighed: "Weighed"


@dataclass
class Sure(Message):
    """How sure the score of weights is."""

    asked: int
    report: dict[str, Any]


@dataclass
class Searching(Message):
    """How far a search has come."""

    kind: str
    share: float


@dataclass
class Found(Message):
    """What a search has found; no report where it was ended."""

    asked: int
    report: dict[str, Any] | None


@dataclass
class Candidates(Message):
    """Runs that could be members."""

    found: "tuple[Candidate, ...]"


class EnsembleWork(ReeltopScreen):
    """Workers in threads, one of a kind at a time; none of them touches a widget."""

    _search: Worker[None] | None = None

    def load(self, asked: int, run_ids: Sequence[int]) -> None:
        """Load the predictions of runs."""
        workspace, feed = self.reeltop.workspace, self.reeltop.feed

        def work() -> Message:
            from engine.ensemble.weighing import gather

            told = _Seldom(lambda done, total, name: self.post_message(Loading(asked, done, total, name)))
            gathered = gather(workspace, feed.store(), run_ids, told)
            if gathered.data is not None:
                gathered.agreement, gathered.alone, gathered.best  # noqa: B018 - computed here, not while drawing
            return Loaded(asked, gathered)

        self._in_thread("load", work)

    def score(self, asked: int, gathered: "Gathered", weights: Sequence[float]) -> None:
        """Score members under weights."""

        def work() -> Message:
            from engine.ensemble.weighing import weigh

            return Scored(asked, weigh(gathered, weights))

        self._in_thread("score", work)

    def make_sure(self, asked: int, gathered: "Gathered", weights: Sequence[float]) -> None:
        """Resample the videos for an interval."""

        def work() -> Message:
            from engine.ensemble.weighing import given_report

            return Sure(asked, given_report(gathered, weights))

        self._in_thread("sure", work)

    def search(self, asked: int, kind: str, gathered: "Gathered") -> None:
        """Search for weights until found or stopped."""

        def work() -> Message:
            from engine.ensemble.weighing import search_report

            told = _Seldom(lambda share: self.post_message(Searching(kind, share)))

            def watch(share: float) -> None:
                if get_current_worker().is_cancelled:
                    raise _StoppedError
                told(share)

            try:
                return Found(asked, search_report(gathered, kind, watch))
            except _StoppedError:
                return Found(asked, None)

        self._search = self._in_thread("search", work)

    @property
    def searching(self) -> bool:
        """A search goes on."""
        return self._search is not None and self._search.is_running

    def stop_search(self) -> None:
        """End the search that goes on."""
        if self._search is not None:
            self._search.cancel()
            self._search = None

    def look_for_candidates(self) -> None:
        """List the runs that could be members."""
        feed = self.reeltop.feed

        def work() -> Message:
            from engine.ensemble.plan import candidates

            return Candidates(candidates(feed.store()))

        self._in_thread("candidates", work)

    def _in_thread(self, name: str, work: Callable[[], Message]) -> Worker[None]:
        def run() -> None:
            try:
                message = work()
            except troubles.expected() as error:
                self.app.call_from_thread(self.failed, name, troubles.one_line(error))
                return
            self.post_message(message)

        return self.run_worker(
            run, name=name, group=f"ensemble-{name}", thread=True, exclusive=name != "score"
        )

    def failed(self, name: str, reason: str) -> None:
        """Some work could not be done."""
        self.notify(reason, severity="error", markup=False)


class _Seldom:
    """Passes on one call in a tenth of a second."""

    def __init__(self, tell: Callable[..., object]) -> None:
        self._tell = tell
        self._last = 0.0

    def __call__(self, *args: Any) -> None:
        now = time.monotonic()
        if now - self._last >= _BETWEEN_PROGRESS:
            self._last = now
            self._tell(*args)
