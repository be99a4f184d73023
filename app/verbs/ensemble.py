"""Averaging finished runs."""

import json
from collections.abc import Sequence
from typing import Any

from app.output import print_json, print_table, run_json
from app.verbs.run import quiet_wait, wait_for
from engine.errors import ConfigError
from engine.format import printable, score
from engine.workspace import Workspace

_KINDS = {"auto": "coordinate", "equal": "equal", "greedy": "greedy", "coordinate": "coordinate"}


def ensemble_runs(
    workspace: Workspace, references: Sequence[str], weights: str, name: str | None, *, as_json: bool
) -> int:
    """Queue an ensemble of the runs, wait for it, and print what it found; the exit code.

    Raises:
        ConfigError: the weights are not usable.
        RunError: a reference names no run.
    """
    from engine.config.stages import EnsembleConfig
    from engine.store.database import Store
    from engine.store.queries import artifact_of, run_detail, run_row
    from engine.store.runs import find_run
    from engine.store.views import Status
    from engine.submit import plan_config, submit

    store = Store.open(workspace.store_url)
    ids = [find_run(store, reference.partition("@")[0] or reference) for reference in references]
    members = [
        f"{run_id}@{which}" if (which := _which(reference)) else str(run_id)
        for run_id, reference in zip(ids, references, strict=True)
    ]
    root = next(
        (root for run_id in ids if (root := run_detail(store, run_id).config.get("data", {}).get("root"))),
        None,
    )
    config = EnsembleConfig.model_validate(
        {
            "stage": "ensemble",
            "name": name or "ensemble",
            "gpus": max(run_row(store, run_id).gpus for run_id in ids),
            "data": {"root": root} if root else {},
            "inputs": {"members": members},
            "weights": parse_weights(weights, len(ids)),
        }
    )
    (run_id,) = submit(workspace, store, plan_config(workspace, store, config))
    code = (quiet_wait if as_json else wait_for)(workspace, [run_id], as_json=False)
    run = run_row(store, run_id)
    made = artifact_of(store, run_id, "report")
    report = None
    if run.status is Status.FINISHED and made is not None:
        report = json.loads((workspace.root / run.directory / made.path).read_text(encoding="utf-8"))
    if as_json:
        print_json(run_json(run) | {"ensemble": report})
    elif report is not None:
        print_report(report)
    return code


def parse_weights(text: str, members: int) -> dict[str, Any]:
    """`auto`, `equal`, `greedy` or numbers with commas, as the config's `weights`.

    Raises:
        ConfigError: neither, or not one number for each member.
    """
    if text in _KINDS:
        return {"kind": _KINDS[text]}
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(
            f"--weights {printable(text)}: write auto, equal, greedy, or numbers such as 1,1,0.7,1"
        ) from None
    if len(values) != members:
        raise ConfigError(
            f"--weights {printable(text)}: {len(values)} weights for {members} runs; give one for each"
        )
    if not all(0 <= value <= 1000 for value in values) or not any(values):
        raise ConfigError(f"--weights {printable(text)}: each must be 0 to 1000, and one of them above 0")
    return {"kind": "given", "values": values}


def print_report(report: dict[str, Any]) -> None:
    """Members beside the ensemble, its honest estimate, and how sure it is."""
    levels = range(1, 1 + len(report["ensemble"]["levels"]))
    head = [
        "member",
        "weight",
        "f1_mean",
        *(f"l{level} {kind}" for level in levels for kind in ("mic", "mac")),
    ]
    rows = [
        [
            printable(one["name"]),
            f"{one['weight']:.2f}" if "weight" in one else "",
            score(one["f1_mean"]),
            *(score(value) for pair in one["levels"] for value in pair),
            score(one["without"]) if one.get("without") is not None else "",
        ]
        for one in [*report["members"], report["ensemble"] | {"name": "ensemble"}]
    ]
    print()
    print_table([*head, "without"], rows, right=range(1, len(head) + 1))
    print(
        f"on {report['videos']} validation videos; in sample {score(report['in_sample'])}, so about "
        f"{max(0.0, report['selection_noise']):.4f} is selection noise; gain over {printable(report['best_member'])} "
        f"{report['gain']:+.4f}"
    )
    if "interval" in report:
        low, high = report["interval"]
        least, most = report["gain_interval"]
        print(f"95% interval: F1-mean {low:.4f} to {high:.4f}, gain {least:+.4f} to {most:+.4f}")


def _which(reference: str) -> str:
    name, at, which = reference.rpartition("@")
    return which if at and name else ""
