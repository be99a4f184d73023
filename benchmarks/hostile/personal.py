"""Hostile settings and remembered state of the interface."""

from hypothesis import strategies as st

from benchmarks.hostile.words import as_json, bomb, mutated, trees, words

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
        lambda key, value: as_json({"keys": {key: value}}).encode(),
        st.sampled_from(["runs.mark", "runs.filter", "quit"]) | words,
        trees,
    )
    | mutated(("theme: nord\nkeys:\n  runs.mark: m\n  runs.filter: f,slash\n",))
    | st.binary(max_size=100)
)
memory_files = (
    st.builds(
        lambda sections: as_json({"version": 1, "sections": sections}).encode(),
        st.dictionaries(
            st.sampled_from(["mode", "theme", "runs", "view:x", "launch", "compare"]) | words,
            trees,
            max_size=5,
        )
        | trees,
    )
    | st.sampled_from(
        [b"[" * 100_000, b'{"version":1,"sections":{"mode":' + b"[" * 5000, b"\xff\xfe", b"", b"0"]
    )
    | st.binary(max_size=100)
)
