"""The paths of the gateway that a format serves, and how a line's ``url`` is held against them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final
from urllib.parse import quote, unquote

import msgspec

_HOLE: Final = re.compile(r"\\{(\w+)\\}")
# They lead elsewhere, however they are quoted, and are nobody's id.
_DOTS: Final = frozenset({".", ".."})


class Route(msgspec.Struct, frozen=True):
    """One path, with holes such as ``{id}`` for what differs from call to call."""

    method: str
    template: str


class Found(msgspec.Struct, frozen=True):
    """A route that a url fits, and what stands in its holes."""

    route: Route
    holes: Mapping[str, str]

    @property
    def path(self) -> str:
        """Return the path to call, what stands in its holes quoted."""
        return fill(self.route.template, self.holes)


def find(routes: tuple[Route, ...], method: str, url: str) -> Found | None:
    """Return the route that a url fits. What follows a ``?`` counts for nothing: it may hold a key.

    Both ``/v1/embeddings`` and ``/embeddings`` name the same path, as at vendors whose base URL
    ends in the version.
    """
    path = url.partition("?")[0].rstrip("/")
    for route in routes:
        if route.method == method and (found := _pattern(route.template).fullmatch(path)):
            holes = {name: unquote(value) for name, value in found.groupdict().items()}
            return None if _DOTS & set(holes.values()) else Found(route, holes)
    return None


def fill(template: str, holes: Mapping[str, str]) -> str:
    """Return the path with its holes filled, each quoted so that it stays one piece of a path."""
    for name, value in holes.items():
        piece = "" if value in _DOTS else quote(value, safe=":@~", errors="replace")
        template = template.replace(f"{{{name}}}", piece or "-")
    return template


@cache
def _pattern(template: str) -> re.Pattern[str]:
    text = _HOLE.sub(r"(?P<\1>[^/]+?)", re.escape(template))
    return re.compile(text.replace("/v1/", "(?:/v1)?/", 1) if text.startswith("/v1/") else text)
