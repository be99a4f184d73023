"""Averaging finished runs."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.output import print_json, print_table, run_json
from app.verbs.run import quiet_wait, wait_for
from engine.config.references import parse_reference
from engine.errors import ConfigError
from engine.format import printable, score
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.store.database import Store
    from engine.store.views import RunDetail

_KINDS = {"auto": "coordinate", "equal": "equal", "greedy": "greedy", "coordinate": "coordinate"}
_CLASSIFYING = ("finetune", "baseline", "predict", "ensemble")


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
    asked = [parse_reference("members", reference) for reference in references]
    ids = [find_run(store, reference) for reference, _ in asked]
    members = [
        f"{run_id}@{which}" if which else str(run_id) for run_id, (_, which) in zip(ids, asked, strict=True)
    ]
    details = [run_detail(store, run_id) for run_id in ids]
    for detail in details:
        if detail.run.stage not in _CLASSIFYING:
            raise ConfigError(
                f"run {detail.run.id} {printable(detail.run.name)} is a {detail.run.stage} run, which classifies "
                f"nothing; name {', '.join(_CLASSIFYING[:-1])} or {_CLASSIFYING[-1]} runs"
            )
    data: dict[str, Any] = {}
    if root := next((root for one in details if (root := one.config.get("data", {}).get("root"))), None):
        data["root"] = root
        if not (workspace.resolve(root) / "annotations" / "test.json").is_file():
            data["split"] = None
    config = EnsembleConfig.model_validate(
        {
            "stage": "ensemble",
            "name": name or "ensemble",
            "gpus": max(one.run.gpus for one in details),
            "data": data,
            "inputs": {"members": members},
            "weights": parse_weights(weights, _member_names(store, details)),
        }
    )
    (run_id,) = submit(workspace, store, plan_config(workspace, store, config))
    code = (quiet_wait if as_json else wait_for)(workspace, [run_id], as_json=False)
    run = run_row(store, run_id)
    made = {kind: artifact_of(store, run_id, kind) for kind in ("report", "submission")}
    paths = {kind: f"{run.directory}/{one.path}" for kind, one in made.items() if one is not None}
    report = None
    if run.status is Status.FINISHED and "report" in paths:
        report = json.loads((workspace.root / paths["report"]).read_text(encoding="utf-8"))
    if as_json:
        print_json(run_json(run) | {"ensemble": report, "submission": paths.get("submission")})
    elif report is not None:
        print_report(report)
        if "submission" in paths:
            print(f"submission file: {printable(paths['submission'])}")
    return code


def _member_names(store: "Store", details: Sequence["RunDetail"]) -> list[str]:
    """What the weights are of: the runs, folds of one model together."""
    from engine.folds import name_together, together

    groups = together(
        [_model(store, one) for one in details], [one.config.get("data", {}).get("fold") for one in details]
    )
    return [name_together([details[position].run.name for position in group]) for group in groups]


def _model(store: "Store", detail: "RunDetail") -> str:
    """The model that a run is of; inputs that have a fold of their own count as their models."""
    from engine.folds import model_of
    from engine.store.queries import run_detail

    roles = {given.role for given in detail.inputs}
    folders = {role: path for role, path in detail.config.get("inputs", {}).items() if role not in roles}
    inputs: list[Any] = [folders]
    for given in detail.inputs:
        source = run_detail(store, given.source_run)
        own_fold = "fold" in source.config.get("data", {})
        inputs.append([given.role, given.which, _model(store, source) if own_fold else source.run.id])
    return model_of(detail.config, inputs)


def parse_weights(text: str, members: Sequence[str]) -> dict[str, Any]:
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
    from engine.ensemble_report import shown_name

    names = [printable(shown_name(one)) for one in report["members"]]
    if report["ensemble"] is None:
        print()
        print_table(
            ["member", "weight"],
            [[name, f"{one['weight']:.2f}"] for name, one in zip(names, report["members"], strict=True)],
            right=[1],
        )
        print("no estimate: a member has no validation predictions, as it was trained on all labelled videos")
        return
    levels = range(1, 1 + len(report["ensemble"]["levels"]))
    head = [
        "member",
        "weight",
        "f1_mean",
        *(f"l{level} {kind}" for level in levels for kind in ("mic", "mac")),
    ]
    rows = [
        [
            name,
            f"{one['weight']:.2f}" if "weight" in one else "",
            score(one["f1_mean"]),
            *(score(value) for pair in one["levels"] for value in pair),
            score(one["without"]) if one.get("without") is not None else "",
        ]
        for name, one in zip([*names, "ensemble"], [*report["members"], report["ensemble"]], strict=True)
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
