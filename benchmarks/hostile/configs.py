"""Hostile configs, pipelines and --set expressions: bombs, tags, deep nesting, wrong values."""

from typing import Any

from hypothesis import strategies as st

from benchmarks.hostile.words import as_json, bomb, mutated, nested, numbers, trees, words

PLAIN_CONFIG = """\
stage: finetune
name: model-1
seed: 802
data: {root: data/sample, fold: 0, folds: 5}
model: {kind: single_stream, text: models/sample/bert}
training:
  epochs: 5
  lr: {text: 5.0e-5}
tags: [a, b]
"""
PLAIN_PIPELINE = """\
name: sample
runs:
  features: {config: stage.yaml}
  model: {config: stage.yaml, inputs: {features: features}, matrix: {data.fold: [0, 1]}}
"""
CONFIGS = (
    bomb(),
    bomb(3, 400),
    "stage: finetune\nname: &n [*n]",
    "stage: finetune\ndata: &d {root: *d}",
    "&a stage: finetune\nname: *b",
    "stage: finetune\nstage: pretrain",
    "stage: finetune\n1: a\n'1': b",
    "stage: finetune\n? {a: b}\n: c\n? [x]\n: y\nnull: z\ntrue: w\n2001-01-01: d",
    "stage: !!python/object/apply:os.system ['touch executed']",
    "!!python/object/new:os.system ['touch executed']",
    "stage: finetune\nname: !!binary aGVsbG8=\nseed: !!int 'x'",
    "stage: finetune\ntags: !!set {a, b}\nname: !<tag:x> y",
    "stage: finetune\nseed: !!timestamp 2001-99-99",
    "stage: finetune\nname: 2001-02-30\nseed: 190:20:30",
    "stage: finetune\n<<: *x",
    "stage: finetune\n<<: [1, 2]",
    "stage: finetune\n<<: {stage: pretrain}\nname: x",
    'stage: finetune\nextends: "a\\0b"',
    "stage: finetune\nextends: /dev/zero",
    'stage: finetune\nextends: "\\ud800"',
    "stage: finetune\nextends: " + "x" * 5000,
    "extends: config.yaml\nstage: finetune",
    "stage: finetune\nseed: " + "9" * 5000,
    "stage: finetune\nseed: 0x" + "f" * 5000,
    "stage: finetune\nseed: 0o" + "7" * 9000,
    "stage: finetune\nseed: 1e" + "9" * 50,
    "stage: finetune\nseed: .nan\npriority: -.inf",
    "stage: finetune\nname: " + "x" * 500_000,
    "stage: finetune\n" + "".join(f"k{number}: 1\n" for number in range(2000)),
    'stage: finetune\nname: "\\x1b[31m\\u202e"\nnotes: "\\0"',
    "%YAML 9.9\n---\nstage: finetune",
    "--- a\n--- b",
    "stage: finetune\n...\nx",
    nested(40, "[", "]", "1"),
    "stage: finetune\ndata: " + nested(300, "[", "]", "1"),
    "stage: finetune\ndata: " + nested(3000, "[", "]", "1"),
    "stage: finetune\ndata: " + nested(1500, "{a: ", "}", "1"),
    "stage: finetune\ndata: " + "- " * 3000,
    "stage: finetune\ndata: " + "[" * 20_000,
    "stage: finetune\nname: |\n" + " x\n" * 3000,
    "a: 'b",
    "\t",
    "stage:\tfinetune\n\tname: x",
    "stage: [finetune]",
    "stage: {a: b}",
    "runs: []\nname: x",
    "runs: {a: {config: config.yaml}}\nname: x",
    'runs: {a: {config: "a\\0b"}}\nname: x',
    "runs: {a: {config: stage.yaml, set: {'': 1, '..': 2, 'data': 3}}}\nname: x",
    "runs: {a: {config: stage.yaml, matrix: {data.fold: [[[]], {}]}}}\nname: x",
    "runs: {a: {config: stage.yaml, inputs: {features: a}}}\nname: x",
    "runs: {a@b: {config: stage.yaml}, '': {config: stage.yaml}}\nname: \"\\e[2J\"",
)


@st.composite
def _planted(draw: st.DrawFn) -> bytes:
    """A config that would be right but for one value."""
    path = draw(
        st.sampled_from(
            [
                "seed",
                "name",
                "gpus",
                "tags",
                "notes",
                "data",
                "data.root",
                "data.fold",
                "training",
                "training.lr",
                "training.epochs",
                "model.kind",
                "inputs",
                "inputs.features",
                "extends",
                "experiment",
                "checkpoints.keep",
            ]
        )
    )
    data: dict[str, Any] = {
        "stage": draw(st.sampled_from(["finetune", "ensemble", "extract", "pretrain"])),
        "name": "x",
    }
    below = data
    *around, key = path.split(".")
    for part in around:
        below = below.setdefault(part, {})
    below[key] = draw(trees)
    return as_json(data).encode("utf-8", "surrogatepass")


config_files = (
    st.sampled_from(CONFIGS).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | mutated((PLAIN_CONFIG, PLAIN_PIPELINE))
    | _planted()
    | st.sampled_from(["utf-16", "utf-32", "latin-1", "utf-8-sig", "cp037"]).map(
        lambda name: f"{PLAIN_CONFIG}notes: é".encode(name, "replace")
    )
    | st.binary(max_size=200)
)

VALUES = (
    *(
        "3",
        "[1, 2",
        "{a: b",
        "*x",
        "&a [*a]",
        "!!python/object/apply:os.system [id]",
        "!!int x",
        "2001-99-99",
    ),
    *(
        "9" * 5000,
        "0x" + "f" * 5000,
        "[" * 5000,
        nested(300, "[", "]", "1"),
        "!!binary x",
        "<<",
        "- a",
        ": :",
    ),
    *(
        "&a [&b [*a, *b], *a]",
        "!!set {a}",
        "!!timestamp x",
        "\x85",
        "|\n x",
        "? a",
        "%YAML 9",
        "...",
        "---",
        "\ud800",
    ),
)
KEYS = (
    *(
        "training.epochs",
        "training",
        "stage",
        "name",
        "data.root",
        "",
        ".",
        "a.b.c",
        "seed.x",
        "tags.0",
        "extends",
    ),
    *("a" * 300, "inputs.features", "model.text", "\0", "\x1b[31m", "notes", "runs", "experiment", "matrix"),
)
overrides = st.lists(
    st.builds(
        lambda key, equals, value: f"{key}{equals}{value}",
        st.sampled_from(KEYS) | words,
        st.sampled_from(["=", "=", "=", "==", "", " = "]),
        st.sampled_from(VALUES) | words | numbers.map(repr) | trees.map(as_json),
    ),
    min_size=1,
    max_size=3,
)
