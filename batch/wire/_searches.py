"""How often the web was searched for an answer, in the unit by which its vendor bills that.

A search costs as much as thousands of tokens, and most vendors tell of it beside the tokens. Some
models search at every request, and no usage says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final

import msgspec

from batch.usage import Meter, Usage
from batch.wire._lenient import as_dict, count

# Where usages tell it: at Anthropic and OpenRouter, at xAI for searches of the web and of its own
# network, at Doubao, at Qwen by tools and in chats. Those of one object are added up.
_NESTED: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("server_tool_use", ("web_search_requests",)),
    ("server_side_tool_usage_details", ("web_search_calls", "x_search_calls")),
    ("tool_usage", ("web_search",)),
)
_COUNTED: Final = (("x_tools", "web_search"), ("plugins", "search"))  # as {"count": 2} within
# At Perplexity, and at xAI, which bills the sources of its older searches one by one.
_PLAIN: Final = ("num_search_queries", "num_sources_used")
_KEYS: Final = frozenset((*(key for key, _ in (*_NESTED, *_COUNTED)), *_PLAIN))
# Models of OpenAI that search once at each request, whatever it asks for; no usage says so.
_SEARCHING: Final = ("*search-preview*", "*-search-api*")
# What researches by itself: how much it reads, thinks and searches, no body limits. The last one
# is any model at OpenRouter with its plugin for the web.
_RESEARCHING: Final = ("*deep-research*", "*:online")


def told_searches(usage: Mapping[str, Any]) -> int | None:
    """Return the searches that a usage tells of; None if it says nothing of them."""
    if _KEYS.isdisjoint(usage):  # as nearly all do
        return None
    several = [
        *(_sum(as_dict(usage.get(key)), names) for key, names in _NESTED),
        *(count(as_dict(as_dict(usage.get(key)).get(name)).get("count")) for key, name in _COUNTED),
        *(count(usage.get(name)) for name in _PLAIN),
    ]
    # Several are the same searches, told in several ways.
    return max((one for one in several if one is not None), default=None)


def with_searches(usage: Usage | None, searches: int | None) -> Usage | None:
    """Count searches in; of an answer without a usage nothing is known, whatever it searched."""
    if usage is None or not searches:
        return usage
    return msgspec.structs.replace(usage, counts={**usage.counts, Meter.SEARCHES: searches})


@lru_cache(maxsize=1024)
def searches_itself(model: str) -> bool:
    """Return whether a model searches once at every request."""
    return any(fnmatchcase(model.lower(), one) for one in _SEARCHING)


@lru_cache(maxsize=1024)
def researches(model: str) -> bool:
    """Return whether a model searches and reads by itself as much as it sees fit."""
    return any(fnmatchcase(model.lower(), one) for one in _RESEARCHING)


def _sum(told: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    known = [one for name in names if (one := count(told.get(name))) is not None]
    return sum(known) if known else None
