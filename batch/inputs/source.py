"""One input file as a stream of bytes: plain, or gzip told by its first bytes, not by its name."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from io import FileIO
from typing import Final

import msgspec

from batch.errors import BadData, NoInput
from batch.inputs.form import PLAIN, Form
from batch.inputs.lines import Damaged
from batch.inputs.table import TAB, Table

CHUNK_BYTES: Final = 256 * 1024
GZIP_MAGIC: Final = b"\x1f\x8b"


class Source(msgspec.Struct, frozen=True):
    """A regular file, as it was when the run began."""

    name: str  # as the user gave it, printable, for messages
    path: str  # absolute: what is opened; for a stream, its spool
    given: str  # absolute, or "-": what the run's header records
    size: int  # bytes on disk
    inode: tuple[int, int]  # device and inode
    zipped: bool
    form: Form = PLAIN

    @property
    def streamed(self) -> bool:
        """Return whether what is read is a copy of a stream."""
        return self.path != self.given

    @property
    def table(self) -> Table | None:
        """Return the layout of its records; None if each line stands for itself."""
        return self.form.table

    @property
    def container(self) -> str:
        """Return what its lines are packed in, as the run's header names it."""
        kind = "jsonl" if self.table is None else "tsv" if self.table.separator == TAB else "csv"
        return f"{kind}.gz" if self.zipped else kind

    def chunks(self) -> Iterator[bytes]:
        """Yield the unpacked bytes, up to the size at the start: what is added later is not read.

        Raises ``Damaged``, ``NoInput`` if it cannot be read, ``BadData`` if it was replaced.
        """
        try:
            with self.open() as file:
                yield from _unzipped(file) if self.zipped else _plain(file, self.size)
        except OSError as error:
            raise self.unreadable(error) from None

    def open(self) -> FileIO:
        """Open the file, if it still is the one it was. Raises ``NoInput``, ``BadData``."""
        try:
            file = FileIO(self.path)
        except OSError as error:
            raise self.unreadable(error) from None
        stat = os.fstat(file.fileno())
        if (stat.st_dev, stat.st_ino) != self.inode or stat.st_size < self.size:
            file.close()
            raise BadData(
                f"{self.name}: the file was replaced or cut while the run was reading it. "
                "Run the same command again."
            )
        return file

    def unreadable(self, error: OSError) -> NoInput:
        """Return what to raise where the system does not let the file be read."""
        return NoInput(f"{self.name}: cannot be read: {error.strerror or error}")


def _plain(file: FileIO, left: int) -> Iterator[bytes]:
    while left:
        chunk = file.read(min(CHUNK_BYTES, left))
        if not chunk:
            raise Damaged("the file became shorter while it was read. Run the same command again.")
        left -= len(chunk)
        yield chunk


def _unzipped(file: FileIO) -> Iterator[bytes]:
    """Unpack all members piece by piece, so that no bomb is ever held."""
    try:
        with gzip.GzipFile(fileobj=file) as unzipped:
            while chunk := unzipped.read1(CHUNK_BYTES):
                yield chunk
    except EOFError:
        raise Damaged("the gzip data is cut short here. Fetch or pack the file again.") from None
    except (zlib.error, gzip.BadGzipFile):
        raise Damaged(
            "the gzip data is damaged here, or something else follows it. Pack the file again."
        ) from None
