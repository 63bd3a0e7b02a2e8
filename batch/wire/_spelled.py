"""Takes JSON apart and leaves its values as they are spelled: no number passes through a float."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from batch.wire._lenient import decoded

decode_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
decode_items: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
decode_text: Final = msgspec.json.Decoder(str).decode


def fields_in(fields: Mapping[str, msgspec.Raw], key: str) -> dict[str, msgspec.Raw]:
    """Return the fields of the object under a key; none where there is no object."""
    empty: dict[str, msgspec.Raw] = {}
    return decoded(decode_fields, bytes(fields.get(key, b"")), empty)


def bare(value: bytes) -> str:
    """Return a value as a field of a form has it: a text bare, and anything else as in JSON."""
    return decode_text(value) if value.startswith(b'"') else value.decode()
