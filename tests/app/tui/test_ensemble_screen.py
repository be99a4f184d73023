"""Ensemble: members and weights by key and mouse, and what is recomputed at every change."""

import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from ensemble_page import Settled, opened, rows, scored, screen, shown, three_members, weights
from ensemble_world import TAXONOMY, finished, truth, validation_folder
from sklearn.metrics import f1_score
from textual.widgets import Input

import engine.ensemble.weighing
from app.tui.app import ReeltopApp
from app.tui.screens.ask import Ask
from app.tui.screens.ensemble import Ensemble
from app.tui.screens.member_picker import MemberPicker
from app.tui.widgets.agreement_view import AgreementView
from app.tui.widgets.fixes_view import FixesView
from app.tui.widgets.label import Label
from app.tui.widgets.member_list import MemberList
from engine.data.predictions import Predictions
from engine.data.taxonomy import Taxonomy
from engine.store.database import Store
from engine.store.runs import delete_run
from engine.workspace import Workspace


@pytest.fixture
def members(store: Store, workspace: Workspace) -> list[int]:
    return three_members(store, workspace)


def slow_f1_mean(store: Store, workspace: Workspace, ids: list[int], values: list[float]) -> float:
    """F1-mean of a weighted mean, by another library."""
    parts = [Predictions.open(validation_folder(store, workspace, run_id)) for run_id in ids]
    mean = sum(
        weight * part.probabilities.astype(np.float64) for weight, part in zip(values, parts, strict=True)
    )
    scores = []
    for digits in (2, 4):
        true = [TAXONOMY.codes[leaf][:digits] for leaf in parts[0].labels]
        claimed = [TAXONOMY.codes[leaf][:digits] for leaf in np.asarray(mean).argmax(axis=1)]
        scores += [f1_score(true, claimed, average=kind, zero_division=0) for kind in ("micro", "macro")]
    return float(np.mean(scores))


async def test_an_empty_screen_teaches_its_keys_and_none_of_them_harms(
    workspace: Workspace, settled: Settled
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, settled)
        for told in ("a   choose", "space marks runs", "3   Launch"):
            assert told in shown(app, "#ensemble-empty")
        for key in (
            "f",
            "g",
            "r",
            "s",
            "c",
            "C",
            "w",
            "o",
            "m",
            "l",
            "v",
            "u",
            "left",
            "0",
            "space",
            "enter",
            "escape",
        ):
            await pilot.press(key)
        assert isinstance(app.screen, Ensemble)
        told = {note.message for note in app._notifications}
        assert "no members yet: a chooses them" in told
        assert "nothing to take back" in told
        await pilot.press("a")
        await settled(pilot, lambda: isinstance(app.screen, MemberPicker))
        option = app.screen.query_one("#picker-list").get_option_at_index(0)
        assert "No finished run has validation predictions yet" in str(option.prompt)
        await pilot.press("space", "enter")
        await settled(pilot, lambda: isinstance(app.screen, Ensemble))


async def test_marked_runs_are_members_and_what_does_not_fit_is_left_out_with_a_reason(
    workspace: Workspace, store: Store, members: list[int], settled: Settled
) -> None:
    others = [
        finished(store, workspace, "all", fold="full"),
        finished(store, workspace, "old", seed=7, taxonomy=Taxonomy.from_codes(["0001", "0002"])),
        finished(store, workspace, "elsewhere", seed=8, fold=1),
        finished(store, workspace, "broken", seed=9),
        finished(store, workspace, "gone", seed=10),
    ]
    (validation_folder(store, workspace, others[3]) / "ids.json").unlink()
    delete_run(store, others[4])
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(160, 40)) as pilot:
        await opened(app, pilot, settled, [others[1], *members, others[0], *others[2:]])
        assert [row.split()[1] for row in rows(app)] == ["model-1", "model-2", "model-3"]
        notes = "\n".join(screen(app).bench.gathered.notes)
        for told in (
            "all: no validation predictions (it was trained on all labelled videos)",
            "old: knows other classes than model-1",
            "elsewhere: no validation video in common with model-1",
            "ids.json is missing",
            f"no run {others[4]}",
        ):
            assert told in notes
        assert "✗ left out: " in shown(app, "#ensemble-notes")
        assert len(shown(app, "#ensemble-notes").splitlines()) == 5


async def test_a_key_changes_a_weight_and_everything_that_follows_from_it(
    workspace: Workspace, store: Store, members: list[int], settled: Settled
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, members)
        equal = slow_f1_mean(store, workspace, members, [1, 1, 1])
        best = slow_f1_mean(store, workspace, members, [0, 1, 0])
        assert f"F1-mean {equal:.4f}" in shown(app, "#ensemble-total")
        assert f"{equal - best:+.4f} over model-2" in shown(app, "#ensemble-total")
        assert f"{best:.4f}" in rows(app)[1]
        left_out = slow_f1_mean(store, workspace, members, [1, 1, 0]) - equal
        assert f"{left_out:+.4f}" in rows(app)[2]
        await pilot.press("end", "left", "left", "shift+left", "shift+right", "right")
        await settled(pilot, lambda: weights(app) == (1, 1, 0.9) and scored(app))
        now = slow_f1_mean(store, workspace, members, [1, 1, 0.9])
        await settled(pilot, lambda: f"F1-mean {now:.4f}" in shown(app, "#ensemble-total"))
        assert "(was " in shown(app, "#ensemble-total")
        assert "0.90" in rows(app)[2]
        await settled(pilot, lambda: "±" in shown(app, "#ensemble-total"))


async def test_weights_are_switched_typed_reset_and_taken_back(
    workspace: Workspace, members: list[int], settled: Settled
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot, settled, members)
        await pilot.press("left", "left", "space")
        assert weights(app) == (0, 1, 1)
        assert rows(app)[0].startswith("○")
        await pilot.press("space")
        assert weights(app) == (0.8, 1, 1)
        assert rows(app)[0].startswith("●")
        await pilot.press("j", "0", "k", "enter")
        assert isinstance(app.screen, Ask)
        assert weights(app) == (0.8, 0, 1)
        await pilot.press(*["backspace"] * 4, *"much", "enter")
        assert "type a number" in str(app.screen.query_one(".dialog-wrong", Label).content)
        await pilot.press(*["backspace"] * 4, *"1001", "enter")
        assert "0 to 1000" in str(app.screen.query_one(".dialog-wrong", Label).content)
        await pilot.press(*["backspace"] * 4, *"2.5", "enter")
        assert weights(app) == (2.5, 0, 1)
        await pilot.press("full_stop", *"35", "enter")
        assert weights(app) == (0.35, 0, 1)
        await pilot.press("full_stop", "escape")
        assert weights(app) == (0.35, 0, 1)
        await pilot.press("r")
        assert weights(app) == (1, 1, 1)
        await pilot.press("u", "u")
        assert weights(app) == (2.5, 0, 1)
        await pilot.press(*["u"] * 30)
        assert any("nothing to take back" in note.message for note in app._notifications)


async def test_the_last_member_with_a_weight_keeps_it(
    workspace: Workspace, members: list[int], settled: Settled
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot, settled, members[:2])
        await pilot.press("0", "down", "0", "space")
        assert weights(app) == (0, 1)
        assert any("the last member with a weight stays" in note.message for note in app._notifications)
        await settled(pilot, lambda: scored(app))
        assert rows(app)[1].split()[-1] != ""
        assert " - " in rows(app)[1]  # without it there is nothing


async def test_while_members_are_read_nobody_is_told_that_there_are_none(
    workspace: Workspace, members: list[int], settled: Settled, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, gather = threading.Event(), engine.ensemble.weighing.gather

    def waiting(*args: Any) -> Any:
        assert read.wait(20)
        return gather(*args)

    monkeypatch.setattr(engine.ensemble.weighing, "gather", waiting)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: app.opened)
        app.marked[:] = members
        await pilot.press("5")
        await settled(pilot, lambda: "loading the chosen runs" in shown(app, "#ensemble-notes"))
        assert shown(app, "#ensemble-empty") == ""
        await pilot.press("f")
        await settled(pilot, lambda: any("still being loaded" in n.message for n in app._notifications))
        read.set()
        await settled(pilot, lambda: scored(app))


async def test_a_member_leaves_by_key_and_comes_back_by_undo(
    workspace: Workspace, members: list[int], settled: Settled
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot, settled, members)
        await pilot.press("left", "down", "delete")
        await settled(pilot, lambda: screen(app).bench.members == ((members[0],), (members[2],)))
        assert weights(app) == (0.9, 1)
        await pilot.press("u")
        await settled(pilot, lambda: len(screen(app).bench.members) == 3)
        for _ in range(3):
            await pilot.press("delete")
            await settled(pilot, lambda: screen(app)._loaded == screen(app).bench.weights.choice.runs)
            await settled(pilot, lambda: len(screen(app).bench.members) == len(screen(app)._loaded))
        await settled(pilot, lambda: "No members yet" in shown(app, "#ensemble-empty"))


async def test_the_mouse_sets_a_weight_drags_it_and_switches_it(
    workspace: Workspace, members: list[int], settled: Settled
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, members)
        listed = screen(app).query_one(MemberList)
        shape = listed._layout
        await pilot.click(MemberList, offset=(shape.bar_start + shape.bar // 2 - 1, 1))
        assert weights(app) == (1, 0.5, 1)
        assert listed.highlighted == 1
        await pilot.mouse_down(MemberList, offset=(shape.bar_start + shape.bar - 1, 2))
        for x in (shape.bar - 5, shape.bar // 2 - 1, shape.bar // 5 - 1):
            await pilot.hover(MemberList, offset=(shape.bar_start + x, 0))
        await pilot.mouse_up(MemberList, offset=(shape.bar_start + shape.bar // 5 - 1, 0))
        await settled(pilot, lambda: weights(app) == (1, 0.5, 0.2))
        await pilot.press("u")
        assert weights(app) == (1, 0.5, 1), "a drag is one change"
        await pilot.click(MemberList, offset=(0, 0))
        assert weights(app) == (0, 0.5, 1)
        await pilot.click(MemberList, offset=(0, 0))
        assert weights(app) == (1, 0.5, 1)
        await pilot.click(MemberList, offset=(4, 2))
        assert weights(app) == (1, 0.5, 1)


async def test_candidates_are_ticked_folds_together_and_filtered(
    workspace: Workspace, store: Store, members: list[int], settled: Settled
) -> None:
    folds = [
        finished(store, workspace, f"svm-fold{fold}", stage="baseline", fold=fold, seed=5) for fold in (0, 1)
    ]
    finished(store, workspace, "without", predictions=False)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot, settled)
        await pilot.press("a")
        await settled(pilot, lambda: isinstance(app.screen, MemberPicker))
        options = app.screen.query_one("#picker-list")

        def lines() -> list[str]:
            return [str(options.get_option_at_index(i).prompt) for i in range(options.option_count)]

        assert [line.split()[1] for line in lines()] == ["svm", "model-3", "model-2", "model-1"]
        assert "2 folds" in lines()[0]
        await pilot.press("space", "j", "j", "space", "k", "space", "space")
        assert [line[0] for line in lines()] == ["●", "○", "●", "○"]
        await pilot.press("slash", *"svm")
        await settled(pilot, lambda: len(lines()) == 1)
        await pilot.press("enter", "enter")
        await settled(pilot, lambda: screen(app).bench.ready is not None)
        assert sorted(screen(app).bench.members, key=len) == [
            (members[1],),
            tuple(sorted(folds, reverse=True)),
        ]
        assert any("svm (2 folds)" in row for row in rows(app))
        await pilot.press("a")
        await settled(pilot, lambda: isinstance(app.screen, MemberPicker))
        await pilot.press("space", "escape")
        await settled(pilot, lambda: isinstance(app.screen, Ensemble))
        assert len(screen(app).bench.members) == 2


async def test_agreement_and_fixes_are_shown_by_measure_level_and_where_there_is_no_room_by_turns(
    workspace: Workspace, members: list[int], settled: Settled
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(80, 30)) as pilot:
        await opened(app, pilot, settled, members)
        agreement, fixes = screen(app).query_one(AgreementView), screen(app).query_one(FixesView)
        assert (agreement.display, fixes.display) == (False, True)
        gathered, weighed = screen(app).bench.ready, screen(app).bench.weighed
        rows_of_level = weighed.fixes[1]
        assert rows_of_level
        first = rows_of_level[0]
        assert f"{first.f1_before:.4f}→{first.f1_after:.4f}" in fixes.render_line(1).text
        drawn = [str(fixes.line(number)) for number in range(len(rows_of_level) + 2)]
        assert any("0002 hotels" in line for line in drawn) == any(
            row.code == "0002" for row in rows_of_level
        )
        assert drawn[-1] == ""
        assert "level 2 against model-2" in str(fixes.border_title)
        await pilot.press("b")
        last = rows_of_level[-1]
        line = fixes.render_line(1).text
        assert line.startswith(last.code)
        assert f"{last.f1_before:.4f}→{last.f1_after:.4f}" in line
        await pilot.press("b", "l")
        assert "level 1 against model-2" in str(fixes.border_title)
        await pilot.press("l", "v")
        assert (agreement.display, fixes.display) == (True, False)
        for values, name in (
            (gathered.agreement.same_MM, "same answers"),
            (gathered.agreement.kappa_MM, "kappa"),
            (gathered.agreement.errors_MM, "errors"),
        ):
            assert name in str(agreement.border_title)
            assert f"{values[0, 1]:.2f}" in str(agreement.query_one(Label).content)
            await pilot.press("m")
        await pilot.press("v")
        assert fixes.display
        await pilot.resize_terminal(140, 40)
        await settled(pilot, lambda: agreement.display and fixes.display)


async def test_members_and_weights_are_remembered_and_new_marks_join_them(
    workspace: Workspace, members: list[int], settled: Settled
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, members[:2])
        await pilot.press("left", "left")
        await pilot.press("2")
        app.marked.append(members[2])
        await pilot.press("5")
        await settled(pilot, lambda: len(screen(app).bench.members) == 3)
        assert weights(app) == (0.8, 1, 1)
    again = ReeltopApp(workspace, supervise=False)
    async with again.run_test(size=(120, 40)) as pilot:
        await settled(pilot, lambda: isinstance(again.screen, Ensemble) and scored(again))
        assert screen(again).bench.members == tuple((run_id,) for run_id in members)
        assert weights(again) == (0.8, 1, 1)


@pytest.mark.parametrize("size", [(20, 5), (40, 12), (80, 24), (200, 50), (300, 80)])
async def test_it_fits_into_any_terminal(
    workspace: Workspace, store: Store, members: list[int], settled: Settled, size: tuple[int, int]
) -> None:
    odd = finished(store, workspace, "短视频 [red]模型 with a very long name indeed", seed=11)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot, settled, [odd, *members])
        await pilot.press("left", "f")
        await settled(pilot, lambda: screen(app).bench.found is not None)
        await pilot.press("v", "m", "l")
        text = app.export_screenshot()
        if size[0] >= 80:
            assert "短视频" in text
        await pilot.resize_terminal(60, 20)
        await pilot.pause()


def test_the_screen_and_what_it_computes_with_import_nothing_heavy() -> None:
    code = (
        "import sys, app.tui.screens.ensemble\n"
        "print([name for name in ('numpy', 'torch', 'pandas', 'sklearn', 'pydantic') if name in sys.modules])\n"
        "import engine.ensemble.weighing, engine.ensemble.result\n"
        "print([name for name in ('torch', 'transformers', 'pandas', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert done.split() == ["[]", "[]"]


async def test_typing_begins_with_the_weight_as_it_is(
    workspace: Workspace, members: list[int], settled: Settled
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot, settled, members)
        await pilot.press("left", "enter")
        assert app.screen.query_one(Input).value == "0.90"


def test_labels_of_the_world_are_those_of_its_members(store: Store, workspace: Workspace) -> None:
    run_id = finished(store, workspace, "one")
    found = Predictions.open(validation_folder(store, workspace, run_id))
    np.testing.assert_array_equal(found.labels, truth(240)[::2])
