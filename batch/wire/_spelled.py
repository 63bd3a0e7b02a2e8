"""Takes JSON apart and leaves its values as they are spelled: no number passes through a float."""

from __future__ import annotations

from typing import Final

import msgspec

decode_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
decode_items: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
decode_text: Final = msgspec.json.Decoder(str).decode


def bare(value: bytes) -> str:
    """Return a value as a field of a form has it: a text bare, and anything else as in JSON."""
    return decode_text(value) if value.startswith(b'"') else value.decode()
