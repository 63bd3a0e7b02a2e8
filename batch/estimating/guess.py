"""What one request is likely to take, as long as nothing better is known."""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil
from typing import Final

from batch.records import Request
from batch.wire import Estimate, WireFormat

MEDIUM: Final = 1000  # tokens of a picture or a sound within a body, as vendors count a common one
_HEAVY: Final = 2048  # bytes of a body that is looked through for media
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{1024,}=*")


def guessed(wire: WireFormat, request: Request) -> Estimate:
    """Return what a format guesses; media in the body count by the piece, not by their bytes."""
    told = wire.estimate(request)
    if len(request.body) < _HEAVY or not told.input_tokens:
        return told
    media = [len(piece) for piece in _BASE64.findall(request.body)]
    rest = Fraction(len(request.body) - sum(media), len(request.body))
    read = ceil(told.input_tokens * rest) + MEDIUM * len(media)
    return Estimate(min(read, told.input_tokens), told.output_tokens)
