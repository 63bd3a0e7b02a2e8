"""What of an answer's headers is handed on: plain names, text that can be written, and no key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar, overload

from multidict import CIMultiDictProxy

from batch.secret import Redactor

T = TypeVar("T")


class PlainHeaders(Mapping[str, str]):
    """Headers by their names in lower case; of repeated ones the first.

    Of several Retry-After headers, which proxies add to the gateway's, the longest wait counts.
    A value is made plain when it is asked for: of most answers nobody wants but one.
    """

    __slots__ = ("_received", "_redactor")

    def __init__(self, received: CIMultiDictProxy[str], redactor: Redactor) -> None:
        self._received = received
        self._redactor = redactor

    def __getitem__(self, name: str) -> str:
        value = self._received[name]
        if name == "retry-after":
            value = _longest(self._received.getall(name))
        return self._redactor.clean_text(_readable(value))

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: str | T) -> str | T: ...
    def get(self, name: str, /, default: str | T | None = None) -> str | T | None:
        """Return a value, or the default; of most answers one name is asked for in vain."""
        return self[name] if name in self._received else default

    def __contains__(self, name: object) -> bool:
        return name in self._received

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(map(str.lower, self._received)))

    def __len__(self) -> int:
        return len(set(map(str.lower, self._received)))


def _longest(waits: list[str]) -> str:
    try:
        return max(waits, key=float)
    except ValueError:  # dates and nonsense are the reader's matter
        return waits[0]


def _readable(value: str) -> str:
    """Return text that UTF-8 can write: aiohttp keeps a stray byte as half a surrogate."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
