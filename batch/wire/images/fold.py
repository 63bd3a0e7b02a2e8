"""Folds a stream of pictures into the answer that the same call, unstreamed, had given.

Previews are left out. Seedream tells a picture that is whole by an event of its own, and one that
failed; its last event then has no picture, but the usage.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from batch.errors import CutAnswer
from batch.wire._halves import dumps
from batch.wire._http import reported
from batch.wire._lenient import as_list
from batch.wire._sse import event_object
from batch.wire.images.usage import read_usage

_PREVIEW: Final = ".partial_image"
_ONE_DONE: Final = ".partial_succeeded"
_ONE_FAILED: Final = ".partial_failed"
_END: Final = ".completed"
_OF_PICTURE: Final = ("url", "b64_json", "revised_prompt")
# What means nothing once it is folded, or stands elsewhere.
_NOT_HEAD: Final = frozenset(
    {
        *("type", "usage", "data", "error"),
        *("sequence_number", "image_index", "partial_image_index"),
        *_OF_PICTURE,
    }
)
_CUT: Final = b'{"data":null}'


class Fold:
    """Collects the pictures of a stream; one that is not brought to its end has no ``data``.

    A stream of several has no sign of the last one. So it is cut short if none is complete, if it
    ends with a preview, or if an event is no JSON.
    """

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._data: list[Any] = []
        self._usage: dict[str, Any] | None = None
        self._whole = False
        self._torn = False

    def feed(self, event: bytes) -> None:
        """Take one event. Raises ``CallFailed`` for one that reports an error."""
        told = event_object(event)
        if told is None:
            self._torn = True
        else:
            self._take(told)

    def body(self) -> bytes:
        """Return the body that the same call would have given unstreamed."""
        data = {"data": self._data if self._whole and not self._torn else None}
        usage = {"usage": self._usage} if self._usage else {}
        try:
            return dumps({**self._head, **data, **usage})
        except (orjson.JSONEncodeError, RecursionError):  # nested deeper than any real answer
            return _CUT

    def _take(self, told: dict[str, Any]) -> None:
        kind = told.get("type")
        kind = kind if isinstance(kind, str) else ""
        if kind.endswith(_ONE_FAILED):
            self._data.append({"error": told.get("error")})
            return
        if failure := reported(told, unknown=CutAnswer):
            failure.usage = read_usage(self._usage)
            raise failure
        # Of several the last one counts: the gateway writes that of the whole call into each event.
        if isinstance(told.get("usage"), dict) and told["usage"]:
            self._usage = told["usage"]
        if kind.endswith(_PREVIEW):
            self._whole = False
        elif kind.endswith((_ONE_DONE, _END)):
            self._keep(told)
            self._whole = kind.endswith(_END)
        elif isinstance(told.get("data"), list):  # some channels send the whole answer as one event
            self._data += as_list(told["data"])
            self._whole = True

    def _keep(self, told: dict[str, Any]) -> None:
        picture = {key: told[key] for key in _OF_PICTURE if told.get(key)}
        if picture:
            self._data.append(picture)
        for told_as, value in told.items():
            key = "created" if told_as == "created_at" else told_as
            if key not in _NOT_HEAD and self._head.get(key) in (None, ""):
                self._head[key] = value
