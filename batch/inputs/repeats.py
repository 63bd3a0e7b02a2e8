"""Finds ids that may occur twice, in bounded memory: hashes in buckets, spilled to disk."""

from __future__ import annotations

import os
import shutil
from array import array
from types import TracebackType
from typing import Final, Self, TypeAlias

from batch.errors import CannotWrite
from batch.wording import shown

Pair: TypeAlias = tuple[int, int]  # ordinals of two lines, the earlier first

_BUCKETS: Final = 256
_ENTRY_BYTES: Final = 16  # hash and ordinal
_MOST_PAIRS: Final = 16  # per bucket: equal hashes of different ids are rarer than that


class Repeats:
    """A set of ids that is asked only one thing: which of them came twice."""

    def __init__(self, cache: str, buffer_bytes: int) -> None:
        self._folder = os.path.join(cache, "ids")
        self._room = max(1, buffer_bytes // _ENTRY_BYTES)
        self._left = self._room
        self._spilled = False
        # In each bucket hash and ordinal take turns.
        self._buckets = [array("q") for _ in range(_BUCKETS)]

    def __enter__(self) -> Self:
        shutil.rmtree(self._folder, ignore_errors=True)  # left by a run that was killed
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, custom_id: str, ordinal: int) -> bool:
        """Take the id of a line. Returns whether ``suspects`` should be asked at once."""
        if not self._left:
            self._spill()
        # Python's own hash is 64 bits, fast, and the same for as long as these buckets live.
        number = hash(custom_id)
        bucket = self._buckets[number & (_BUCKETS - 1)]
        bucket.append(number)
        bucket.append(ordinal)
        self._left -= 1
        # Many repeats of one id would fill one bucket alone; asked in time, they never do.
        return not self._left and any(map(_repeated, self._buckets))

    def suspects(self) -> list[Pair]:
        """Return lines whose ids have equal hashes, the earliest of them first."""
        pairs: list[Pair] = []
        for index in range(_BUCKETS):
            bucket = self._whole(index)
            if _repeated(bucket):
                pairs += _pairs(bucket)
        return sorted(pairs, key=lambda pair: pair[1])

    def _path(self, index: int) -> str:
        return os.path.join(self._folder, f"{index:02x}")

    def _spill(self) -> None:
        """Append every bucket to its file."""
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            for index, bucket in enumerate(self._buckets):
                with open(self._path(index), "ab") as file:
                    bucket.tofile(file)
                del bucket[:]
        except OSError as error:
            raise self._refusal(error) from None
        self._left, self._spilled = self._room, True

    def _whole(self, index: int) -> array[int]:
        """Return a bucket with what was spilled of it."""
        if not self._spilled:
            return self._buckets[index]
        bucket = array("q")
        try:
            with open(self._path(index), "rb") as file:
                bucket.frombytes(file.read())
        except OSError as error:
            raise self._refusal(error) from None
        return bucket + self._buckets[index]

    def _refusal(self, error: OSError) -> CannotWrite:
        return CannotWrite(
            f"{shown(self._folder, 300)}: cannot compare the custom_ids: {error.strerror}. "
            "Free some space and run the same command again."
        )


def _repeated(bucket: array[int]) -> bool:
    return len(set(bucket[::2])) < len(bucket) // 2


def _pairs(bucket: array[int]) -> list[Pair]:
    first: dict[int, int] = {}
    pairs: list[Pair] = []
    for number, ordinal in zip(bucket[::2], bucket[1::2], strict=True):
        earlier = first.setdefault(number, ordinal)
        if earlier != ordinal:
            pairs.append((earlier, ordinal))
            if len(pairs) == _MOST_PAIRS:
                break
    return pairs
