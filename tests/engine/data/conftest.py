"""A small sample data set and tiny models for it, made once; annotations written by hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.data.sample import make_sample
from engine.data.tiny_models import make_tiny_models


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample data set of 90 labelled videos in 8 classes."""
    folder = tmp_path_factory.mktemp("data") / "sample"
    make_sample(folder, videos=90, classes=8, seed=5)
    return folder


@pytest.fixture(scope="session")
def tiny_models(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `bert/` and `clip/` for the sample."""
    folder = tmp_path_factory.mktemp("models")
    make_tiny_models(sample, folder, hidden=32, layers=1, image_size=64)
    return folder


@pytest.fixture
def write_split(tmp_path: Path) -> Callable[..., Path]:
    """Writes `annotations/<split>.json` of the data set in `tmp_path / "set"`, from records or raw bytes."""

    def write(content: list[Any] | bytes, split: str = "labeled") -> Path:
        path = tmp_path / "set" / "annotations" / f"{split}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
        path.write_bytes(data)
        return path

    return write
