"""Reads the files that a call names, when it is sent: from a folder, the web, or a data URI.

Only files under the one folder that the user allowed are read, whatever a line says; the web is
asked without a key. Whatever fails here, nothing has been sent to the gateway.
"""

from __future__ import annotations

import asyncio
import io
import os
import stat
from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp

from batch.errors import BadFile
from batch.records import Field, FileRef, Form, Spliced
from batch.wire._files import LOCAL, WEB
from batch.wire._media import HEAD, Kind, decode, sniff

_SHOWN: Final = 200  # characters of a name in a message
_MOST_IN_ALL: Final = 128 << 20  # bytes of the files of one call; a line may name one many times

# From an address and a cap in bytes to the body and its declared type. Raises ``CallFailed``.
Download = Callable[[str, int], Awaitable[tuple[bytes, str]]]


class Attachments:
    """Reads files for calls."""

    def __init__(self, folder: str | None, download: Download) -> None:
        """``folder`` is where local files may come from, or None for none."""
        self._folder = None if folder is None else os.path.realpath(folder)
        self._download = download

    async def body(self, spliced: Spliced) -> bytes:
        """Return a JSON body with its files in place. Raises ``BadFile`` and ``FileUnread``."""
        read: dict[str, tuple[bytes, Kind]] = {}
        pieces: list[bytes] = []
        size = 0
        for piece in spliced.pieces:
            if isinstance(piece, bytes):
                pieces.append(piece)
                continue
            if piece.source not in read:
                read[piece.source] = await self._read(piece)
            content, kind = read[piece.source]
            size = _added(size, b"" if piece.encoding == "type" else content)
            pieces.append(_encoded(piece, content, kind))
        return b"".join(pieces)

    async def form(self, form: Form) -> aiohttp.FormData:
        """Return a form with its files. Raises ``BadFile`` and ``FileUnread``."""
        # Names go out as they are, in UTF-8, as browsers and curl send them: quoted ones would
        # reach the gateway with their percent signs.
        data = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
        size = 0
        for field in form.fields:
            if not field.name or set(field.name) & set("\r\n\0"):
                raise BadFile(f"the form cannot be sent: no field can be called {field.name!r}")
            if isinstance(field.value, str):
                data.add_field(field.name, field.value)
            else:
                size = await self._add(data, field, field.value, size)
        return data

    async def _add(self, data: aiohttp.FormData, field: Field, value: FileRef, size: int) -> int:
        """Add a file to a form; take, and return, how many bytes of files are in it."""
        content, kind = await self._read(value)
        size = _added(size, content)
        data.add_field(
            field.name,
            io.BytesIO(content),  # aiohttp writes a file in slices, and lets others run meanwhile
            filename=f"{value.name or field.name}{kind.extension}",
            content_type=kind.content_type,
        )
        return size

    async def _read(self, ref: FileRef) -> tuple[bytes, Kind]:
        source, hint = ref.source, ""
        if source.startswith(LOCAL):
            content = await asyncio.to_thread(self._local, source, ref.most)
        elif source.startswith("data:"):
            hint = source[5:100].partition(",")[0]
            decoded = decode(source)
            if decoded is None:
                raise BadFile("the line holds a data URI that is no base64: nothing was sent")
            content = decoded
        elif source.startswith(WEB):
            content, hint = await self._download(source, ref.most)
        else:
            decoded = decode(source)
            if decoded is None:
                raise BadFile(
                    f"{source[:_SHOWN]!r} is no file: write file:NAME, an address on the web, a "
                    "data URI, or base64. Nothing was sent"
                )
            content = decoded
        if len(content) > ref.most:
            raise BadFile(_too_large(source, ref.most))
        return content, sniff(content[:HEAD], hint)

    def _local(self, source: str, most: int) -> bytes:
        """Read a file of this machine, if it is one that lines may name."""
        name = source.removeprefix(LOCAL).removeprefix("//")
        if self._folder is None:
            raise BadFile(
                f"the line names the local file {name[:_SHOWN]!r}: allow the folder that it is in "
                "with --allow-files DIR, then: wbatch retry --only bad_file"
            )
        try:
            path = os.path.realpath(os.path.join(self._folder, name))
            if os.path.commonpath((path, self._folder)) != self._folder:
                raise BadFile(
                    f"the line names the local file {name[:_SHOWN]!r}, which is not under "
                    f"{self._folder} (--allow-files)"
                )
            # Without blocking: a named pipe would wait for its other end.
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(fd, "rb") as file:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise BadFile(f"the local file {name[:_SHOWN]!r} is no regular file")
                content = file.read(most + 1)
        except (OSError, ValueError) as broken:
            why = broken.strerror if isinstance(broken, OSError) else broken
            raise BadFile(f"cannot read the local file {name[:_SHOWN]!r}: {why}") from broken
        if not content:
            raise BadFile(f"the local file {name[:_SHOWN]!r} is empty")
        return content


def _encoded(ref: FileRef, content: bytes, kind: Kind) -> bytes:
    """Return what stands in the body: text between two quotes, which needs no escape."""
    if ref.encoding == "type":
        return kind.content_type.encode()
    if ref.encoding == "data_uri":
        return b"data:%b;base64,%b" % (kind.content_type.encode(), b64encode(content))
    return b64encode(content)


def _added(size: int, content: bytes) -> int:
    """Return the size of a call's files with one more. Raises ``BadFile`` if it is too much."""
    if size + len(content) > _MOST_IN_ALL:
        raise BadFile(
            f"the files of the line have more than {_MOST_IN_ALL:,} bytes together, each counted "
            "as often as it is named: nothing was sent"
        )
    return size + len(content)


def _too_large(source: str, most: int) -> str:
    return f"{source[:_SHOWN]!r} is larger than {most:,} bytes: nothing was sent"
