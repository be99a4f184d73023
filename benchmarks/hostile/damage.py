"""Good files with some bytes changed, and an object that does harm when it is unpickled."""

from typing import Any

from hypothesis import strategies as st


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """A good file with a few bytes cut, doubled or replaced."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        piece = draw(
            st.binary(max_size=4)
            | st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\xff" * 8, b"\x7f\xff\xff\xff"])
        )
        match draw(st.integers(0, 3)):
            case 0:
                data[at : at + len(piece)] = piece
            case 1:
                data[at:at] = piece
            case 2:
                del data[at:]
            case _:
                del data[at : at + draw(st.integers(1, 40))]
    return bytes(data)


class Harm:
    """Unpickled, it would make a file named `executed` in the current folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, ("executed", "w")
