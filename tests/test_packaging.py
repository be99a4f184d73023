"""The wheel holds what a workspace needs."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_carries_both_packages_the_migrations_the_styles_and_the_configs(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = [path for folder in ("app", "engine") for path in (ROOT / folder).rglob("*.*")]
    missing = [
        path.name
        for path in wanted
        if path.suffix in (".py", ".tcss") and path.relative_to(ROOT).as_posix() not in names
    ]
    assert missing == []
    for path in (ROOT / "configs").rglob("*.yaml"):
        assert f"reeltop_configs/{path.relative_to(ROOT / 'configs').as_posix()}" in names
    assert not [name for name in names if name.startswith(("tests/", "data/", "runs/"))]
