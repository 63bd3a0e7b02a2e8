"""Whether a file of media is all there, as far as its own structure tells.

A gateway that gives up in the middle of a film ends its answer in good order where it never said
how long the film is. But these files are made of parts that say how long they are: one that claims
more than there is has been cut. What is built otherwise is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

# Gives so many bytes of the file from an offset on; fewer at its end.
Look: TypeAlias = Callable[[int, int], bytes]
_MOST_PARTS: Final = 100_000  # looked at; a real file has far fewer


def is_whole(extension: str, size: int, look: Look) -> bool:
    """Return whether no part of a file of ``size`` bytes claims to go on behind its end."""
    next_part = _NEXT_PART.get(extension)
    if next_part is None:
        return True
    at = _STARTS.get(extension, 0)
    for _ in range(_MOST_PARTS):
        if at >= size:
            break
        end = next_part(at, look)
        if end is None:  # the last part, or something that is no part: not judged
            return True
        at = end
    return at <= size


def _box(at: int, look: Look) -> int | None:
    """Return where a box of an ISO file ends; None for one that goes on to the file's end."""
    head = look(at, 16)
    if len(head) < 8:
        return at + 8  # not even its length is there
    if not head[4:8].isalnum():
        return None
    length = int.from_bytes(head[:4])
    if length == 1:
        length = int.from_bytes(head[8:16]) if len(head) == 16 else 16
    return at + length if length >= 8 else None


def _chunk(at: int, look: Look) -> int | None:
    """Return where a chunk of a PNG ends; None for the last one."""
    head = look(at, 12)
    if len(head) < 12:
        return at + 12
    if head[4:8] == b"IEND" or not head[4:8].isalpha():
        return None
    return at + 12 + int.from_bytes(head[:4])


def _riff(at: int, look: Look) -> int | None:
    return at + 8 + int.from_bytes(look(at + 4, 4), "little")


_NEXT_PART: Final[Mapping[str, Callable[[int, Look], int | None]]] = {
    ".mp4": _box,
    ".mov": _box,
    ".m4a": _box,
    ".png": _chunk,
    ".webp": _riff,
}
_STARTS: Final[Mapping[str, int]] = {".png": 8}  # bytes before the first part
