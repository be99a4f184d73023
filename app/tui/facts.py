"""What is worth saying about a run, as names and values: the preview and the overview say the same."""

from typing import Any

from app.tui.columns import seconds_of
from engine.format import duration, moment, printable, score, setting
from engine.store.views import RunDetail

_NOT_SETTINGS = {"stage", "name", "experiment", "notes", "tags", "inputs", "priority"}


def what(detail: RunDetail) -> list[tuple[str, str]]:
    """What the run is and when it ran."""
    run = detail.run
    facts = [("stage", printable(run.stage))]
    if run.experiment:
        facts.append(("experiment", printable(run.experiment)))
    facts += [
        (
            "input",
            f"{item.role}: {item.source_run} {printable(item.source_name)}{f'@{item.which}' if item.which else ''}",
        )
        for item in detail.inputs
    ]
    if run.waiting_for:
        facts.append(("waits", printable(run.waiting_for)))
    facts.append(("created", moment(run.created)))
    if run.started is not None:
        facts.append(("took", duration(seconds_of(run))))
    if run.attempt > 1:
        facts.append(("attempt", str(run.attempt)))
    if run.tags:
        facts.append(("tags", ", ".join(printable(tag) for tag in run.tags)))
    if run.notes:
        facts.append(("notes", printable(run.notes)))
    return facts


def scores(detail: RunDetail) -> list[tuple[str, str]]:
    """The F1 of the best validation pass."""
    run = detail.run
    if run.f1_mean is None:
        return []
    best = max(
        (row for row in detail.evaluations if row.split == "val"), key=lambda row: row.f1_mean, default=None
    )
    when = f" at epoch {best.epoch}" if best is not None and best.epoch is not None else ""
    facts = [("f1_mean", f"{score(run.f1_mean)}{when}")]
    facts += [
        (f"level {level.level}", f"micro {score(level.f1_micro)}  macro {score(level.f1_macro)}")
        for level in run.levels
    ]
    return facts


def where(detail: RunDetail) -> list[tuple[str, str]]:
    """What is needed to repeat it."""
    run = detail.run
    facts = [("seed", str(run.seed))]
    facts += [
        (name, printable(value)) for name, value in (("host", run.host), ("devices", run.devices)) if value
    ]
    known = {name for name, _ in facts}
    for name, value in detail.env.items():
        if name in known:
            continue
        if name == "packages":
            facts.append((name, f"{len(str(value).splitlines())}, listed on the tab Config"))
        elif value is not None:
            facts.append((printable(name), printable(str(value))))
    return facts


def settings(config: dict[str, Any]) -> list[tuple[str, str]]:
    """The config as dotted keys, less what is said elsewhere."""
    return [
        (printable(key), shown(value))
        for key, value in flat(config)
        if key.split(".")[0] not in _NOT_SETTINGS
    ]


def flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested settings as dotted keys, in their order."""
    pairs: list[tuple[str, Any]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        pairs += flat(value, f"{name}.") if isinstance(value, dict) else [(name, value)]
    return pairs


def shown(value: Any) -> str:
    """A setting's value as it would be typed."""
    return setting(value)
