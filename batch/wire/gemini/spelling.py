"""Keys in camelCase or in snake_case: callers write both, and some relays answer in both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

_CAPITAL: Final = re.compile("[A-Z]")


def told(document: Mapping[str, Any], name: str) -> Any:
    """Return what stands under a name in camelCase, else under its other spelling, else None."""
    value = document.get(name)
    return document.get(_snake(name)) if value is None else value


@cache
def _snake(name: str) -> str:
    return _CAPITAL.sub(lambda capital: f"_{capital[0].lower()}", name)
