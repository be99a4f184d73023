"""Writes docs/configuration.md from the config models: `python docs/make_configuration.py`."""

from pathlib import Path

from engine.config.fields import FieldSpec, fields_of
from engine.config.pipeline import PipelineConfig, PipelineRun
from engine.config.stages import STAGES

PAGE = Path(__file__).with_name("configuration.md")
HEAD = """\
# Configuration reference

Every setting of every stage, made from the config models by `docs/make_configuration.py`. A key is what `--set` takes
and what stands, section by section, in a YAML file.
"""
PIPELINES = """\
## Pipelines

A pipeline file names runs; `reeltop run` queues them all, each after those that it needs.

**Inputs** are runs of the same file, other runs by id or name, or folders. `@best`, `@last` or `@epoch-N` after a name
says which checkpoint; without it the best is taken, else the last. A name with a `matrix` stands for all of its runs
where a list is wanted (`members`); elsewhere runs whose own matrix has the same key pair up by equal values.

**Only what changed is run again.** A run is not queued where a finished one has the same config (but for its name,
notes, priority, tags, GPUs and workers) and the same inputs, its outputs are still there, and the annotations, frame
folders, models and folders that it read were not written since. `--fresh` runs everything again. A stage's own file
always runs.

**`--dry-run`** shows which runs can go at once, what each needs, its parameters, device memory and time, and its
resolved config. Times come from earlier runs of the same stage and model where there are any, else from assumed rates.
"""


def page() -> str:
    """The whole reference as Markdown."""
    parts = [HEAD]
    for stage, model in STAGES.items():
        parts.append(f"## {stage}\n\n{(model.__doc__ or '').strip()}\n")
        parts.append("| key | value | default | what |\n|---|---|---|---|")
        parts.append("\n".join(row(spec) for spec in fields_of(model)) + "\n")
    parts += [PIPELINES, "| key | value | default | what |\n|---|---|---|---|"]
    for prefix, model in (("", PipelineConfig), ("runs.NAME.", PipelineRun)):
        parts.append("\n".join(row(spec, prefix) for spec in fields_of(model)))
    return "\n".join(parts) + "\n"


def row(spec: FieldSpec, prefix: str = "") -> str:
    """One setting as a table row."""
    value = ", ".join(spec.choices) if spec.choices else spec.noun
    if spec.bounds:
        value += f", {spec.bounds}"
    default = (
        "required" if spec.required else f"`{spec.default}`" if spec.default not in (None, "") else "empty"
    )
    return f"| `{prefix}{spec.key}` | {value} | {default} | {spec.help} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
