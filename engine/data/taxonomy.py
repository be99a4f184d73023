"""The tree of categories: codes of two digits per level, any number of levels."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError
from engine.format import printable

_DIGITS_PER_LEVEL = 2
_CODE = re.compile(r"(?:[0-9]{2}){1,16}")


def is_code(text: str) -> bool:
    """Whether `text` could be a category: two digits per level."""
    return _CODE.fullmatch(text) is not None


def depth(code: str) -> int:
    """Number of levels that a code spells out."""
    return len(code) // _DIGITS_PER_LEVEL


@dataclass(frozen=True)
class Taxonomy:
    """Classes at every level; level 1 is the coarsest, level `levels` holds the leaves.

    Attributes:
        codes: leaf codes, sorted: a leaf's index here is its label.
        names: names of codes at any level, where known.
    """

    codes: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_codes(cls, codes: Iterable[str], names: Mapping[str, str] | None = None) -> "Taxonomy":
        """The tree whose leaves are `codes` (repetitions count once).

        Raises:
            DataError: a code is not two digits per level, or codes differ in their number of levels.
        """
        leaves = sorted(set(codes))
        for code in leaves:
            if not is_code(code):
                raise DataError(
                    f"category {_shown(code)}: not a code; use two digits for each level, as in 0312"
                )
            if len(code) != len(leaves[0]):
                raise DataError(
                    f"categories {leaves[0]} and {code} have different numbers of levels; give all the same"
                )
        return cls(tuple(leaves), dict(names or {}))

    @property
    def levels(self) -> int:
        """Number of levels; 0 for a tree without leaves."""
        return depth(self.codes[0]) if self.codes else 0

    def level_codes(self, level: int) -> tuple[str, ...]:
        """Sorted codes of a level, 1 to `levels`."""
        return self._level_tables[level - 1][0]

    def leaf_to_level(self, level: int) -> NDArray[np.int64]:
        """Index in `level_codes(level)` of each leaf's ancestor, int64 [leaves]."""
        return self._level_tables[level - 1][1]

    def index(self, code: str) -> int:
        """Label of a leaf code.

        Raises:
            DataError: no such leaf.
        """
        try:
            return self._indices[code]
        except KeyError:
            raise DataError(f"category {_shown(code)}: not among the {len(self.codes)} known ones") from None

    def __contains__(self, code: object) -> bool:
        return code in self._indices

    def name(self, code: str) -> str:
        """Name of a code, or the code itself."""
        return self.names.get(code, code)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; `from_dict` reads it."""
        return {"codes": list(self.codes), "names": dict(self.names)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Taxonomy":
        """The taxonomy that `to_dict` wrote."""
        return cls.from_codes(data["codes"], data.get("names"))

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {code: index for index, code in enumerate(self.codes)}

    @cached_property
    def _level_tables(self) -> list[tuple[tuple[str, ...], NDArray[np.int64]]]:
        tables = []
        for level in range(1, self.levels + 1):
            ancestors = [code[: level * _DIGITS_PER_LEVEL] for code in self.codes]
            codes = tuple(sorted(set(ancestors)))
            place = {code: index for index, code in enumerate(codes)}
            tables.append((codes, np.array([place[code] for code in ancestors], np.int64)))
        return tables


def _shown(code: str) -> str:
    return f"'{printable(str(code)[:40])}'"
