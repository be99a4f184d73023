"""What will happen when a form is queued, in words: runs, needs, memory and time, differences, the whole config."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from app.tui.forms import Opened, Plan
from app.tui.states import state_label
from engine.format import duration, printable, score, setting, size
from engine.store.views import NewRun, RunRow

if TYPE_CHECKING:
    from engine.planning.estimate import Estimate

_MOST_LINES = 12  # runs, or differences, in words
_HEAD = "bold $text-accent"


def plan_lines(
    plan: Plan,
    opened: Opened,
    values: Mapping[str, str],
    estimates: "Sequence[Estimate] | str | None",
    limits: tuple[int | None, int | None],
) -> list[Content]:
    """All of it, a line each.

    Args:
        values: what the form has now.
        estimates: of the runs; text where they cannot be made, None while they are being made.
        limits: bytes of the smallest GPU and of the machine's memory, as far as they are known.
    """
    lines = [*_errors(plan), *_runs(plan)]
    if plan.runs:
        lines += _cost(plan.runs, estimates, limits)
    lines += _differences_from_file(opened, values)
    lines += _differences_from_run(plan)
    if plan.yaml:
        of = " (the first run)" if plan.matrix else ""
        lines += [Content(""), Content.styled(f"resolved{of}", _HEAD)]
        lines += [Content(f"  {printable(line)}") for line in plan.yaml.rstrip().split("\n")]
    return lines


def _errors(plan: Plan) -> list[Content]:
    lines = []
    named = {key: message for key, message in plan.errors.items() if key}
    if named:
        count = f"✗ {len(named)} field{'s' if len(named) > 1 else ''} to correct"
        lines.append(Content.styled(count, "bold $text-error"))
        lines += [
            Content.styled(f"  {printable(key)}: {printable(message)}", "$text-error")
            for key, message in named.items()
        ]
    if plan.problem:
        lines.append(Content.styled(f"✗ {printable(plan.problem)}", "$text-error"))
    return lines


def _runs(plan: Plan) -> list[Content]:
    if not plan.runs:
        return []
    reused = sum(run.reuses is not None for run in plan.runs)
    count = len(plan.runs) - reused
    told = f"✓ {count} run{'' if count == 1 else 's'}: ctrl+s queues" if count else "✓ nothing to run"
    if reused:
        told += f"; {reused} finished and unchanged, used as {'it is' if reused == 1 else 'they are'}"
    lines = [Content.styled(told, "bold $text-success")]
    lines += [
        Content(f"  {printable(key)}: {', '.join(printable(value) or 'none' for value in found)}")
        for key, found in plan.matrix.items()
    ]
    lines += [_run_line(run, plan.runs) for run in plan.runs[:_MOST_LINES]]
    if len(plan.runs) > _MOST_LINES:
        lines.append(Content.styled(f"  and {len(plan.runs) - _MOST_LINES} more", "$foreground-muted"))
    lines += [_source_line(plan.runs, source) for source in plan.sources.values()]
    return lines


def _run_line(run: NewRun, batch: tuple[NewRun, ...]) -> Content:
    if run.reuses is not None:
        return Content.assemble(
            f"  {printable(run.name)} ", (f"{run.stage}", "$foreground-muted"), f"  reuses run {run.reuses}"
        )
    by_role: dict[str, list[str]] = {}
    for item in run.inputs:
        if item.in_batch:
            name = f"{printable(batch[item.source_run].name)}{f'@{item.which}' if item.which else ''}"
            by_role.setdefault(item.role, []).append(name)
    needs = [f"{role} of {', '.join(names)}" for role, names in by_role.items()]
    place = "CPU" if run.gpus == 0 else f"{run.gpus} GPU{'s' if run.gpus > 1 else ''}"
    return Content.assemble(
        f"  {printable(run.name)} ",
        (f"{run.stage}, {place}", "$foreground-muted"),
        f"  needs {', '.join(needs)}" if needs else "",
    )


def _source_line(runs: Sequence[NewRun], source: RunRow) -> Content:
    """`needs init of run 9 pretrain@last  ● running 46%`."""
    asked = dict.fromkeys(
        f"{item.role}{f' @{item.which}' if item.which else ''}"
        for run in runs
        for item in run.inputs
        if not item.in_batch and item.source_run == source.id
    )
    return Content.assemble(
        f"  needs {', '.join(asked)} of run {source.id} {printable(source.name)}  ", state_label(source)
    )


def _cost(
    runs: Sequence[NewRun],
    estimates: "Sequence[Estimate] | str | None",
    limits: tuple[int | None, int | None],
) -> list[Content]:
    if estimates is None:
        return [Content.styled("estimating memory and time", "$foreground-muted")]
    if isinstance(estimates, str):
        return [Content.styled(f"no estimate: {printable(estimates)}", "$foreground-muted")]
    made = [(run, one) for run, one in zip(runs, estimates, strict=False) if run.reuses is None]
    if not made:
        return []
    lines = _memory(made, limits)
    known = [one.seconds for _, one in made if one.seconds is not None]
    if known:
        low, high = duration(min(known)), duration(max(known))
        told = f"time about {low if low == high else f'{low} to {high}'}"
        rest = len(runs) - len(estimates)
        if len(known) > 1:
            told += (
                f" each, {duration(sum(known))} one after the other{f' and {rest} more runs' if rest else ''}"
            )
        sources = dict.fromkeys(one.from_run for _, one in made if one.from_run is not None)
        basis = f", from run {next(iter(sources))}" if sources else ", rough: no such run has finished here"
        lines.append(Content(told + basis))
    lines += [
        Content.styled(
            f"{f'{printable(run.name)}: ' if len(made) > 1 else ''}{printable(one.note)}", "$foreground-muted"
        )
        for run, one in made[:_MOST_LINES]
        if one.note
    ]
    assumed = dict.fromkeys(part for _, one in made for part in one.assumed)
    if assumed:
        lines.append(Content.styled(f"assuming {' and '.join(assumed)} videos", "$foreground-muted"))
    return lines


def _memory(
    made: "Sequence[tuple[NewRun, Estimate]]", limits: tuple[int | None, int | None]
) -> list[Content]:
    """The greatest need on a GPU, and on the CPU, against what there is."""
    lines = []
    for on_gpu, limit in ((True, limits[0]), (False, limits[1])):
        needs = [one.memory for run, one in made if (run.gpus > 0) == on_gpu and one.memory is not None]
        if not needs:
            continue
        place = "a GPU" if on_gpu else "the machine"
        most = max(needs)
        if limit is not None and most > limit:
            lines.append(
                Content.styled(
                    f"✗ memory about {size(most)}, more than the {size(limit)} of {place}: lower "
                    "training.batch_size or raise training.accumulate",
                    "$text-error",
                )
            )
        else:
            of = f" of the {size(limit)} of {place}" if limit is not None else ""
            lines.append(Content(f"memory about {size(most)}{of}"))
    return lines


def _differences_from_file(opened: Opened, values: Mapping[str, str]) -> list[Content]:
    changed = [key for key in values if values[key] != opened.values.get(key, "")]
    if not changed:
        return []
    lines = [Content(""), Content.styled(f"differs from {opened.compared_with}", _HEAD)]
    for key in changed:
        old, new = printable(opened.values.get(key, "")), printable(values[key])
        lines.append(Content(f"  {printable(key)}: {old or '-'} → {new or '-'}"))
    return lines


def _differences_from_run(plan: Plan) -> list[Content]:
    if plan.similar is None:
        return []
    run = plan.similar.run
    best = f", f1_mean {score(run.f1_mean)}" if run.f1_mean is not None else ""
    head = f"run {run.id} {printable(run.name)} ({run.status}{best})"
    if not plan.similar.differences:
        return [Content(""), Content.styled(f"the same as {head}", _HEAD)]
    lines = [Content(""), Content.styled(f"differs from {head}", _HEAD)]
    lines += [
        Content(f"  {printable(key)}: {setting(old)} → {setting(new)}")
        for key, old, new in plan.similar.differences[:_MOST_LINES]
    ]
    more = len(plan.similar.differences) - _MOST_LINES
    return [*lines, Content.styled(f"  and {more} more", "$foreground-muted")] if more > 0 else lines
