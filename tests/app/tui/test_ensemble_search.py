"""Ensemble's search for weights: what it says, how far it is, and how it ends."""

import threading
from typing import Any

import numpy as np
import pytest
from ensemble_page import Settled, opened, scored, screen, shown, three_members, weights

from app.tui.app import ReeltopApp
from engine.ensemble.search import SEARCHES
from engine.store.database import Store
from engine.workspace import Workspace


@pytest.fixture
def members(store: Store, workspace: Workspace) -> list[int]:
    return three_members(store, workspace)


@pytest.mark.parametrize(("key", "kind"), [("f", "bagged"), ("g", "greedy"), ("G", "coordinate")])
async def test_a_search_tells_the_flattered_score_from_the_honest_one(
    workspace: Workspace, members: list[int], settled: Settled, key: str, kind: str
) -> None:
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, settled, members)
        await pilot.press("left", key)
        await settled(pilot, lambda: screen(app).bench.found is not None and scored(app))
        report = screen(app).bench.found
        scorer = screen(app).bench.ready.aligned.scorer
        np.testing.assert_allclose(weights(app), SEARCHES[kind](scorer))
        total = shown(app, "#ensemble-total")
        assert f"in sample {report['in_sample']:.4f}" in total
        assert (
            f"honest    F1-mean {report['ensemble']['f1_mean']:.4f} (95% {report['interval'][0]:.4f}" in total
        )
        assert screen(app).bench.kind == kind
        await pilot.press("left")
        assert "changed by hand since" in shown(app, "#ensemble-total")
        assert screen(app).bench.kind == "given"
        await pilot.press("u", "u")
        assert weights(app) == (0.9, 1, 1)


async def test_a_search_shows_how_far_it_is_and_esc_ends_it(
    workspace: Workspace, members: list[int], settled: Settled, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def endless(scorer: Any, watch: Any) -> Any:
        try:
            while True:
                watch(0.4)
                ended.wait(0.01)
        finally:
            ended.set()

    monkeypatch.setitem(SEARCHES, "bagged", endless)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot, settled, members)
        await pilot.press("f")
        await settled(pilot, lambda: "bagged selection" in shown(app, "#ensemble-total"))
        await settled(pilot, lambda: "  6%   esc ends it" in shown(app, "#ensemble-total"))
        await pilot.press("g")
        assert any("a search goes on already" in note.message for note in app._notifications)
        await pilot.press("escape")
        await settled(pilot, ended.is_set)
        assert weights(app) == (1, 1, 1)
        await settled(pilot, lambda: "esc ends it" not in shown(app, "#ensemble-total"))


async def test_leaving_ends_a_search(
    workspace: Workspace, members: list[int], settled: Settled, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def endless(scorer: Any, watch: Any) -> Any:
        begun.set()
        try:
            while not ended.wait(0.01):
                watch(0.4)
        finally:
            ended.set()

    monkeypatch.setitem(SEARCHES, "greedy", endless)
    app = ReeltopApp(workspace, supervise=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot, settled, members)
        await pilot.press("g")
        await settled(pilot, begun.is_set)
        await pilot.press("q")
    assert ended.wait(20)
