"""Reads lines again where they stand, so that millions may wait without being held in memory.

Lines that stand close together are read in one go. What is read is what stands there now: whoever
asks compares it with what was read the first time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from io import FileIO
from typing import Final, NamedTuple, TypeAlias

from batch.inputs.source import Source

GAP_BYTES: Final = 4096  # between two lines: to read these costs less than to ask twice
SPAN_BYTES: Final = 1 << 20  # read in one go, at most; a longer line alone
OPEN_AT_ONCE: Final = 32  # files; inputs may be many more

# Returns what stands at a place, from an offset on, in so many bytes.
ReadAt: TypeAlias = Callable[[int, int, int], bytes]


class Spot(NamedTuple):
    """Where a line stands."""

    place: int  # which of the files
    offset: int
    size: int  # bytes


class Again:
    """The inputs, open for reading again. Serves one thread at a time."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._open: dict[int, FileIO] = {}  # the one that was used last at the end

    def can(self, place: int) -> bool:
        """Return whether that source is there, and can be read from the middle."""
        return 0 <= place < len(self._sources) and not self._sources[place].zipped

    def read_at(self, place: int, offset: int, size: int) -> bytes:
        """Return bytes of a source, fewer where it was cut. Raises ``NoInput``, ``BadData``."""
        file = self._opened(place)
        try:
            return os.pread(file.fileno(), size, offset)
        except OSError as error:
            raise self._sources[place].unreadable(error) from None

    def _opened(self, place: int) -> FileIO:
        file = self._open.pop(place, None)
        if file is None:
            file = self._sources[place].open()
            if len(self._open) >= OPEN_AT_ONCE:
                self._open.pop(next(iter(self._open))).close()
        self._open[place] = file
        return file

    def close(self) -> None:
        """Close what is open."""
        while self._open:
            self._open.popitem()[1].close()


def read_spots(spots: Sequence[Spot], read_at: ReadAt) -> Iterator[bytes]:
    """Yield the bytes of each spot; those of one place must be in the order of the file."""
    for span in _spans(spots):
        first, last = span[0], span[-1]
        data = read_at(first.place, first.offset, last.offset + last.size - first.offset)
        for spot in span:
            begins = spot.offset - first.offset
            yield data[begins : begins + spot.size]


def _spans(spots: Sequence[Spot]) -> Iterator[list[Spot]]:
    """Group spots that are read in one go."""
    span: list[Spot] = []
    for spot in spots:
        if span and not _joins(span[0], span[-1], spot):
            yield span
            span = []
        span.append(spot)
    if span:
        yield span


def _joins(first: Spot, last: Spot, spot: Spot) -> bool:
    gap = spot.offset - (last.offset + last.size)
    near = spot.place == first.place and 0 <= gap <= GAP_BYTES
    return near and spot.offset + spot.size - first.offset <= SPAN_BYTES
