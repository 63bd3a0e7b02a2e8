"""Server-sent events, cut out of bytes as they come, and objects put together from their pieces.

Values in, values out; it knows no format. Tolerant where gateways are sloppy: any line end, JSON
printed over several lines of which only the first says ``data:``, a bare JSON object, blank runs, a
byte order mark, a last event without an end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from batch.wire._halves import loads

BOM: Final = b"\xef\xbb\xbf"
_RETURN: Final = ord("\r")
_DONE: Final = b"[DONE]"
_NEXT: Final = b"\n\ndata: "
_NEXT_OBJECT: Final = b"\n\ndata: {"
_END: Final = _NEXT + _DONE
_OTHER_FIELDS: Final = (b"event:", b"id:", b"retry:", b":")  # the last one is a comment
_NAMED_ERROR: Final = frozenset({b"event: error", b"event:error"})
# Strings that come whole, and in some streams again and again; all others come in pieces.
_WHOLE: Final = frozenset({"id", "type", "name", "role"})


class Events:
    """Collects the chunks of one stream and gives back the data of each event that is whole.

    ``[DONE]`` is no event: it sets ``done``, which proves nothing about the answer. Time and
    memory are linear in the bytes, however they are cut; who feeds it bounds their number.
    """

    __slots__ = ("_at_start", "_cr", "_held", "done")

    def __init__(self) -> None:
        self.done = False
        self._held: list[bytes] = []  # of the unfinished event; none of the pieces is empty
        self._at_start = True
        self._cr = False  # the last chunk ended with CR, so that an LF now belongs to it

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes; return the data of the events that they finish."""
        if not chunk:
            return []
        if self._at_start:
            chunk = self._without_mark(chunk)
        if self._cr or _RETURN in chunk:
            chunk = self._line_feeds(chunk)
        if not chunk:
            return []
        held = self._held
        # Gateways that do not wait to fill a packet send each event as one chunk.
        is_one = chunk[:7] == b"data: {" and chunk.find(b"\n") == len(chunk) - 2
        if is_one and chunk[-1] == 10 and not held:
            return [chunk[6:-2]]
        if held:
            ends = chunk.find(b"\n\n") >= 0 or (chunk[0] == 10 and held[-1][-1] == 10)
            held.append(chunk)
            if not ends:
                return []
            chunk = b"".join(held)
        last = chunk.rfind(b"\n\n")
        rest = chunk[last + 2 :] if last >= 0 else chunk
        self._held = [rest] if rest else []
        return self._events(chunk, last) if last >= 0 else []

    def end(self) -> list[bytes]:
        """Return the data of an event that the end of the stream left unfinished, if there is."""
        if not self._held:
            return []
        data = self._data(b"".join(self._held))
        self._held = []
        return [data] if data else []

    def _events(self, chunk: bytes, last: int) -> list[bytes]:
        """Return the data of the events in the chunk, the last of which ends there."""
        stop = last - len(_END) if chunk.endswith(_END, 0, last) else last
        events = chunk[6:stop].split(_NEXT)
        others = len(events) - 1
        # What nearly every stream is, a line of JSON for each event, costs three looks at them all.
        if (
            chunk[:7] == b"data: {"
            and chunk.count(_NEXT_OBJECT, 0, stop) == others
            and chunk.count(b"\n", 0, stop) == 2 * others
        ):
            self.done = self.done or stop < last
            return events
        blocks = chunk[:last].split(b"\n\n")
        return [data for block in blocks if (data := self._data(block))]

    def _without_mark(self, chunk: bytes) -> bytes:
        if not self._held and chunk[0] != BOM[0]:
            self._at_start = False
            return chunk
        chunk = b"".join((*self._held, chunk))
        if BOM.startswith(chunk) and chunk != BOM:
            self._held = [chunk] if chunk else []  # too short to tell
            return b""
        self._held = []
        self._at_start = False
        return chunk.removeprefix(BOM)

    def _line_feeds(self, chunk: bytes) -> bytes:
        if self._cr:
            chunk = chunk.removeprefix(b"\n")
        self._cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _data(self, block: bytes) -> bytes:
        """Return the data of one event; none for comments, for fields alone, and for the end."""
        lines: list[bytes] = []
        is_error = False
        for line in block.split(b"\n"):
            if line.startswith(b"data:"):
                lines.append(line[5:].removeprefix(b" "))
            elif line.startswith(_OTHER_FIELDS):
                is_error = is_error or line in _NAMED_ERROR
            # A line after ``data:`` goes on with it. A gateway that fails midway writes its error
            # as plain JSON into the open stream, so an object may also begin without ``data:``.
            elif lines or line.startswith(b"{"):
                lines.append(line)
        data = b"\n".join(lines).rstrip(b"\n")
        # Some print it over two lines; one that the connection cut short still is no event.
        if len(data) < 64 and _DONE.startswith(word := b"".join(data.split())):
            self.done = self.done or bool(word)
            return b""
        return _as_error(data) if is_error and data else data


def _as_error(data: bytes) -> bytes:
    """Return the data of an event that is named an error as an object that says so itself.

    Some put the bare message there, or an object that nothing tells from a chunk but its name.
    """
    told = event_object(data)
    if not told:
        return orjson.dumps({"error": data.decode("utf-8", "replace").strip('"')})
    return data if told.get("error") or told.get("type") == "error" else b'{"error":%b}' % data


def event_object(event: bytes) -> dict[str, Any] | None:
    """Return the object of an event, an empty one for other JSON.

    None for what is no JSON: it was cut, or cut into.
    """
    try:
        told = loads(event)
    except orjson.JSONDecodeError:
        return None
    return told if isinstance(told, dict) else {}


class Text(list[str]):
    """A string that is still coming, in pieces: joined once, at the end, so that it is linear."""


def add_text(whole: dict[str, Any], key: str, text: str) -> None:
    """Add a piece to the text under ``key``."""
    held = whole.get(key)
    if type(held) is Text:
        held.append(text)
    else:
        whole[key] = Text((text,))


def merge(whole: dict[str, Any], piece: Mapping[str, Any]) -> None:
    """Add a piece: texts and lists go on, objects merge, of anything else the last one stays.

    Null takes the place of nothing but a missing key. Raises ``RecursionError`` for a piece that
    is nested as no real one is.
    """
    for key, value in piece.items():
        held = whole.get(key)
        if value is None:
            whole.setdefault(key, None)
        elif key in _WHOLE:
            whole[key] = held or value
        elif isinstance(value, str):
            add_text(whole, key, value)
        elif isinstance(value, dict):
            if not isinstance(held, dict):
                held = whole[key] = {}
            merge(held, value)
        elif isinstance(value, list) and type(held) is list:
            held.extend(value)
        else:
            whole[key] = value


def joined(whole: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object with its texts as strings."""
    return {key: _joined(value) for key, value in whole.items()}


def _joined(value: Any) -> Any:
    if type(value) is Text:
        return "".join(value)
    return joined(value) if isinstance(value, dict) else value
