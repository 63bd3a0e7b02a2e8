"""A file that was cut is told by its own structure, and no whole one is taken for cut."""

from __future__ import annotations

import pytest

from batch.mock._samples import mp4, png, webp
from batch.wire._whole import is_whole


def box(kind: bytes, body: bytes, *, long: bool = False) -> bytes:
    if long:
        return (1).to_bytes(4) + kind + (16 + len(body)).to_bytes(8) + body
    return (8 + len(body)).to_bytes(4) + kind + body


FILM = box(b"ftyp", b"mp42" + bytes(8)) + box(b"moov", bytes(100)) + box(b"mdat", bytes(500))
LONG = box(b"ftyp", b"mp42" + bytes(8)) + box(b"mdat", bytes(500), long=True)
OPEN = box(b"ftyp", b"mp42" + bytes(8)) + bytes(4) + b"mdat" + bytes(300)


def judged(extension: str, data: bytes) -> bool:
    return is_whole(extension, len(data), lambda at, length: data[at : at + length])


@pytest.mark.parametrize(
    ("extension", "data"),
    [
        (".mp4", FILM),
        (".mov", FILM),
        (".mp4", LONG),
        (".mp4", mp4(1, 5000)),
        (".png", png(3, 40)),
        (".webp", webp(1)),
    ],
    ids=["mp4", "mov", "a long box", "of the mock", "png", "webp"],
)
def test_a_whole_file_is_whole_and_every_shorter_one_is_not(extension: str, data: bytes) -> None:
    assert judged(extension, data)

    # Where a film happens to be cut between two of its parts, nothing tells.
    cuts = [cut for cut in range(13, len(data)) if judged(extension, data[:cut])]
    assert len(cuts) <= 2


@pytest.mark.parametrize(
    ("extension", "data"),
    [
        (".mp4", OPEN),
        (".mp4", FILM + b"\0\0\0\0junk behind the end"),
        (".mp4", b"\0\0\0\x18ftypmp42" + b"\0" * 12 + b"\xff\xff\xff\xff\0\1\2\3"),
        (".png", png(3, 40) + b"what an editor left behind the end"),
        (".mp3", b"ID3"),
        (".bin", b"x"),
    ],
    ids=["to the end", "junk behind", "no box", "png with more", "mp3", "unknown"],
)
def test_what_is_built_otherwise_is_not_judged(extension: str, data: bytes) -> None:
    assert judged(extension, data)


def test_a_file_of_parts_without_end_is_given_up_on() -> None:
    looks = 0

    def look(_at: int, _length: int) -> bytes:
        nonlocal looks
        looks += 1
        return (8).to_bytes(4) + b"free" + bytes(8)

    assert is_whole(".mp4", 1 << 40, look)
    assert looks <= 100_000
