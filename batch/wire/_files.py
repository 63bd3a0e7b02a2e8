"""Files that a body names instead of holding them: found here, read when the call is sent.

A text ``file:NAME`` stands for a local file wherever a format takes media, an address on the web
only where the vendor wants the bytes themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from batch.errors import BadFile
from batch.records import Encoding, FileRef, Spliced
from batch.wire._spelled import decode_fields, decode_items, decode_text

# Key of a body → how a file is written as its value; ``outer.key`` means the key only in objects
# that stand under ``outer``. Other keys hold no files: a text that begins with "file:" stays one.
Wants: TypeAlias = Mapping[str, Encoding]
LOCAL: Final = "file:"
WEB: Final = ("https://", "http://")
_TRACES: Final = (b'"file:',)
_TRACES_TO_CONVERT: Final = (*_TRACES, b'"http', b'"data:')
# Each level is read anew, and no vendor nests so deep: what names a file below stays a text.
_DEEPEST: Final = 64
_SAYS_NOTHING: Final = (b"", b"null", b'""')


def attached(
    body: bytes,
    wants: Wants,
    *,
    types: Mapping[str, str] | None = None,
    convert: bool = False,
) -> bytes | Spliced:
    """Return a body with the files that it names, or the body itself if it names none.

    ``types`` says which key beside a file holds its content type, filled in where it is missing.
    ``convert``: the vendor takes no addresses and no other spelling, so that these are read and
    written anew too. Values that are no files keep their bytes, so that no number passes through a
    float. Raises ``BadFile`` for a body nested as no real one is.
    """
    traces = _TRACES_TO_CONVERT if convert else _TRACES
    if not _may_hold_files(body, traces):
        return body
    splicer = _Splicer(wants, types or {}, traces)
    try:
        splicer.put(body.lstrip(), "", _DEEPEST)
    except RecursionError:
        raise BadFile("the body is nested too deeply to look for files in it") from None
    pieces = splicer.pieces()
    return Spliced(pieces) if len(pieces) > 1 else body


class _Splicer:
    """Takes a body apart into bytes that stay, and files."""

    def __init__(self, wants: Wants, types: Mapping[str, str], traces: tuple[bytes, ...]) -> None:
        self._wants = wants
        self._types = types
        self._traces = traces
        self._pieces: list[bytes | FileRef] = []
        self._plain: list[bytes] = []  # what stands before the next file

    def pieces(self) -> tuple[bytes | FileRef, ...]:
        """Return all that was put, in order; of bytes as few pieces as there can be."""
        return (*self._pieces, b"".join(self._plain))

    def put(self, raw: bytes, under: str, levels: int, encoding: Encoding | None = None) -> None:
        """Put a value that stands under a key; texts in it are files if there is an encoding."""
        if encoding and (source := self._file(raw, encoding)):
            self._put_file(source, encoding)
        elif not levels or not _may_hold_files(raw, self._traces):
            self._plain.append(raw)
        elif raw[:1] == b"{":
            self._put_object(raw, under, levels - 1)
        elif raw[:1] == b"[":
            self._put_array(raw, under, levels - 1, encoding)
        else:
            self._plain.append(raw)

    def _put_object(self, raw: bytes, under: str, levels: int) -> None:
        fields = {key: bytes(inner) for key, inner in decode_fields(raw).items()}
        untyped = self._untyped(fields, under)
        sign = b"{"
        for key, inner in fields.items():
            if key in untyped.values():
                continue  # it says nothing, and is filled in behind its file
            self._plain += (sign, msgspec.json.encode(key), b":")
            self.put(inner, key, levels, self._wants.get(self._place(under, key)))
            sign = b","
            if key in untyped:
                self._plain += (sign, msgspec.json.encode(untyped[key]), b":")
                self._put_file(decode_text(inner), "type")
        self._plain.append(b"}")

    def _put_array(self, raw: bytes, under: str, levels: int, encoding: Encoding | None) -> None:
        sign = b"["
        for one in decode_items(raw):
            self._plain.append(sign)
            self.put(bytes(one), under, levels, encoding)
            sign = b","
        self._plain.append(b"]")

    def _put_file(self, source: str, encoding: Encoding) -> None:
        self._plain.append(b'"')
        self._pieces += (b"".join(self._plain), FileRef(source, encoding))
        self._plain = [b'"']

    def _untyped(self, fields: Mapping[str, bytes], under: str) -> dict[str, str]:
        """Return the keys of files whose content type is missing, each with the key of that."""
        found: dict[str, str] = {}
        for key, inner in fields.items():
            place = self._place(under, key)
            kind = self._types.get(place)
            if kind and fields.get(kind, b"") in _SAYS_NOTHING:
                encoding = self._wants[place]
                if self._file(inner, encoding):
                    found[key] = kind
        return found

    def _place(self, under: str, key: str) -> str:
        place = f"{under}.{key}"
        return place if place in self._wants else key

    def _file(self, raw: bytes, encoding: Encoding) -> str:
        """Return what a value names, if it is a text that names a file; else nothing.

        Only texts that are to be converted begin with a trace of other spellings.
        """
        if not raw.startswith(self._traces):
            return ""
        text = decode_text(raw)
        if text.startswith(LOCAL):
            return text
        others = WEB if encoding == "data_uri" else (*WEB, "data:")
        return text if text.startswith(others) else ""


def _may_hold_files(raw: bytes, traces: tuple[bytes, ...]) -> bool:
    """Return whether it is worth looking for files in a value: for nearly no line it is."""
    for trace in traces:  # noqa: SIM110 - a generator takes as long as the look
        if raw.find(trace) >= 0:
            return True
    return False
