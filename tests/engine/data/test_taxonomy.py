"""The category tree: levels from prefixes, labels from sorted leaves."""

import json

import numpy as np
import pytest

from engine.data.taxonomy import Taxonomy
from engine.errors import DataError


def test_levels_come_from_prefixes() -> None:
    taxonomy = Taxonomy.from_codes(["0203", "0101", "0102", "0101"])
    assert taxonomy.codes == ("0101", "0102", "0203")
    assert taxonomy.levels == 2
    assert taxonomy.level_codes(1) == ("01", "02")
    assert taxonomy.level_codes(2) == taxonomy.codes
    np.testing.assert_array_equal(taxonomy.leaf_to_level(1), [0, 0, 1])
    np.testing.assert_array_equal(taxonomy.leaf_to_level(2), [0, 1, 2])


@pytest.mark.parametrize("levels", [1, 3, 5])
def test_any_number_of_levels(levels: int) -> None:
    taxonomy = Taxonomy.from_codes(["00" * levels, "00" * (levels - 1) + "01"])
    assert taxonomy.levels == levels
    assert len(taxonomy.level_codes(levels)) == 2
    assert all(len(taxonomy.level_codes(level)) == 1 for level in range(1, levels))


def test_survives_json() -> None:
    taxonomy = Taxonomy.from_codes(["0101", "0102"], {"01": "美食", "0101": "面馆"})
    again = Taxonomy.from_dict(json.loads(json.dumps(taxonomy.to_dict())))
    assert again == taxonomy
    assert again.name("01") == "美食"
    assert again.name("0102") == "0102"


def test_an_index_is_a_place_among_sorted_leaves() -> None:
    taxonomy = Taxonomy.from_codes(["0102", "0101"])
    assert taxonomy.index("0102") == 1
    assert "0102" in taxonomy
    assert "01" not in taxonomy
    with pytest.raises(DataError, match="0199"):
        taxonomy.index("0199")


@pytest.mark.parametrize("code", ["", "1", "012", "ab", "0a", "01 2", "٠١"])
def test_malformed_codes_are_refused(code: str) -> None:
    with pytest.raises(DataError, match="two digits"):
        Taxonomy.from_codes(["0101", code])


def test_codes_of_different_depth_are_refused() -> None:
    with pytest.raises(DataError, match="different numbers of levels"):
        Taxonomy.from_codes(["0101", "010101"])


def test_an_empty_tree_has_no_levels() -> None:
    assert Taxonomy.from_codes([]).levels == 0
