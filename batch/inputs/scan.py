"""The one pass over all inputs before any request: counts, compares, and finds repeated ids."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeAlias

import msgspec

from batch.errors import BadData
from batch.inputs.envelope import OWN_ID, id_places, usable_id
from batch.inputs.lines import RawLine
from batch.inputs.repeats import Pair, Repeats
from batch.inputs.sources import Inputs
from batch.wire import formats
from batch.wording import shown

BUFFER_BYTES: Final = 4 * 1024 * 1024

Visit: TypeAlias = Callable[[RawLine], None]


class Census(msgspec.Struct, frozen=True):
    """What the inputs hold."""

    lines: int  # that are not blank
    bytes: int  # of these, without line breaks
    last_ordinal: int  # of these; 0 if there is none


def scan(
    inputs: Inputs, cache: str, visit: Visit | None = None, buffer_bytes: int = BUFFER_BYTES
) -> Census:
    """Read all lines once, and show each to ``visit``.

    Ids are compared in ``buffer_bytes`` of memory and, beyond that, in a folder under ``cache``
    that is gone afterwards. Raises ``BadData`` for a custom_id that stands on two lines.
    """
    lines = size = last = 0
    with Repeats(cache, buffer_bytes) as repeats:
        for line in inputs.lines():
            if visit is not None:
                visit(line)
            lines += 1
            size += line.size
            last = line.ordinal
            custom_id = _id_of(line)
            if custom_id is not None and repeats.add(custom_id, last):
                _refuse_same(inputs, repeats.suspects())
        _refuse_same(inputs, repeats.suspects())
    return Census(lines, size, last)


@cache
def _places() -> tuple[tuple[str, str], ...]:
    return id_places(formats())


@cache
def _ids() -> msgspec.json.Decoder[Any]:
    """Return what reads of a line its ids, and the bodies beside other vendors' ids."""
    # Never ``Raw | None``: msgspec then takes null alone.
    others = [(name, msgspec.Raw, msgspec.Raw()) for place in _places() for name in place]
    return msgspec.json.Decoder(
        msgspec.defstruct("Ids", [(OWN_ID, str | int | None, None), *others])
    )


def _id_of(line: RawLine) -> str | None:
    """Return the custom_id that a line gives; none if it is too broken to give one."""
    if line.raw is None:
        return None
    try:
        told = _ids().decode(line.raw)
        if told.custom_id is None:
            for key, body in _places():
                if bytes(getattr(told, key)) and bytes(getattr(told, body))[:1] == b"{":
                    return usable_id(msgspec.json.decode(getattr(told, key)))
        return usable_id(told.custom_id)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _refuse_same(inputs: Inputs, suspects: list[Pair]) -> None:
    """Raise ``BadData`` for the first two lines whose ids, not only their hashes, are the same."""
    if not suspects:
        return
    wanted = {ordinal for pair in suspects for ordinal in pair}
    last = max(wanted)
    found: dict[int, RawLine] = {}
    for line in inputs.lines():
        if line.ordinal in wanted:
            found[line.ordinal] = line
        if line.ordinal >= last:
            break
    for first, later in suspects:
        custom_id = _id_of(found[first])
        if custom_id is not None and custom_id == _id_of(found[later]):
            raise BadData(
                f'{found[later].where}: custom_id "{shown(custom_id)}" already stands on '
                f"{found[first].where}. Give every line its own custom_id, or none."
            )
