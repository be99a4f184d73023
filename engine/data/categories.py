"""The optional categories.json of a data set: which categories there are, and what people call them."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.data.regular import require_regular
from engine.data.taxonomy import Taxonomy, depth, is_code
from engine.errors import DataError

CATEGORIES_FILE = "categories.json"
_MAX_BYTES = 64 << 20


def load_categories(path: Path) -> Taxonomy | None:
    """The taxonomy of a categories file; None where there is no file.

    Two forms are read: a list of objects `{"category_id": "0312", "level1_name": ..., "level2_name": ...}`, one a leaf,
    or an object `{"03": "name", "0312": "name"}` whose longest codes are the leaves.

    Raises:
        DataError: the file is in neither form, or no file.
    """
    require_regular(path)
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(_MAX_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error}); mend it or remove it") from error
    if isinstance(data, list):
        return _from_list(path, data)
    if isinstance(data, dict) and all(is_code(code) for code in data):
        names = {code: str(name) for code, name in data.items()}
        leaves = max(map(len, names), default=0)
        return Taxonomy.from_codes([code for code in names if len(code) == leaves], names)
    raise DataError(f"{path}: want a list of objects with category_id, or an object of code: name")


def _from_list(path: Path, entries: list[Any]) -> Taxonomy:
    names: dict[str, str] = {}
    codes: list[str] = []
    for number, entry in enumerate(entries, 1):
        code = entry.get("category_id") if isinstance(entry, dict) else None
        if not isinstance(code, str) or not is_code(code):
            raise DataError(f"{path}: entry {number} has no category_id of two digits for each level")
        codes.append(code)
        for level in range(1, depth(code) + 1):
            name = entry.get(f"level{level}_name")
            if isinstance(name, str):
                names[code[: 2 * level]] = name
    return Taxonomy.from_codes(codes, names)


def usual_taxonomy(code_counts: Mapping[str, int]) -> Taxonomy:
    """The taxonomy that labelled videos spell out: of codes with different numbers of levels, the commonest number."""
    depths: Counter[int] = Counter()
    for code, count in code_counts.items():
        depths[len(code)] += count
    usual = max(depths, key=lambda length: (depths[length], length), default=0)
    return Taxonomy.from_codes(code for code in code_counts if len(code) == usual)
