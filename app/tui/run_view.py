"""What a table of runs shows: columns, order, filter and groups; what a saved view is, and what is remembered."""

from dataclasses import asdict, dataclass, replace
from typing import Any

_MOST_COLUMNS = 60


@dataclass(frozen=True, slots=True)
class View:
    """No columns mean those of the beginning."""

    columns: tuple[str, ...] = ()
    sort: str = "-created"
    filter: str = ""
    group: str = ""

    def but(self, **changes: Any) -> "View":
        """The same with something changed."""
        return replace(self, **changes)

    def as_data(self) -> dict[str, Any]:
        """Plain data, to be remembered."""
        return asdict(self) | {"columns": list(self.columns)}


def view_from(data: Any) -> View:
    """What was remembered, where it is of the right kind: whatever is not is as it is in the beginning."""
    if not isinstance(data, dict):
        return View()
    view = View()
    columns = data.get("columns")
    if isinstance(columns, list) and all(isinstance(key, str) and key for key in columns):
        view = view.but(columns=tuple(dict.fromkeys(columns))[:_MOST_COLUMNS])
    for name in ("sort", "filter", "group"):
        value = data.get(name)
        if isinstance(value, str) and (value or name != "sort"):
            view = view.but(**{name: value})
    return view
