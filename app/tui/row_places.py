"""Which row of a long table stands on which line of the screen, where some rows take a second line."""

from collections.abc import Callable
from typing import NamedTuple

Tall = Callable[[int], bool]  # whether the row at an index takes two lines; those that are not known take one


class Place(NamedTuple):
    """What is on a line: a row, or its second line."""

    row: int
    second: bool


def places(top: int, height: int, length: int, tall: Tall) -> list[Place]:
    """The lines of a window of so many, whose first row is `top`; a row whose second line does not fit is cut."""
    found: list[Place] = []
    for index in range(top, min(length, top + height)):
        found.append(Place(index, False))
        if tall(index):
            found.append(Place(index, True))
        if len(found) >= height:
            break
    return found[:height]


def lowest_top(last: int, height: int, tall: Tall) -> int:
    """The first row of the window that ends with all of the row at `last`."""
    used, first = 0, last
    while first >= 0:
        used += 1 + tall(first)
        if used > height and first < last:
            return first + 1
        first -= 1
    return 0
