"""Vectors as one array of float32, as NumPy keeps it, with the ids of its rows beside it.

``numpy.load("vectors.npy", mmap_mode="r")`` has one row for each vector, and in
``vectors.npy.ids.jsonl`` stands line by line whose vector each row is. Writing them needs no NumPy.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import orjson

from batch.errors import BadData
from batch.results.columns import Row
from batch.results.publish import Target
from batch.wording import counted

IDS: Final = ".ids.jsonl"
_MAGIC: Final = b"\x93NUMPY\x01\x00"
_HEADER: Final = 128  # bytes, with room for any number of rows


class Npy:
    """The array and its ids."""

    def __init__(self, target: Target, ids: Target) -> None:
        self._target = target
        self._ids = ids
        self.rows = 0
        self.skipped = 0  # records without a vector
        self._size = 0  # bytes of a row
        self._first = ""
        target.write(bytes(_HEADER))

    def write(self, rows: Sequence[Row]) -> None:
        """Write the vectors. Raises BadData where one has another length than those before."""
        for row in rows:
            if not row.vector:
                self.skipped += 1
                continue
            self._check(row.record.custom_id, len(row.vector))
            self.rows += 1
            self._target.write(row.vector)
            told = {"custom_id": row.record.custom_id, "index": row.index}
            self._ids.write(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))

    def finish(self) -> None:
        """Write the header, which says how many rows there are. Raises BadData if there is none."""
        if not self.rows:
            raise BadData("no answer of this run holds a vector, so that there is no array")
        os.pwrite(self._target.fd, self._head(), 0)

    def _check(self, custom_id: str, size: int) -> None:
        if not self._size:
            self._size, self._first = size, custom_id
        if size != self._size:
            raise BadData(
                f"the vector of {custom_id} has {counted(size // 4, 'number')} and that of "
                f"{self._first} has {self._size // 4:,}: one array holds vectors of one length. "
                "Export to .parquet or .jsonl instead"
            )

    def _head(self) -> bytes:
        shape = f"({self.rows}, {self._size // 4})"
        told = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
        room = _HEADER - len(_MAGIC) - 2
        return _MAGIC + room.to_bytes(2, "little") + told.ljust(room - 1) + b"\n"
