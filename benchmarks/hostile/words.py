"""Hostile text: names, YAML, JSON, filters and settings, made to be broken, deep, huge, or to escape."""

import json
from typing import Any

from hypothesis import strategies as st

NASTY_WORDS = (
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "\x1b[31mred\x1b]0;title\x07",
        "[bold red]x[/]",
        "[/]",
        "[link=file:///etc]x[/link]",
    ),
    *(
        "\u202egnp.exe",
        "\u2066x\u2069",
        "\ud800",
        "\udfff\ud800",
        "a\u0300" * 50,
        "\ufeff",
        "\u2028",
        "\r\n",
        "\t",
    ),
    *(
        "../../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "-",
        "--help",
        "~root",
        "CON",
        "a" * 300,
        "\U0010ffff",
    ),
    *(
        "NaN",
        "inf",
        "-inf",
        "1e999",
        "null",
        "true",
        "@best",
        "1@last",
        "9" * 30,
        "0x10",
        "%s%n",
        "{0}",
        "$(id)",
    ),
)
words = st.sampled_from(NASTY_WORDS) | st.text(max_size=20)
numbers = (
    st.integers()
    | st.floats()
    | st.sampled_from(
        [2**31, 2**63, -(2**64), 10**30, 10**400, 1e308, float("nan"), float("inf"), True, None]
    )
)


def _nested(depth: int, opening: str, closing: str, middle: str) -> str:
    return opening * depth + middle + closing * depth


def bomb(levels: int = 9, width: int = 9) -> str:
    """A billion laughs: each level is `width` aliases of the one before."""
    lines = ["stage: finetune", "a0: &a0 [lol, lol, lol]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]")
    return "\n".join([*lines, f"data: {{root: *a{levels - 1}}}"])


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
    _nested(40, "[", "]", "1"),
    "stage: finetune\ndata: " + _nested(300, "[", "]", "1"),
    "stage: finetune\ndata: " + _nested(3000, "[", "]", "1"),
    "stage: finetune\ndata: " + _nested(1500, "{a: ", "}", "1"),
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
_scalars = words | numbers | st.booleans()
_trees = st.recursive(
    _scalars,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(words, below, max_size=4),
    max_leaves=12,
)


def _as_json(value: Any) -> str:
    return json.dumps(value, skipkeys=True)


def _mutated(texts: tuple[str, ...]) -> st.SearchStrategy[bytes]:
    """One of the texts with some bytes cut, repeated or replaced."""

    @st.composite
    def mutate(draw: st.DrawFn) -> bytes:
        data = bytearray(draw(st.sampled_from(texts)).encode("utf-8", "surrogatepass"))
        for _ in range(draw(st.integers(1, 4))):
            at = draw(st.integers(0, len(data)))
            size = draw(st.integers(0, 8))
            piece = draw(
                st.sampled_from(
                    [b"", b": ", b"\n", b"- ", b"{", b"[", b"*a", b"&a ", b"!!x ", b"\0", b"\xff", b"\t"]
                )
            )
            data[at : at + size] = piece * draw(st.integers(1, 3))
        return bytes(data)

    return mutate()


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
    below[key] = draw(_trees)
    return _as_json(data).encode("utf-8", "surrogatepass")


config_files = (
    st.sampled_from(CONFIGS).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | _mutated((PLAIN_CONFIG, PLAIN_PIPELINE))
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
        _nested(300, "[", "]", "1"),
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
        st.sampled_from(VALUES) | words | numbers.map(repr) | _trees.map(_as_json),
    ),
    min_size=1,
    max_size=3,
)

_filter_keys = (
    *(
        "stage",
        "name",
        "id",
        "f1_mean",
        "created",
        "pinned",
        "tag",
        "lr",
        "l1_micro",
        "l99_micro",
        "l0_macro",
    ),
    *(
        "status",
        "duration",
        "val/loss.min",
        "val/loss",
        "training.lr.text",
        "experiment",
        "pid",
        "heartbeat",
        "seed",
    ),
)
FILTERS = (
    "name=" + "x" * 200_000,
    "x" * 200_000 + "=1",
    "x" * 200_000,
    "'" * 20_000,
    "=" * 20_000,
    " ".join(["id>0"] * 3000),
    " ".join(["name~a"] * 300),
    "lr<" * 3000,
    "id=" + "9" * 400,
    "id=1e309 pid=-1e400",
    "created=9999-12-31",
    "created>=0001-01-01",
    "created<9999-12-31T23:59:59",
    "seed=" + "1" * 5000,
    "a" + "\u0300" * 5000 + "=1",
)
filters = (
    st.sampled_from(FILTERS)
    | st.text(max_size=60)
    | st.lists(
        st.builds(
            lambda key, op, value: f"{key}{op}{value}",
            st.sampled_from(_filter_keys) | words,
            st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "~", "", "=="]),
            words
            | numbers.map(repr)
            | st.sampled_from(["2024-01-01", "0001-01-01", "9999-12-31T23:59", "true"]),
        ),
        max_size=4,
    ).map(" ".join)
)
sorts = st.sampled_from(["-created", "f1_mean", "lr", "-", "", "--id", "val/loss.best", "tag"]) | words

SETTINGS = (
    "theme: [nord]",
    "theme: {a: b}",
    "theme: " + "n" * 100_000,
    "theme: 1",
    "keys: [m]",
    "keys: {runs.mark: [m]}",
    "keys: {runs.mark: {a: b}}",
    "keys: {runs.mark: ''}",
    "keys: {runs.mark: ',,,'}",
    "keys: {runs.mark: 'ctrl+ctrl+'}",
    "keys: {runs.mark: '+'}",
    'keys: {runs.mark: "\\e"}',
    "keys: {" + "x" * 50_000 + ": m}",
    "keys: {runs.mark: " + "x" * 100_000 + "}",
    "keys: {runs.mark: '" + "m," * 5000 + "'}",
    'keys: {"\\e[31m": m}',
    "keys: {runs.mark: nord, runs.filter: nord}",
    "keys: &k {runs.mark: *k}",
    bomb(),
    "extends: /etc/passwd",
    "extends: settings.yaml",
)
settings_files = (
    st.sampled_from(SETTINGS).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.builds(
        lambda key, value: _as_json({"keys": {key: value}}).encode(),
        st.sampled_from(["runs.mark", "runs.filter", "quit"]) | words,
        _trees,
    )
    | _mutated(("theme: nord\nkeys:\n  runs.mark: m\n  runs.filter: f,slash\n",))
    | st.binary(max_size=100)
)
memory_files = (
    st.builds(
        lambda sections: _as_json({"version": 1, "sections": sections}).encode(),
        st.dictionaries(
            st.sampled_from(["mode", "theme", "runs", "view:x", "launch", "compare"]) | words,
            _trees,
            max_size=5,
        )
        | _trees,
    )
    | st.sampled_from(
        [b"[" * 100_000, b'{"version":1,"sections":{"mode":' + b"[" * 5000, b"\xff\xfe", b"", b"0"]
    )
    | st.binary(max_size=100)
)

PLAIN_RECORD = {
    "id": "123",
    "title": "t",
    "asr": "s",
    "ocr": [{"time": 1, "text": "o"}],
    "category_id": "0312",
}
_categories = st.sampled_from(["0312", "03", "0101", "031", "ab", "０３１２", "03" * 17, "03" * 16, ""])
_annotation_values = _trees | st.sampled_from(
    [
        [{"time": 10**400, "text": "x"}],
        [{"time": float("nan"), "text": "\ud800"}],
        [[]],
        [{"text": 1}],
        10**5000,
    ]
)


def _dumped(value: Any) -> bytes:
    import sys

    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(value, skipkeys=True, ensure_ascii=True).encode()
    finally:
        sys.set_int_max_str_digits(before)


@st.composite
def _annotation_list(draw: st.DrawFn) -> bytes:
    records = []
    for number in range(draw(st.integers(0, 5))):
        record: dict[str, Any] = dict(PLAIN_RECORD) | {
            "id": draw(st.sampled_from(["1", "2", str(number)]) | words),
            "category_id": draw(_categories),
        }
        if draw(st.booleans()):
            record[draw(st.sampled_from(list(PLAIN_RECORD)))] = draw(_annotation_values)
        records.append(record)
    return _dumped(records)


_PLAIN_LIST = json.dumps([PLAIN_RECORD, PLAIN_RECORD | {"id": "124"}])
ANNOTATIONS = (
    b"[" * 100_000,
    b'[{"id":' * 30_000,
    b'[{"id": "1", "title": ' + b"[" * 70 + b"]" * 70 + b"}]",
    b"[" + b"1" * 100_000 + b"]",
    b"[1e" + b"9" * 1000 + b"]",
    b"[-" + b"9" * 30 + b"]",
    b'[{"id": "1", "ocr": [{"time": ' + b"9" * 5000 + b"}]}]",
    b"[NaN]",
    b'[{"id": "1", "title": NaN}]',
    b"[Infinity, -Infinity]",
    b'["\\ud800"]',
    b'[{"id": "\\ud800", "title": "\\udc00\\ud800"}]',
    b'[{"id": "1"}, {"id": "1"}, {"id": "1", "id": "2"}]',
    b'[{"id": "1"}] trailing',
    b'[{"id": "1"}][{"id": "2"}]',
    b'{"a": [{"id": "1"}]}',
    b"\xff\xfe[\0]\0",
    b"[" + b" " * 300_000,
    b"[" + b'{"id":"x"},' * 2000,
    b'[{"id": "1", "title": "' + b"x" * 3_000_000 + b'"}]',
    b'[{"' + b"k" * 1_000_000 + b'": 1, "id": "1"}]',
    b'[{"id": "1", "title": "a\0b"}]',
    b"[\x00]",
    b"\xef\xbb\xbf\xef\xbb\xbf[]",
    b"// comment\n[]",
    b"['single']",
    b"[,]",
    b"",
)
annotation_files = (
    st.sampled_from(ANNOTATIONS)
    | _annotation_list()
    | _mutated((_PLAIN_LIST,))
    | st.integers(0, len(_PLAIN_LIST)).map(lambda end: _PLAIN_LIST.encode()[:end])
    | st.binary(max_size=200)
)
categories_files = (
    _trees.map(_dumped)
    | st.lists(
        st.builds(lambda code, name: {"category_id": code, "level1_name": name}, _categories | words, _trees)
    ).map(_dumped)
    | st.dictionaries(_categories | words, _trees).map(_dumped)
    | st.sampled_from([b"[" * 100_000, b"", b"\xff", b'{"0312": "\x1b"}', b"[" + b"9" * 5000 + b"]"])
)

_PLAIN_CSV = "id,category_id\n1,0312\n2,0101\n3,0312\n"
SUBMISSIONS = (
    b"id,category_id\n" + b"x" * 300_000,
    b'"' * 300_000,
    b'id,category_id\n"1,0312\n' * 3,
    b"1,0312\n" * 2,
    b"1,0312,\n",
    b"1;0312\n",
    b"1\t0312\n",
    b"1,\xef\xbc\x90\xef\xbc\x91\n",
    b"\0",
    b"1,03\x0012\n",
    b"a\0,0312\n",
    b"\xff\xfe1\0,\0",
    b"\xef\xbb\xbfid,category_id\n1,0312\n",
    b"id,category_id\r1,0312\r2,0101\r",
    b"1," + b"03" * 16 + b"\n2," + b"01" * 16 + b"\n",
    b"1," + b"03" * 17 + b"\n",
    b"\x1b[31m,0312\n",
    b"\n" * 100_000,
    b"1,0312\n2,0101\n3,03\n",
    b"=cmd|' /C calc'!A0,0312\n",
)
submission_files = (
    st.sampled_from(SUBMISSIONS)
    | _mutated((_PLAIN_CSV,))
    | st.lists(st.tuples(words, _categories | words), max_size=5).map(
        lambda rows: "".join(f"{video},{code}\n" for video, code in rows).encode("utf-8", "surrogatepass")
    )
    | st.binary(max_size=200)
)
