"""Averaging finished runs."""

from collections.abc import Sequence
from typing import Any

from app.output import print_json, print_table, run_json
from app.verbs.run import quiet_wait, wait_for
from engine.config.references import parse_reference
from engine.errors import ConfigError
from engine.format import printable
from engine.workspace import Workspace

_KINDS = {"auto": "bagged"} | {kind: kind for kind in ("equal", "bagged", "greedy", "coordinate")}


def ensemble_runs(
    workspace: Workspace, references: Sequence[str], weights: str, name: str | None, *, as_json: bool
) -> int:
    """Queue an ensemble of the runs, wait for it, and print what it found; the exit code.

    Raises:
        ConfigError: the weights are not usable.
        RunError: a reference names no run.
    """
    from engine.ensemble.plan import check_classifies, ensemble_config, member_names
    from engine.ensemble.result import ensemble_result
    from engine.planning.submit import plan_config, submit
    from engine.store.database import Store
    from engine.store.queries import run_detail, run_row
    from engine.store.runs import find_run
    from engine.store.views import Status

    store = Store.open(workspace.store_url)
    asked = [parse_reference("members", reference) for reference in references]
    ids = [find_run(store, reference) for reference, _ in asked]
    members = [
        f"{run_id}@{which}" if which else str(run_id) for run_id, (_, which) in zip(ids, asked, strict=True)
    ]
    details = [run_detail(store, run_id) for run_id in ids]
    for detail in details:
        check_classifies(detail)
    weighted = parse_weights(weights, member_names(store, details))
    config = ensemble_config(workspace, members, details, weighted, name or "ensemble")
    (run_id,) = submit(workspace, store, plan_config(workspace, store, config))
    code = (quiet_wait if as_json else wait_for)(workspace, [run_id], as_json=False)
    run, made = run_row(store, run_id), ensemble_result(workspace, store, run_id)
    report = made.report if run.status is Status.FINISHED else None
    if as_json:
        print_json(run_json(run) | {"ensemble": report, "submission": made.submission})
    elif report is not None:
        print_report(report)
        if made.submission is not None:
            print(f"submission file: {printable(made.submission)}")
    return code


def parse_weights(text: str, members: Sequence[str]) -> dict[str, Any]:
    """`auto`, a kind of weights or numbers with commas, as the config's `weights`.

    Raises:
        ConfigError: neither, or not one number for each member.
    """
    if text in _KINDS:
        return {"kind": _KINDS[text]}
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(
            f"--weights {printable(text)}: write auto, {', '.join(list(_KINDS)[1:])}, or numbers such as 1,1,0.7,1"
        ) from None
    if len(values) != len(members):
        raise ConfigError(
            f"--weights {printable(text)}: {len(values)} weights for {len(members)} members "
            f"({printable(', '.join(members))}; the folds of a model are one); give one for each"
        )
    if not all(0 <= value <= 1000 for value in values) or not any(values):
        raise ConfigError(f"--weights {printable(text)}: each must be 0 to 1000, and one of them above 0")
    return {"kind": "given", "values": values}


def print_report(report: dict[str, Any]) -> None:
    """Members beside the ensemble, its honest estimate, and how sure it is."""
    from engine.ensemble.text import report_lines, report_table

    head, rows = report_table(report)
    print()
    print_table(head, rows, right=range(1, len(head)))
    for line in report_lines(report):
        print(line)
