"""What the ensemble screen says of weights, and what saving and writing them comes to."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual.content import Content

from app.tui.ensemble_lines import Levels, levels_text
from app.tui.states import bar, state_label, title
from app.tui.weights import Key
from app.tui.widgets.ensemble_view import gain_text, honest_text
from engine.ensemble.text import SEARCH_NAMES
from engine.format import printable, score
from engine.store.views import RunDetail, Status
from engine.workspace import Workspace

if TYPE_CHECKING:
    from engine.ensemble.weighing import Gathered, Weighed
    from engine.store.database import Store

_MOST_NOTES = 5


def total_text(
    gathered: "Gathered", weighed: "Weighed", before: "Weighed | None", sure: dict[str, Any] | None
) -> Content:
    """What the weights are worth: the score, its levels, against the best member and against the weights before."""
    scores = weighed.scores
    levels: Levels = tuple((level.f1_micro, level.f1_macro) for level in scores.levels)
    best = gathered.alone[gathered.best].f1_mean
    span = ""
    if sure is not None and "interval" in sure:
        low, high = sure["interval"]
        span = f" ±{(high - low) / 2:.4f}"
    parts: list[str | tuple[str, str]] = [
        ("F1-mean ", "$foreground-muted"),
        (f"{score(scores.f1_mean)}", "bold"),
        span,
    ]
    parts += ["   ", levels_text(levels), "   "]
    parts += [_change(scores.f1_mean - best), f" over {printable(gathered.members[gathered.best].name)}"]
    if before is not None:
        change = scores.f1_mean - before.scores.f1_mean
        parts += ["   ", _change(change), f" (was {score(before.scores.f1_mean)})"]
    return Content.assemble(*parts)


def basis_text(gathered: "Gathered") -> Content:
    """Which videos the scores are of, and what they are not."""
    folds = len(set(gathered.aligned.folds_N.tolist()))
    of = f", {folds} folds" if folds > 1 else ""
    return Content.styled(
        f"in sample ({gathered.videos:,} videos{of}): f and g give an honest estimate", "$foreground-muted"
    )


def found_text(report: dict[str, Any], *, changed: bool) -> Content:
    """What a search has found: the score on the videos it chose by apart from what it is worth on others."""
    kind = SEARCH_NAMES.get(str(report["weights"]), str(report["weights"]))
    since = "; changed by hand since" if changed else ""
    folds = f"over {report['folds']} folds" if report["folds"] > 1 else "in 5 parts"
    return Content("\n").join(
        [
            Content.assemble((f"{kind}{since}", "bold")),
            Content.assemble(
                ("  in sample ", "$foreground-muted"),
                f"{score(report['in_sample'])}, flattered by about {max(0.0, report['selection_noise']):.4f}",
            ),
            Content.assemble(
                ("  honest    ", "$foreground-muted"), f"{honest_text(report)}, cross-fitted {folds}"
            ),
            Content.assemble(("  gain      ", "$foreground-muted"), gain_text(report)),
        ]
    )


def searching_text(kind: str, share: float) -> Content:
    """How far a search has come."""
    return Content.assemble(
        f"{SEARCH_NAMES.get(kind, kind)} ",
        (bar(share, 20), "$accent"),
        f" {int(100 * share):>3}%   esc ends it",
    )


def notes_text(notes: Sequence[str], saved: RunDetail | None) -> Content:
    """What was left out, and how the saved run does."""
    texts = list(notes) if len(notes) <= _MOST_NOTES else [*notes[: _MOST_NOTES - 1], ""]
    texts = [text or f"and {len(notes) - _MOST_NOTES + 1} more" for text in texts]
    lines = [Content.styled(f"✗ {text}", "$text-warning") for text in texts]
    if saved is not None:
        lines.append(_saved_text(saved))
    return Content("\n").join(lines)


def _saved_text(detail: RunDetail) -> Content:
    run = detail.run
    parts: list[Any] = ["saved as run ", (title(run), "bold"), " ", state_label(run)]
    if run.status is Status.FINISHED:
        parts.append(f"  F1-mean {score(run.f1_mean)}")
    if (path := submission_of(detail)) is not None:
        parts.append(f"  submission {printable(path)}")
    elif run.status is Status.FINISHED:
        parts.append("  no submission: its data set has no test split")
    elif run.error or run.waiting_for:
        parts.append(f"  {printable((run.error or run.waiting_for or '').splitlines()[0])}")
    return Content.assemble(*parts, ("  o opens it", "$foreground-muted"))


def submission_of(detail: RunDetail) -> str | None:
    """The path in the workspace of the submission file that a run wrote."""
    paths = [made.path for made in detail.artifacts if made.kind == "submission"]
    return f"{detail.run.directory}/{paths[-1]}" if paths else None


def save_hint(gathered: "Gathered", weights: Sequence[float], kind: str) -> str:
    """What will be queued."""
    if kind in SEARCH_NAMES:
        return (
            f"All {len(weights)} members, weights by {SEARCH_NAMES[kind]}: the run finds these weights again, and its "
            "score is the honest one. It writes the submission file."
        )
    names = [member.name for member, weight in zip(gathered.members, weights, strict=True) if weight]
    which = "equal weights" if kind == "equal" else "the weights as they are"
    return (
        f"{len(names)} members ({printable(', '.join(names))}), {which}; its score is of the videos that these were "
        "chosen on. It writes the submission file."
    )


def queue_ensemble(
    workspace: Workspace,
    store: "Store",
    members: Sequence[Key],
    weights: Sequence[float],
    kind: str,
    name: str,
) -> int:
    """Queue the run; members without a weight are left out of it, unless it searches for the weights itself.

    Raises:
        ReeltopError: a run is gone, or its data set is.
    """
    from engine.ensemble.plan import ensemble_config
    from engine.planning.submit import plan_config, submit
    from engine.store.queries import run_detail

    chosen = [
        (key, weight) for key, weight in zip(members, weights, strict=True) if weight or kind in SEARCH_NAMES
    ]
    details = [run_detail(store, run_id) for key, _ in chosen for run_id in key]
    values = [weight for _, weight in chosen]
    settings = {"kind": kind, "values": values} if kind == "given" else {"kind": kind}
    references = [str(detail.run.id) for detail in details]
    config = ensemble_config(workspace, references, details, settings, name)
    (run_id,) = submit(workspace, store, plan_config(workspace, store, config))
    return run_id


def weights_of(report: dict[str, Any]) -> tuple[float, ...]:
    """A report's weights."""
    return tuple(float(one["weight"]) for one in report["members"])


def not_a_weight(text: str) -> str | None:
    """What is wrong with a weight as it was typed."""
    try:
        value = float(text)
    except ValueError:
        return "type a number, such as 0.7"
    return None if 0 <= value <= 1000 else "a weight is 0 to 1000"


def _change(value: float) -> tuple[str, str]:
    colour = "$foreground-muted" if abs(value) < 5e-5 else "$text-success" if value > 0 else "$text-warning"
    return f"{value:+.4f}", colour
