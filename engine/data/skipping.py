"""What a run does about broken videos: name each, go on, and give up when there are too many."""

import logging

from engine.errors import DataError

log = logging.getLogger(__name__)
_SHOWN = 20


class SkipLimit:
    """Counts broken videos of a data set of `total`.

    Args:
        on_error: `fail` gives up at the first one.
        max_skipped: share of `total` above which the run gives up.
    """

    def __init__(self, total: int, *, on_error: str, max_skipped: float) -> None:
        self.total = total
        self.on_error = on_error
        self.max_skipped = max_skipped
        self.problems: set[str] = set()

    def note(self, problem: str) -> None:
        """Count a broken video; the same problem again counts once.

        Raises:
            DataError: it is one too many.
        """
        if problem in self.problems:
            return
        self.problems.add(problem)
        if self.on_error == "fail":
            raise DataError(f"{problem} (data.on_error is fail; set it to skip to go on without it)")
        if len(self.problems) <= _SHOWN:
            log.warning("skipped: %s", problem)
        elif len(self.problems) == _SHOWN + 1:
            log.warning("skipped: more than %d videos; `reeltop check` names all", _SHOWN)
        if len(self.problems) > self.max_skipped * self.total:
            raise DataError(
                f"{len(self.problems)} of {self.total} videos are broken, more than data.max_skipped "
                f"({self.max_skipped:g}) allows; the last one: {problem}"
            )
