"""Hostile filters and sort columns."""

from hypothesis import strategies as st

from benchmarks.hostile.words import numbers, words

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
