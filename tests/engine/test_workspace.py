"""The workspace: which store it means, and where the one supervisor of that store is to be found."""

from pathlib import Path

import pytest

from engine.workspace import Workspace


def test_each_store_has_a_lock_and_a_log_of_its_own_beside_it(tmp_path: Path) -> None:
    one = Workspace.open(tmp_path, str(tmp_path / "a" / "experiments.db"))
    two = Workspace.open(tmp_path, f"sqlite:///{tmp_path}/b/experiments.db")
    assert one.supervisor_lock == tmp_path / "a" / "experiments.db.supervisor.lock"
    assert two.supervisor_lock == tmp_path / "b" / "experiments.db.supervisor.lock"
    assert two.supervisor_log == tmp_path / "b" / "experiments.db.supervisor.log"


def test_two_workspaces_with_one_store_have_one_lock(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    store = str(tmp_path / "shared.db")
    assert Workspace.open(tmp_path, store).supervisor_lock == Workspace.open(other, store).supervisor_lock


def test_stores_on_two_servers_with_databases_of_one_name_have_two_locks(tmp_path: Path) -> None:
    one = Workspace.open(tmp_path, "postgresql://one/runs")
    two = Workspace.open(tmp_path, "postgresql://two/runs")
    assert one.supervisor_lock.parent == two.supervisor_lock.parent == tmp_path
    assert one.supervisor_lock != two.supervisor_lock


@pytest.mark.parametrize("store", ["x.db", "sqlite:///x.db"])
def test_a_relative_store_is_the_current_folders_whoever_opens_it_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    root = tmp_path / "workspace"
    root.mkdir()
    monkeypatch.chdir(tmp_path)
    url = Workspace.open(root, store).store_url
    assert url == f"sqlite:///{tmp_path}/x.db"
    monkeypatch.chdir(root)  # as in the supervisor
    assert Workspace.open(root, url).store_url == url


@pytest.mark.parametrize("url", ["sqlite:///:memory:", "sqlite://", "sqlite:///"])
def test_a_store_in_memory_stays_one(tmp_path: Path, url: str) -> None:
    workspace = Workspace.open(tmp_path, url)
    assert workspace.store_url == url
    assert workspace.supervisor_lock.parent == tmp_path
