"""Files that a body names instead of holding them: found here, read when the call is sent.

A text ``file:NAME`` stands for a local file wherever a format takes media, an address on the web
only where the vendor wants the bytes themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from batch.records import Encoding, FileRef, Spliced

# Key of a body → how a file is written as its value. Other keys hold no files: a text that begins
# with "file:" stays a text.
Wants: TypeAlias = Mapping[str, Encoding]
LOCAL: Final = "file:"
WEB: Final = ("https://", "http://")
_MARK: Final = "\0wbatch\0"


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
    written anew too. Values that are no files may be spelled anew, but stay what they are.
    """
    traces = (b'"file:', b'"http', b'"data:') if convert else (b'"file:',)
    if not any(trace in body for trace in traces):
        return body
    finder = _Finder(wants, types or {}, convert)
    marked = finder.marked(msgspec.json.decode(body))
    if not finder.refs:
        return body
    pieces: list[bytes | FileRef] = []
    written = msgspec.json.encode(marked).split(msgspec.json.encode(_MARK)[1:-1])
    for piece, ref in zip(written, [*finder.refs, None], strict=True):
        pieces.append(piece)
        if ref is not None:
            pieces.append(ref)
    return Spliced(tuple(pieces))


class _Finder:
    """Puts marks in the place of files, and collects these in the order of the marks."""

    def __init__(self, wants: Wants, types: Mapping[str, str], convert: bool) -> None:
        self.refs: list[FileRef] = []
        self._wants = wants
        self._types = types
        self._convert = convert

    def marked(self, value: Any) -> Any:
        """Return the value with a mark for each file in it."""
        if isinstance(value, list):
            return [self.marked(one) for one in value]
        if isinstance(value, dict):
            return dict(self._items(value))
        # A text that happens to hold the mark would be taken for one.
        return value.replace(_MARK, "") if isinstance(value, str) else value

    def _items(self, value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for key, inner in value.items():
            encoding = self._wants.get(key)
            if encoding is None:
                yield key, self.marked(inner)
            elif isinstance(inner, list):
                yield key, [self._mark(one, encoding) for one in inner]
            elif self._is_file(inner, encoding):
                yield key, self._mark(inner, encoding)
                kind = self._types.get(key)
                if kind and not value.get(kind):
                    yield kind, self._mark(inner, "type")
            else:
                yield key, self.marked(inner)

    def _mark(self, value: Any, encoding: Encoding) -> Any:
        if not self._is_file(value, encoding):
            return self.marked(value)
        self.refs.append(FileRef(value, encoding))
        return _MARK

    def _is_file(self, value: object, encoding: Encoding) -> bool:
        if not isinstance(value, str):
            return False
        if value.startswith(LOCAL):
            return True
        others = WEB if encoding == "data_uri" else (*WEB, "data:")
        return self._convert and value.startswith(others)
