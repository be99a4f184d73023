"""Kinds of hostile text, and what the product does with each: read, validate, list, score."""

from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from benchmarks.hostile import configs, data_files, personal, queries
from benchmarks.hostile.holding import Kind, held
from engine.config.base import StageConfig
from engine.config.load import config_hash, flatten, load_file, plain
from engine.data.annotations import load_annotations
from engine.data.categories import load_categories
from engine.data.submission import score_files
from engine.planning.submit import plan_file
from engine.store.database import Store
from engine.store.queries import list_runs
from engine.store.runs import create_runs
from engine.store.views import NewRun
from engine.workspace import Workspace


def _config(data: bytes, folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_bytes(data)
    (folder / "stage.yaml").write_text(configs.PLAIN_CONFIG)
    with held():
        loaded = load_file(path)
        if isinstance(loaded, StageConfig):
            config_hash(loaded)
            flatten(plain(loaded))
    with held():
        plan_file(Workspace.open(str(folder)), _runs_of_three(), path)
    assert not (folder / "executed").exists()
    assert not Path("executed").exists()


def _override(texts: list[str], folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_text(configs.PLAIN_CONFIG)
    with held():
        plan_file(Workspace.open(str(folder)), _runs_of_three(), path, texts)


def _filter(pair: tuple[str, str], _: Path) -> None:
    text, sort = pair
    with held():
        list_runs(_runs_of_three(), text, sort="-created")
    with held():
        list_runs(_runs_of_three(), "", sort=sort)


def _settings(data: bytes, folder: Path) -> None:
    from app.tui.settings import read_settings

    path = folder / ".reeltop" / "settings.yaml"
    path.parent.mkdir()
    path.write_bytes(data)
    with held():
        settings = read_settings([path], ["nord", "textual-dark"])
    for line in settings.troubles:
        assert len(line) < 2000, f"{len(line)} characters: {line[:200]!r}"


def _memory(data: bytes, folder: Path) -> None:
    from app.tui.memory import Memory

    path = folder / ".reeltop" / "state.json"
    path.parent.mkdir()
    path.write_bytes(data)
    with held():
        memory = Memory(folder)
        memory.views()
        memory.put("mode", "runs")
        memory.write()
    assert Memory(folder).get("mode") == "runs"


def _annotations(data: bytes, folder: Path) -> None:
    path = folder / "annotations" / "labeled.json"
    path.parent.mkdir()
    path.write_bytes(data)
    with held():
        table = load_annotations(path, folder / "cache", max_skipped=1.0)
        for row in range(len(table)):
            table.title(row), table.ocr(row), table.asr(row)


def _categories(data: bytes, folder: Path) -> None:
    path = folder / "categories.json"
    path.write_bytes(data)
    with held():
        load_categories(path)


def _submission(pair: tuple[bytes, bytes], folder: Path) -> None:
    result, truth = folder / "result.csv", folder / "truth.csv"
    result.write_bytes(pair[0])
    truth.write_bytes(pair[1])
    with held():
        score_files(result, truth)
    with held():
        score_files(result, result)


def _truth(data: bytes, folder: Path) -> None:
    result, truth = folder / "result.csv", folder / "truth.json"
    result.write_text("123,0312\n124,0312\n")
    truth.write_bytes(data)
    with held():
        score_files(result, truth)


@cache
def _runs_of_three() -> Store:
    """A store of three runs, whose names are hostile too."""
    import tempfile

    folder = tempfile.mkdtemp(prefix="reeltop-hostile-")
    store = Store.open(f"sqlite:///{folder}/experiments.db")
    params: dict[str, Any] = {"training.lr.text": 5e-5, "training.lr.vision": 1e-5, "model.text": "\x1b[31m"}
    create_runs(
        store,
        [
            NewRun("finetune", name, {}, "h", params, 802, tags=("a", "\u202eb"))
            for name in ("x", "\x1b]0;y\x07", "[b]")
        ],
    )
    return store


TEXT_KINDS = (
    Kind("config files", configs.config_files, _config),
    Kind("--set expressions", configs.overrides, _override),
    Kind("filters and sort columns", st.tuples(queries.filters, queries.sorts), _filter),
    Kind("settings files", personal.settings_files, _settings),
    Kind("memory files", personal.memory_files, _memory),
    Kind("annotation files", data_files.annotation_files, _annotations),
    Kind("categories files", data_files.categories_files, _categories),
    Kind(
        "submission files", st.tuples(data_files.submission_files, data_files.submission_files), _submission
    ),
    Kind("truth files", data_files.annotation_files, _truth),
)
