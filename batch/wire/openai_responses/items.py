"""The output of a response, put together item by item from the events of a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from batch.wire._sse import Text, joined

UNFINISHED: Final = "in_progress"  # of an item, or of a whole response
_NOTHING: Final[tuple[object, ...]] = (None, "", [], {})


class Place(msgspec.Struct, frozen=True):
    """Where a text that comes in pieces belongs: to which items, there to which parts, as what."""

    item: str
    key: str
    home: str = ""  # the list of parts; empty: the item itself has the text
    part: str = ""


class Item:
    """One item, as far as it has come."""

    __slots__ = ("_parts", "_told")

    def __init__(self, kind: str, name: str) -> None:
        self._told: dict[str, Any] = {"type": kind} if kind else {}
        if name:
            self._told["id"] = name
        self._parts: dict[str, dict[tuple[int, str], dict[str, Any]]] = {}

    def may_be(self, kind: str) -> bool:
        """Return whether it is of this kind, as far as either is known."""
        known = self._told.get("type")
        return not kind or not known or kind == known

    def is_named(self, name: str) -> bool:
        """Return whether this is its id, or it has none."""
        return self._told.get("id") in (None, "", name)

    def settle(self, told: Mapping[str, Any]) -> None:
        """Take what is told of it; a list of parts that is not empty is the whole of it."""
        settle(self._told, told)
        for home in self._parts.keys() & told.keys():
            if told[home] not in _NOTHING:
                del self._parts[home]

    def part(self, home: str, index: object, kind: str) -> dict[str, Any]:
        """Return the part of a kind at a place, a new one if there is none."""
        place = (index if type(index) is int else 0, kind)
        parts = self._parts.setdefault(home, {})
        if place not in parts:
            parts[place] = {"type": kind}
            if kind == "output_text":
                parts[place]["annotations"] = []
        return parts[place]

    def text(self, place: Place, told: Mapping[str, Any]) -> Text:
        """Return the text that an event goes on with."""
        holder = self._told
        if place.home:
            holder = self.part(place.home, index_in(place.home, told), place.part)
        held = holder.get(place.key)
        if type(held) is not Text:
            held = holder[place.key] = Text((held,) if isinstance(held, str) else ())
        return held

    def whole(self, status: str) -> dict[str, Any]:
        """Return it as it stands in a response of this status."""
        whole = joined(self._told)
        for home, parts in self._parts.items():
            whole[home] = [joined(parts[place]) for place in sorted(parts, key=_index)]
        if whole.get("type") == "message":
            whole = {"role": "assistant", "status": UNFINISHED, **whole}
        if whole.get("status") == UNFINISHED:
            whole["status"] = status
        return whole


class Items:
    """All items of one response, in the order in which they began."""

    __slots__ = ("_all", "_by_name", "_by_place")

    def __init__(self) -> None:
        self._all: list[Item] = []
        self._by_name: dict[str, Item] = {}
        self._by_place: dict[int | None, Item] = {}  # None: the latest

    def find(self, told: Mapping[str, Any], kind: str = "", *, opens: bool = False) -> Item:
        """Return the item that an event is about: by its id, else its place; else a new one.

        Relays give one place to several items, another id in each event, or neither.
        """
        name, place = word(told.get("item_id")), told.get("output_index")
        place = place if type(place) is int else None
        item = self._by_name.get(name) if name else None
        if item is None:
            item = self._by_place.get(place)
            others = opens and item is not None and (place is None or not item.is_named(name))
            if item is None or others or not item.may_be(kind):
                item = self._new(kind, name)
        if name:
            self._by_name[name] = item
        if place is not None:
            self._by_place[place] = item
        return item

    def whole(self, status: str) -> list[dict[str, Any]]:
        """Return the output of a response of this status."""
        return [item.whole(status) for item in self._all]

    def _new(self, kind: str, name: str) -> Item:
        item = self._by_place[None] = Item(kind, name)
        self._all.append(item)
        return item


def settle(held: dict[str, Any], told: Mapping[str, Any]) -> None:
    """Take what is told last, but let nothing empty take the place of something."""
    for key, value in told.items():
        if key not in held or value not in _NOTHING:
            held[key] = value


def index_in(home: str, told: Mapping[str, Any]) -> object:
    """Return the place that an event names in a list of parts."""
    return told.get("summary_index" if home == "summary" else "content_index")


def word(value: object) -> str:
    """Return the text, or an empty one."""
    return value if isinstance(value, str) else ""


def _index(place: tuple[int, str]) -> int:
    return place[0]
