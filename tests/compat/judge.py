"""The judge: a vendor's own types, asked strictly.

The SDKs themselves build what they return without a look at it (``construct``), so that nothing
they return proves anything before it has been here.
"""

from __future__ import annotations

from pydantic import BaseModel


def strictly(kind: type[BaseModel], raw: bytes | str) -> BaseModel:
    """Read JSON as a type. Raises ``ValidationError`` for what is missing or of another type.

    Strict: neither a text nor a fraction passes for a whole number. Keys beside those of the type
    are the vendor's choice: OpenAI and Anthropic let them pass, Google's types refuse them.
    """
    return kind.model_validate_json(raw, strict=True)


def strictly_again(told: BaseModel) -> BaseModel:
    """Read once more, and strictly, what an SDK returned. Raises ``ValidationError``."""
    return strictly(type(told), told.model_dump_json(by_alias=True, exclude_unset=True))
