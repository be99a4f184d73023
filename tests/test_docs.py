"""The documentation says what the program does."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_configuration_reference_is_current() -> None:
    made = runpy.run_path(str(DOCS / "make_configuration.py"))
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == made["page"]()
