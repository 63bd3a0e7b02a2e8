"""Finds the files that a call names, when it is sent: in a folder, on the web, or in the line.

The web is asked without a key. Whatever fails here, nothing has been sent to the gateway.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp

from batch.errors import BadFile
from batch.records import Field, FileRef, Form, Spliced
from batch.transport.body import Grew
from batch.transport.local import LocalFile, find, shown
from batch.transport.payload import Contents, Piece, in_pieces
from batch.wire._files import LOCAL, WEB
from batch.wire._media import HEAD, Kind, decode, sniff

_MOST_IN_ALL: Final = 128 << 20  # bytes of the files of one call; a line may name one many times

# From an address, a cap in bytes, and who is told how many came, to the body and its declared type.
# Raises ``CallFailed``.
Download = Callable[[str, int, Grew], Awaitable[tuple[bytes, str]]]


class Attachments:
    """Finds files for calls."""

    def __init__(self, folder: str | None, download: Download) -> None:
        """``folder`` is where local files may come from, or None for none."""
        self._folder = None if folder is None else os.path.realpath(folder)
        self._download = download

    async def body(self, spliced: Spliced, grew: Grew) -> aiohttp.Payload:
        """Return a JSON body with its files in place. Raises ``BadFile`` and ``FileUnread``.

        ``grew`` is told how many bytes of files are held.
        """
        found: dict[str, tuple[bytes | LocalFile, Kind]] = {}
        pieces: list[Piece] = []
        size = 0
        for piece in spliced.pieces:
            if isinstance(piece, bytes):
                pieces.append(piece)
                continue
            if piece.source not in found:
                found[piece.source] = await self._find(piece, grew)
            content, kind = found[piece.source]
            if piece.encoding == "type":
                pieces.append(kind.content_type.encode())
                continue
            size = _added(size, content)
            if piece.encoding == "data_uri":
                pieces.append(b"data:%b;base64," % kind.content_type.encode())
            pieces.append(Contents(content, encoded=True))  # between two quotes: needs no escape
        return in_pieces(pieces)

    async def form(self, form: Form, grew: Grew) -> aiohttp.FormData:
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
                content, kind = await self._find(field.value, grew)
                size = _added(size, content)
                _add(data, field, field.value, content, kind)
        return data

    async def _find(self, ref: FileRef, grew: Grew) -> tuple[bytes | LocalFile, Kind]:
        source, hint = ref.source, ""
        content: bytes | LocalFile
        if source.startswith(LOCAL):
            content = await asyncio.to_thread(find, self._folder, source, ref.most)
            if isinstance(content, bytes):
                grew(len(content))
        elif source.startswith(WEB):
            content, hint = await self._download(source, ref.most, grew)
        else:
            content = _inside(source)
            hint = source[5:100].partition(",")[0] if source.startswith("data:") else ""
        if _length(content) > ref.most:
            raise BadFile(f"{shown(source)} is larger than {ref.most:,} bytes: nothing was sent")
        head = content[:HEAD] if isinstance(content, bytes) else content.head
        return content, sniff(head, hint)


def _inside(source: str) -> bytes:
    """Return the file that a text itself is."""
    content = decode(source)
    if content is None and source.startswith("data:"):
        raise BadFile("the line holds a data URI that is no base64: nothing was sent")
    if content is None:
        raise BadFile(
            f"{shown(source)} is no file: write file:NAME, an address on the web, a data URI, or "
            "base64. Nothing was sent"
        )
    return content


def _add(
    data: aiohttp.FormData, field: Field, ref: FileRef, content: bytes | LocalFile, kind: Kind
) -> None:
    """Add a file to a form."""
    data.add_field(
        field.name,
        in_pieces([Contents(content, encoded=False)], kind.content_type),
        filename=f"{ref.name or field.name}{kind.extension}",
        content_type=kind.content_type,
    )


def _added(size: int, content: bytes | LocalFile) -> int:
    """Return the size of a call's files with one more. Raises ``BadFile`` if it is too much."""
    size += _length(content)
    if size > _MOST_IN_ALL:
        raise BadFile(
            f"the files of the line have more than {_MOST_IN_ALL:,} bytes together, each counted "
            "as often as it is named: nothing was sent"
        )
    return size


def _length(content: bytes | LocalFile) -> int:
    return len(content) if isinstance(content, bytes) else content.size
