"""Each way in which `zipfile` gives up on a damaged archive is in the one list."""

import io
import zipfile
from collections.abc import Callable

import pytest

from engine.data.zips import DAMAGED_ZIP


def archive() -> bytearray:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("1.jpg", bytes(range(256)) * 40)
    return bytearray(held.getvalue())


def directory(data: bytearray) -> int:
    return data.index(b"PK\x01\x02")


def of_a_later_version(data: bytearray) -> None:
    data[directory(data) + 6] = 99


def encrypted(data: bytearray) -> None:
    data[6] |= 1
    data[directory(data) + 8] |= 1


def broken_inside(data: bytearray) -> None:
    data[36:44] = b"\xff" * 8


def without_a_directory(data: bytearray) -> None:
    del data[directory(data) :]


def of_another_name(data: bytearray) -> None:
    data[30:31] = b"2"


@pytest.mark.parametrize(
    ("damage", "raised"),
    [
        (of_a_later_version, NotImplementedError),
        (encrypted, RuntimeError),
        (broken_inside, Exception),
        (without_a_directory, zipfile.BadZipFile),
        (of_another_name, zipfile.BadZipFile),
    ],
)
def test_a_damaged_archive_raises_what_the_list_holds(
    damage: Callable[[bytearray], None], raised: type[Exception]
) -> None:
    data = archive()
    damage(data)
    with pytest.raises(DAMAGED_ZIP) as error, zipfile.ZipFile(io.BytesIO(data)) as opened:
        opened.read("1.jpg")
    assert isinstance(error.value, raised)
