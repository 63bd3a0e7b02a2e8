"""The tier at which a vendor serves a request, which multiplies what its tokens cost.

Each vendor has words of its own for the same few things. What is no tier, or the one that list
prices are of, is "".
"""

from __future__ import annotations

from typing import Final

import msgspec

from batch.usage import TIERS, Usage

OTHER: Final = TIERS[-1]  # none that is known: totals are kept by tier, and must not grow at will
_PLAIN: Final = frozenset(
    {
        *("", "default", "standard", "auto", "standard_only", "on_demand", "unspecified"),
        *("global", "not_available"),  # where Anthropic serves: anywhere, or it does not say
        *("service_tier_unspecified", "traffic_type_unspecified", "service_tier_standard"),
    }
)
_MEANT: Final = {
    **dict(zip(TIERS, TIERS, strict=True)),
    "on_demand_flex": "flex",  # at Google, and so the other two
    "on_demand_priority": "priority",
    "provisioned_throughput": "provisioned",
}


def tier_of(word: object) -> str:
    """Return the tier that a vendor's word means."""
    if not isinstance(word, str):
        return ""
    name = word.lower()
    return "" if name in _PLAIN else _MEANT.get(name, OTHER)


def at_tier(usage: Usage | None, *words: object) -> Usage | None:
    """Return a usage of the first tier that vendor's words mean."""
    for word in words:
        if word is not None and (tier := tier_of(word)):
            return msgspec.structs.replace(usage, tier=tier) if usage is not None else None
    return usage
