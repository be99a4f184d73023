"""Writes docs/configuration.md from the config models: `python docs/make_configuration.py`."""

from pathlib import Path

from engine.config.fields import FieldSpec, fields_of
from engine.config.stages import STAGES

PAGE = Path(__file__).with_name("configuration.md")
HEAD = """\
# Configuration reference

Every setting of every stage, made from the config models by `docs/make_configuration.py`. A key is what `--set` takes
and what stands, section by section, in a YAML file.
"""


def page() -> str:
    """The whole reference as Markdown."""
    parts = [HEAD]
    for stage, model in STAGES.items():
        parts.append(f"## {stage}\n\n{(model.__doc__ or '').strip()}\n")
        parts.append("| key | value | default | what |\n|---|---|---|---|")
        parts.append("\n".join(row(spec) for spec in fields_of(model)) + "\n")
    return "\n".join(parts)


def row(spec: FieldSpec) -> str:
    """One setting as a table row."""
    value = ", ".join(spec.choices) if spec.choices else spec.noun
    if spec.bounds:
        value += f", {spec.bounds}"
    default = (
        "required" if spec.required else f"`{spec.default}`" if spec.default not in (None, "") else "empty"
    )
    return f"| `{spec.key}` | {value} | {default} | {spec.help} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
