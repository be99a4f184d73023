"""Config files: what is accepted, and how each mistake is told."""

from pathlib import Path

import pytest

from engine.config.fields import check_values, fields_of, form_values
from engine.config.load import config_hash, flatten, load_file, plain
from engine.config.pipeline import PipelineConfig
from engine.config.stages import STAGES, FinetuneConfig
from engine.errors import ConfigError

FINETUNE = """\
stage: finetune
name: model-1
data:
  root: data/sample
  fold: 0
training:
  epochs: 5
  lr: {text: 5e-5}
"""


def written(folder: Path, text: str, name: str = "config.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def message(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_file(path, overrides)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_every_shipped_config_is_valid() -> None:
    files = sorted((Path(__file__).parents[3] / "configs").rglob("*.yaml"))
    assert len(files) >= 9
    for path in files:
        load_file(path)


def test_a_number_in_scientific_notation_is_a_number(tmp_path: Path) -> None:
    config = load_file(written(tmp_path, FINETUNE))
    assert isinstance(config, FinetuneConfig)
    assert config.training.lr.text == 5e-5
    assert config.training.lr.other == 5e-4


def test_one_learning_rate_is_that_of_every_part(tmp_path: Path) -> None:
    config = load_file(written(tmp_path, FINETUNE), ["training.lr=3e-5"])
    assert isinstance(config, FinetuneConfig)
    assert config.training.lr.model_dump() == dict.fromkeys(("text", "vision", "other"), 3e-5)


def test_a_rate_for_all_parts_is_not_forgotten_when_one_is_set_besides(tmp_path: Path) -> None:
    path = written(tmp_path, FINETUNE)
    told = message(path, "training.lr=3e-5", "training.lr.text=1e-5")
    assert told.startswith("--set training.lr.text=1e-5: training.lr: is 3e-05 for all")
    written(tmp_path, FINETUNE.replace("{text: 5e-5}", "1e-4"), "base.yaml")
    over = written(tmp_path, "extends: base.yaml\ntraining:\n  lr: {text: 1e-5}\n", "over.yaml")
    assert "over.yaml:3: training.lr: is 0.0001 for all" in message(over)


def test_a_misspelt_key_names_file_line_and_the_nearest_valid_name(tmp_path: Path) -> None:
    path = written(tmp_path, FINETUNE.replace("epochs", "epoch"))
    text = message(path)
    assert "config.yaml:7: training.epoch: unknown key" in text
    assert "training.epochs" in text


def test_a_key_of_another_section_is_found(tmp_path: Path) -> None:
    assert "did you mean training.batch_size?" in message(written(tmp_path, FINETUNE + "batch_size: 3\n"))


def test_a_wrong_type_names_line_field_and_what_is_allowed(tmp_path: Path) -> None:
    text = message(written(tmp_path, FINETUNE.replace("epochs: 5", "epochs: many")))
    assert "config.yaml:7: training.epochs: 'many' is not a whole number; allowed is 1 to 10000" in text


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("training.warmup=1.7", "training.warmup: 1.7 is out of range; allowed is 0 to 1"),
        ("training.ema=1", "allowed is above 0 and below 1"),
        ("training.schedule=cosin", "did you mean cosine?"),
        ("data.fold=half", "'half' is not a whole number or `full`"),
        ("data.fold=-1", "-1 is out of range"),
        ("training.adversarial=1e-3", "write its keys below it: kind, eps, alpha, steps"),
        ("training.lr=7", "training.lr: 7 is out of range; allowed is 0 to 1"),
        ("training.nosuch.key=1", "training.nosuch: unknown key"),
        ("training.lr.text=.nan", "training.lr.text"),
        ("tags=one", "is not a list"),
        ("stage=finetuna", "did you mean finetune?"),
        ("name=12", "must not be a number"),
        ('name="a\\eb"', "control character U+001B at position 2"),
        ("training.epochs", "write it as key=value"),
        ("training.epochs=[1", "not a YAML value"),
    ],
)
def test_an_override_out_of_place_is_told_with_the_fix(tmp_path: Path, override: str, told: str) -> None:
    text = message(written(tmp_path, FINETUNE), override)
    assert text.startswith("--set ")
    assert told in text


def test_several_mistakes_are_one_line_with_their_count(tmp_path: Path) -> None:
    text = message(written(tmp_path, FINETUNE), "training.warmup=2", "training.epochs=0")
    assert text.endswith("(and 1 more)")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"stage: [finetune", "is not YAML"),
        (b"- a\n- b\n", "is not a config"),
        (b"", "is not a config"),
        (b"\x00\x01\xff\xfe", "is not YAML"),
        (b"stage: finetune\nstage: extract\n", "is not YAML"),
        (b"name: x\n", "stage: missing"),
        (b"stage: !!python/object/apply:os.system [true]\n", "there is no stage"),
    ],
)
def test_a_file_that_is_no_config_is_told_by_name(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    text = message(path)
    assert "broken.yaml" in text
    assert told in text


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    assert "no such file" in message(tmp_path / "absent.yaml")
    assert "is a folder" in message(tmp_path)


def test_extends_lays_a_file_over_another_and_errors_name_the_file_of_the_field(tmp_path: Path) -> None:
    written(tmp_path, FINETUNE.replace("epochs: 5", "epochs: 0"), "base.yaml")
    over = written(tmp_path, "extends: base.yaml\nname: over\ntraining: {batch_size: 8}\n", "over.yaml")
    assert "base.yaml:7: training.epochs" in message(over)
    written(tmp_path, FINETUNE, "base.yaml")
    config = load_file(over)
    assert isinstance(config, FinetuneConfig)
    assert (config.name, config.training.epochs, config.training.batch_size) == ("over", 5, 8)


def test_extends_in_a_circle_is_an_error(tmp_path: Path) -> None:
    written(tmp_path, "extends: b.yaml\n", "a.yaml")
    assert "extends itself" in message(written(tmp_path, "extends: a.yaml\n", "b.yaml"))


def test_a_pipeline_file_is_recognised(tmp_path: Path) -> None:
    path = written(tmp_path, "name: p\nruns:\n  a: {config: a.yaml}\n")
    assert isinstance(load_file(path), PipelineConfig)
    assert "known here" in message(written(tmp_path, "name: p\nruns:\n  a: {config: a.yaml, zzz: 1}\n"))


def test_the_hash_is_of_what_is_computed_not_of_names_and_places(tmp_path: Path) -> None:
    path = written(tmp_path, FINETUNE)
    plain_hash = config_hash(load_file(path))
    renamed = load_file(path, ["name=other", "priority=3", "notes=hello", "inputs.features=7"])
    elsewhere = load_file(path, ["gpus=4", "data.workers=12"])
    changed = load_file(path, ["training.epochs=6"])
    assert config_hash(renamed) == plain_hash
    assert config_hash(elsewhere) == plain_hash
    assert config_hash(changed) != plain_hash


def test_flattened_keys_are_those_of_set() -> None:
    config = FinetuneConfig(stage="finetune")
    flat = flatten(plain(config))
    assert flat["training.lr.text"] == 5e-5
    assert set(flat) == {spec.key for spec in fields_of(FinetuneConfig)}


@pytest.mark.parametrize("stage", list(STAGES))
def test_every_field_has_a_help_text(stage: str) -> None:
    assert [spec.key for spec in fields_of(STAGES[stage]) if not spec.help] == []


def test_a_form_shows_a_config_and_reads_it_back(tmp_path: Path) -> None:
    config = load_file(written(tmp_path, FINETUNE), ["data.fold=full", "tags=[a, b]", "training.ema=null"])
    assert isinstance(config, FinetuneConfig)
    result = check_values("finetune", form_values(config))
    assert result.errors == {}
    assert result.config == config


def test_a_form_tells_every_wrong_field_by_its_key() -> None:
    values = form_values(FinetuneConfig(stage="finetune"))
    wrong = {"training.warmup": "1.7", "data.fold": "some", "training.adversarial.kind": "fgn"}
    result = check_values("finetune", values | wrong)
    assert result.config is None
    assert set(result.errors) == set(wrong)
    assert "0 to 1" in result.errors["training.warmup"]
