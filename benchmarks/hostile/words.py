"""Hostile words, numbers and trees of them, and texts with some bytes changed: what other kinds are made of."""

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


def nested(depth: int, opening: str, closing: str, middle: str) -> str:
    """Something within so many brackets."""
    return opening * depth + middle + closing * depth


def bomb(levels: int = 9, width: int = 9) -> str:
    """A billion laughs: each level is `width` aliases of the one before."""
    lines = ["stage: finetune", "a0: &a0 [lol, lol, lol]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]")
    return "\n".join([*lines, f"data: {{root: *a{levels - 1}}}"])


_scalars = words | numbers | st.booleans()
trees = st.recursive(
    _scalars,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(words, below, max_size=4),
    max_leaves=12,
)


def as_json(value: Any) -> str:
    """JSON of any tree; keys that it cannot have are left out."""
    return json.dumps(value, skipkeys=True)


def mutated(texts: tuple[str, ...]) -> st.SearchStrategy[bytes]:
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


def dumped(value: Any) -> bytes:
    """JSON bytes of any tree, whole numbers of any length too."""
    import sys

    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(value, skipkeys=True, ensure_ascii=True).encode()
    finally:
        sys.set_int_max_str_digits(before)
