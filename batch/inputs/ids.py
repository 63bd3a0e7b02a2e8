"""The ids of lines: what may be one, and what a line is called that gives none."""

from __future__ import annotations

from typing import Final

from batch.errors import BadBody
from batch.wording import shown

OWN_ID: Final = "custom_id"
MAX_ID: Final = 512  # characters
GENERATED: Final = "line-"  # how what a line is called begins that gives no id


def generated_id(ordinal: int) -> str:
    """Return the custom_id of a line that gives none."""
    return f"{GENERATED}{ordinal}"


def usable_id(custom_id: object) -> str | None:
    """Return a custom_id as text, or None if it cannot be one."""
    if isinstance(custom_id, str):
        return custom_id if 0 < len(custom_id) <= MAX_ID else None
    # Integers are common in files that were made from tables; a bool is an int to Python only.
    return str(custom_id) if type(custom_id) is int else None


def the_id(key: str, given: object) -> str | None:
    """Return what stands under a key as an id; None for null. Raises ``BadBody``."""
    custom_id = usable_id(given)
    if custom_id is None and given is not None:
        raise BadBody(
            f'The "{shown(key)}" must be a text of 1 to {MAX_ID} characters, or an integer.'
        )
    return custom_id
