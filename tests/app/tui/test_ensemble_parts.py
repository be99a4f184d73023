"""The parts of the ensemble screen that need no screen: weights with their history, lines, a report's page."""

from collections.abc import Callable
from typing import Any

import pytest
from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.color import Color

from app.tui.ascii import AsciiFilter
from app.tui.ensemble_lines import Layout, MemberLine, head, layout, member_line
from app.tui.ensembles import notes_text
from app.tui.weights import Weights
from app.tui.widgets import fixes_view
from app.tui.widgets.ensemble_view import EnsembleView
from app.tui.widgets.label import Label
from engine.ensemble.agreement import ClassFixes
from engine.ensemble.result import EnsembleResult

KEYS = ((1,), (2, 3))


def test_a_change_is_kept_once_and_taken_back() -> None:
    weights = Weights()
    assert weights.set_runs([1, 2, 3, 2])
    assert weights.choice.runs == (1, 2, 3)
    assert not weights.set_runs([1, 2, 3])
    weights.set_weight(KEYS, 1, 0.5)
    weights.set_weight(KEYS, 1, 0.4, keep=False)
    weights.set_weight(KEYS, 1, 0.3, keep=False)
    assert weights.choice.of(KEYS) == (1, 0.3)
    assert weights.undo()
    assert weights.choice.of(KEYS) == (1, 1)
    assert weights.undo()
    assert weights.choice.runs == ()
    assert not weights.undo()


@pytest.mark.parametrize("weight", [-0.1, 1000.5, float("nan"), float("inf")])
def test_a_weight_out_of_range_is_refused(weight: float) -> None:
    weights = Weights()
    assert weights.set_weight(KEYS, 0, weight) == "a weight is 0 to 1000"
    assert weights.choice.of(KEYS) == (1, 1)


def test_the_weight_of_a_member_is_kept_while_it_is_off_or_away() -> None:
    weights = Weights()
    weights.set_weight(KEYS, 0, 0.7)
    assert weights.switch(KEYS, 0) is None
    assert weights.choice.of(KEYS) == (0, 1)
    assert weights.switch(KEYS, 1) is not None
    assert weights.switch(KEYS, 0) is None
    assert weights.choice.of(((1,), (9,))) == (0.7, 1)
    weights.switch(KEYS, 0)
    assert weights.choice.of(((1,),)) == (1,), "alone without a weight is alone with any"


def test_plain_data_comes_back_and_anything_else_is_left_alone() -> None:
    weights = Weights()
    weights.set_runs([1, 2, 3])
    weights.set_weight(KEYS, 1, 0.25)
    again = Weights()
    again.restore(weights.to_plain())
    assert again.choice == weights.choice
    for data in (None, [], {"runs": 1}, {"runs": ["x"], "weights": []}, {"runs": [1], "weights": [[[1], -2]]},
                 {"runs": [1], "weights": [[1, 2]]}):  # fmt: skip
        fresh = Weights()
        fresh.restore(data)
        assert fresh.choice.runs == ()


@pytest.mark.parametrize("width", [20, 40, 60, 76, 100, 150, 300])
def test_a_line_fits_its_width_and_its_bar_is_where_the_layout_says(width: int) -> None:
    lines = [
        MemberLine("模型-1", 0.5, 0.71, ((0.8, 0.7), (0.6, 0.5)), -0.01),
        MemberLine("a-name-that-is-much-too-long-for-any-table", 0.0, 0.7, ((0.8, 0.7), (0.6, 0.5))),
    ]
    shape = layout(width, lines)
    for line in lines:
        drawn = member_line(line, shape)
        assert drawn.cell_length <= max(width, 60)
        assert drawn.cell_length == head(shape).cell_length
    half = member_line(lines[0], shape)
    cells = [half.plain.index("▕"), half.plain.index("▏")]
    assert cells[1] - cells[0] == shape.bar + 1
    assert half.plain.count("█") == round(0.5 * shape.bar)


def test_a_bar_s_cells_stand_for_weights_from_nothing_to_the_scale() -> None:
    shape = Layout(name=10, bar=20, levels=0, scale=2.0)
    start = shape.bar_start
    assert [shape.weight_at(start + cell) for cell in (-2, -1, 0, 9, 19, 20, 21)] == [
        None, 0.0, 0.1, 1.0, 2.0, 2.0, None,
    ]  # fmt: skip


def test_the_smallest_weight_fills_a_cell_and_none_fills_none() -> None:
    lines = [MemberLine("a", 0.001), MemberLine("b", 0.0), MemberLine("c", 500.0)]
    shape = layout(80, lines)
    assert [member_line(line, shape).plain.count("█") for line in lines] == [1, 0, shape.bar]
    assert [member_line(line, shape).plain[0] for line in lines] == ["●", "○", "●"]


def test_members_on_and_off_are_told_apart_in_ascii() -> None:
    lines = [MemberLine("a", 0.5, 0.7, ((0.8, 0.7),), -0.01), MemberLine("b", 0.0, 0.7, ((0.8, 0.7),))]
    shape = layout(80, lines)
    drawn = [Segment(member_line(line, shape).plain) for line in lines]
    on, off = (segment.text for segment in AsciiFilter().apply(drawn, Color(0, 0, 0)))
    assert on.isascii()
    assert off.isascii()
    assert (on[0], off[0]) == ("*", "o")
    assert "#" in on
    assert "#" not in off


def test_many_notes_are_counted() -> None:
    text = notes_text([f"left out: {number}" for number in range(9)], None).plain
    assert text.splitlines()[-1] == "✗ and 5 more"


class _Page(App[None]):
    def compose(self) -> ComposeResult:
        yield EnsembleView()


async def page(result: EnsembleResult, settled: Callable[..., Any], told: str) -> str:
    """What the page says of a result, once it says `told`."""
    app = _Page()
    async with app.run_test(size=(100, 30)) as pilot:
        view = app.query_one(EnsembleView)
        view.show(result)
        label = view.query_one(Label)
        await settled(pilot, lambda: told in str(label.content))
        return str(label.content)


async def test_an_ensemble_without_an_estimate_shows_its_weights(settled: Callable[..., Any]) -> None:
    members = [
        {"name": "all", "runs": ["1-all"], "weight": 1.0},
        {"name": "b", "runs": ["2-b", "3-b"], "weight": 0.5},
    ]
    report = {"weights": "given", "members": members, "ensemble": None}
    text = await page(EnsembleResult(report, "runs/3-e/artifacts/submission.csv"), settled, "no estimate")
    for told in (
        "weights as given",
        "● all",
        "b (2 folds)",
        "0.50",
        "submission  runs/3-e/artifacts/submission.csv",
    ):
        assert told in text


async def test_a_run_without_a_report_yet_and_one_that_is_nonsense_are_told(
    settled: Callable[..., Any],
) -> None:
    await page(EnsembleResult(), settled, "no report yet")
    nonsense: dict[str, Any] = {"weights": "equal", "members": [{"name": 1}], "ensemble": {}}
    await page(EnsembleResult(nonsense), settled, "cannot be understood")


@pytest.mark.parametrize(
    ("after", "told"), [(0.5, "▼ 0.6000→0.5000"), (0.7, "▲ 0.6000→0.7000"), (0.6, "  0.6000→0.6000")]
)
def test_the_arrow_before_an_f1_is_the_way_the_f1_goes_however_many_videos_are_fixed(
    after: float, told: str
) -> None:
    row = ClassFixes("0400", "reviews", 16, fixed=2, broken=0, f1_before=0.6, f1_after=after)
    assert fixes_view._line(row, 20).plain.endswith(f"16     2      0 {told}")
