"""Saving a config: comments stay, nothing is overwritten silently, names stay below the folder."""

from pathlib import Path

import pytest

from engine.config.load import load_file, plain
from engine.config.saving import config_text, sweep_text, target_of, write_config_file
from engine.config.stages import FinetuneConfig
from engine.errors import ConfigError

SOURCE = """# A first try.
stage: finetune
name: model-1
training:
  epochs: 5          # enough
  lr: {text: 5.0e-5}
"""


def changed(source: Path, **training: object) -> FinetuneConfig:
    config = load_file(source)
    assert isinstance(config, FinetuneConfig)
    settings = plain(config)
    settings["training"] |= training
    return FinetuneConfig.model_validate(settings)


def test_the_file_it_came_from_keeps_its_comments_and_gets_the_changed_settings(tmp_path: Path) -> None:
    source, target = tmp_path / "a.yaml", tmp_path / "b.yaml"
    source.write_text(SOURCE)
    config = changed(source, epochs=7, ema=None)
    changes = {"training.epochs": 7, "training.ema": None, "checkpoints.keep": 2}
    text = config_text(config, source, changes, target)
    assert "# A first try." in text
    assert "epochs: 7          # enough" in text
    write_config_file(target, text)
    assert load_file(target) == config


def test_without_a_file_the_whole_config_is_written(tmp_path: Path) -> None:
    source = tmp_path / "a.yaml"
    source.write_text(SOURCE)
    config = changed(source, epochs=7)
    target = tmp_path / "new" / "b.yaml"
    write_config_file(target, config_text(config, None, {}, target))
    assert load_file(target) == config


def test_a_file_that_extends_another_is_written_whole_into_another_folder(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(SOURCE)
    source = tmp_path / "a.yaml"
    source.write_text("extends: base.yaml\nname: other\n")
    config = changed(source, epochs=9)
    beside = config_text(config, source, {"training.epochs": 9}, tmp_path / "c.yaml")
    assert "extends: base.yaml" in beside
    elsewhere = tmp_path / "deep" / "c.yaml"
    write_config_file(elsewhere, config_text(config, source, {"training.epochs": 9}, elsewhere))
    assert "extends" not in elsewhere.read_text()
    assert load_file(elsewhere) == config


def test_a_file_that_is_there_is_replaced_only_when_told(tmp_path: Path) -> None:
    target = tmp_path / "a.yaml"
    target.write_text("old")
    with pytest.raises(FileExistsError):
        write_config_file(target, "new")
    assert target.read_text() == "old"
    write_config_file(target, "new", replace=True)
    assert target.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


def test_a_sweep_is_a_pipeline_beside_the_file(tmp_path: Path) -> None:
    source = tmp_path / "a.yaml"
    source.write_text(SOURCE)
    config = changed(source)
    matrix = {"training.epochs": ("1", "2"), "training.ema": ("", "0.9"), "data.fold": ("0", "full")}
    sweep = tmp_path / "a-sweep.yaml"
    sweep.write_text(sweep_text(config, matrix, "a.yaml"))
    pipeline = load_file(sweep)
    run = pipeline.runs["model-1"]
    assert run.config == "a.yaml"
    assert run.matrix == {"training.epochs": [1, 2], "training.ema": [None, 0.9], "data.fold": [0, "full"]}


@pytest.mark.parametrize(
    "name", ["", "  ", "../a", "/etc/a", "a/../../b", ".hidden", "x/.y/z", "a\0b", "sub"]
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub.yaml").mkdir()
    with pytest.raises(ConfigError):
        target_of(tmp_path, name)


def test_a_name_gets_the_ending_that_files_here_have(tmp_path: Path) -> None:
    assert target_of(tmp_path, "a") == tmp_path / "a.yaml"
    assert target_of(tmp_path, " b/c.yml ") == tmp_path / "b" / "c.yml"
    assert target_of(tmp_path, "v1.2") == tmp_path / "v1.2.yaml"
