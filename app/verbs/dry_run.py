"""What a plan would do, without doing it: the graph, each run's estimate, and its resolved config."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from app.output import print_json, print_table
from engine.format import count, duration, printable, size
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.planning.estimate import Estimate
    from engine.store.database import Store
    from engine.store.views import NewRun


def show_plan(workspace: Workspace, store: "Store", planned: Sequence["NewRun"], *, as_json: bool) -> None:
    """Print the plan; nothing is queued, and neither data nor models have to be there."""
    from engine.config.document import dump_yaml
    from engine.planning.estimate import estimate_plan

    estimates = estimate_plan(workspace, store, planned)
    levels = levels_of(planned)
    if as_json:
        print_json(
            [
                _json(run, planned, level, estimate)
                for run, level, estimate in zip(planned, levels, estimates, strict=True)
            ]
        )
        return
    for line in graph(planned, levels):
        print(line)
    print()
    _print_estimates(planned, estimates)
    for run in planned:
        if run.reuses is None:
            print(
                f"\n# {printable(run.name)}: {run.stage}, needs {', '.join(_needs(run, planned)) or 'nothing'}"
            )
            print(dump_yaml(run.config).rstrip())


def levels_of(planned: Sequence["NewRun"]) -> list[int]:
    """For each run the step it can start in, from 1: runs of one step need nothing of each other; reused are 0."""
    levels: list[int] = []
    for run in planned:
        if run.reuses is not None:
            levels.append(0)
            continue
        levels.append(
            1 + max((levels[given.source_run] for given in run.inputs if given.in_batch), default=0)
        )
    return levels


def graph(planned: Sequence["NewRun"], levels: Sequence[int]) -> list[str]:
    """The graph as lines: runs of one step side by side in a bracket, an arrow from what each needs."""
    width = max(len(printable(run.name)) for run in planned)
    lines = []
    for level in sorted(set(levels)):
        members = [run for run, of in zip(planned, levels, strict=True) if of == level]
        head = f"step {level}" if level else "finished"
        for number, run in enumerate(members):
            needs = _needs(run, planned)
            told = f"  reuses run {run.reuses}" if run.reuses is not None else ""
            arrow = f" <── {', '.join(needs)}" if needs and run.reuses is None else ""
            name = printable(run.name)
            padded = name.ljust(width) if arrow or told else name
            lines.append(
                f"{head if number == 0 else '':<9}{_bracket(number, len(members))} {padded}{told}{arrow}"
            )
    return lines


def _bracket(number: int, of: int) -> str:
    if of == 1:
        return "─"
    return "┌" if number == 0 else "└" if number == of - 1 else "│"


def _needs(run: "NewRun", planned: Sequence["NewRun"]) -> list[str]:
    """What a run builds on, by name; folders by their path."""
    needs = []
    filled = set()
    for given in run.inputs:
        filled.add(given.role)
        name = printable(planned[given.source_run].name) if given.in_batch else f"run {given.source_run}"
        needs.append(f"{name}@{given.which}" if given.which else name)
    for role, given_folder in run.config.get("inputs", {}).items():
        if isinstance(given_folder, str) and role not in filled:
            needs.append(f"folder {printable(given_folder)}")
    return needs


def _print_estimates(planned: Sequence["NewRun"], estimates: Sequence["Estimate"]) -> None:
    made = [(run, estimate) for run, estimate in zip(planned, estimates, strict=True) if run.reuses is None]
    if not made:
        print("nothing to run: all of it is finished and unchanged; --fresh runs it again")
        return
    print("estimates")
    head = ["run", "stage", "on", "videos", "parameters", "trained", "memory", "time", "time from"]
    print_table(head, [_row(run, estimate) for run, estimate in made], right=(3, 4, 5, 6, 7))
    known = [estimate.seconds for _, estimate in made if estimate.seconds is not None]
    missing = len(made) - len(known)
    told = f"; {missing} without an estimate" if missing else ""
    print(f"one after the other {duration(sum(known))}{told}")
    for line in _assumptions([estimate for _, estimate in made]):
        print(line)


def _row(run: "NewRun", estimate: "Estimate") -> list[str]:
    if estimate.from_run is not None:
        basis = f"run {estimate.from_run}"
    elif estimate.note:
        basis = printable(estimate.note)
    else:
        basis = _speed(estimate.rate)
    return [
        printable(run.name),
        run.stage,
        "CPU" if run.gpus == 0 else f"{run.gpus} GPU{'s' if run.gpus > 1 else ''}",
        count(estimate.videos) + ("?" if estimate.assumed else ""),
        count(estimate.parameters),
        count(estimate.trained),
        size(estimate.memory),
        duration(estimate.seconds),
        basis,
    ]


def _speed(rate: float | None) -> str:
    if rate is None:
        return "-"
    return f"{rate / 1e12:.0f} TFLOP/s" if rate >= 1e12 else f"{rate / 1e9:.0f} GFLOP/s"


def _assumptions(estimates: Sequence["Estimate"]) -> list[str]:
    """What the numbers rest on, as far as they were not measured here."""
    from engine.planning.estimate import CPU_RATE, GPU_RATE
    from engine.planning.workload import MEAN_FRAMES

    lines = []
    assumed = dict.fromkeys(part for estimate in estimates for part in estimate.assumed)
    if assumed:
        lines.append(f"? videos: unknown, assuming {' and '.join(assumed)} as in the challenge")
    if any(estimate.rate for estimate in estimates):
        lines.append(
            f"times are rough: {_speed(GPU_RATE)} assumed for an H100 (40% of its bf16 peak), {_speed(CPU_RATE)} for a "
            f"CPU, {MEAN_FRAMES} frames a video, texts that fill two thirds of max_tokens"
        )
    return lines


def _json(run: "NewRun", planned: Sequence["NewRun"], level: int, estimate: "Estimate") -> dict[str, Any]:
    return asdict(run) | {
        "reused": run.reuses is not None,
        "step": level,
        "needs": _needs(run, planned),
        "estimate": asdict(estimate),
    }
