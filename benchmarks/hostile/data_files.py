"""Hostile annotation, category and submission files."""

import json
from typing import Any

from hypothesis import strategies as st

from benchmarks.hostile.words import dumped, mutated, trees, words

PLAIN_RECORD = {
    "id": "123",
    "title": "t",
    "asr": "s",
    "ocr": [{"time": 1, "text": "o"}],
    "category_id": "0312",
}
_categories = st.sampled_from(["0312", "03", "0101", "031", "ab", "０３１２", "03" * 17, "03" * 16, ""])
_annotation_values = trees | st.sampled_from(
    [
        [{"time": 10**400, "text": "x"}],
        [{"time": float("nan"), "text": "\ud800"}],
        [[]],
        [{"text": 1}],
        10**5000,
    ]
)


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
    return dumped(records)


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
    | mutated((_PLAIN_LIST,))
    | st.integers(0, len(_PLAIN_LIST)).map(lambda end: _PLAIN_LIST.encode()[:end])
    | st.binary(max_size=200)
)
categories_files = (
    trees.map(dumped)
    | st.lists(
        st.builds(lambda code, name: {"category_id": code, "level1_name": name}, _categories | words, trees)
    ).map(dumped)
    | st.dictionaries(_categories | words, trees).map(dumped)
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
    | mutated((_PLAIN_CSV,))
    | st.lists(st.tuples(words, _categories | words), max_size=5).map(
        lambda rows: "".join(f"{video},{code}\n" for video, code in rows).encode("utf-8", "surrogatepass")
    )
    | st.binary(max_size=200)
)
