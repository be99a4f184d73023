"""What will happen when the form is queued: the runs, what is wrong, the difference from the file, the whole config."""

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from app.tui.forms import Plan
from app.tui.widgets.label import Label
from engine.format import printable
from engine.store.views import NewRun


class PlanView(VerticalScroll):
    """Scrolls; nothing in it is markup."""

    def __init__(self, *, widget_id: str) -> None:
        super().__init__(id=widget_id, classes="panel")

    def compose(self) -> ComposeResult:
        yield Label("")

    def on_mount(self) -> None:
        self.border_title = "what will run"

    def clear(self, text: str = "") -> None:
        """Show a text only."""
        self.query_one(Label).update(text)

    def show(self, plan: Plan, file_values: Mapping[str, str], values: Mapping[str, str]) -> None:
        """Show a plan; `values` are the form's, `file_values` those of the file."""
        lines: list[Content] = []
        if plan.errors:
            count = len(plan.errors)
            lines.append(
                Content.styled(f"✗ {count} field{'s' if count > 1 else ''} to correct", "bold $text-error")
            )
            lines += [
                Content.styled(f"  {printable(key)}: {printable(message)}", "$text-error")
                for key, message in plan.errors.items()
                if key
            ]
        if plan.problem:
            lines.append(Content.styled(f"✗ {printable(plan.problem)}", "$text-error"))
        if plan.runs:
            reused = sum(run.reuses is not None for run in plan.runs)
            count = len(plan.runs) - reused
            told = f"✓ {count} run{'' if count == 1 else 's'}: ctrl+s queues" if count else "✓ nothing to run"
            if reused:
                told += f"; {reused} finished and unchanged, used as {'it is' if reused == 1 else 'they are'}"
            lines.append(Content.styled(told, "bold $text-success"))
            lines += [_run_line(run, plan.runs) for run in plan.runs]
        changed = [key for key in values if values[key] != file_values.get(key, "")]
        if changed:
            lines += [Content(""), Content.styled("differs from the file", "bold $text-accent")]
            for key in changed:
                old, new = printable(file_values.get(key, "")), printable(values[key])
                lines.append(Content(f"  {printable(key)}: {old or '-'} → {new or '-'}"))
        if plan.yaml:
            lines += [Content(""), Content.styled("resolved", "bold $text-accent")]
            lines += [Content(f"  {printable(line)}") for line in plan.yaml.rstrip().split("\n")]
        self.query_one(Label).update(Content("\n").join(lines))


def _run_line(run: NewRun, batch: tuple[NewRun, ...]) -> Content:
    needs = []
    for item in run.inputs:
        source = printable(batch[item.source_run].name) if item.in_batch else f"run {item.source_run}"
        needs.append(f"{item.role} of {source}{f'@{item.which}' if item.which else ''}")
    if run.reuses is not None:
        return Content.assemble(
            f"  {printable(run.name)} ",
            (f"{run.stage}", "$foreground-muted"),
            f"  reuses run {run.reuses}",
        )
    place = "CPU" if run.gpus == 0 else f"{run.gpus} GPU{'s' if run.gpus > 1 else ''}"
    return Content.assemble(
        f"  {printable(run.name)} ",
        (f"{run.stage}, {place}", "$foreground-muted"),
        f"  needs {', '.join(needs)}" if needs else "",
    )
