"""Builds JSON payloads as aiohttp writes them at least cost."""

from __future__ import annotations

import io
from typing import Final

import aiohttp

JSON: Final = "application/json"
# From here on aiohttp warns of bytes and wants a file: it then writes in slices, and lets others
# run between them.
LARGE: Final = 1 << 20


def json_payload(body: bytes) -> aiohttp.Payload:
    """Return a JSON body as aiohttp writes it at least cost, content type included."""
    if len(body) < LARGE:
        return aiohttp.BytesPayload(body, content_type=JSON)
    return aiohttp.BytesIOPayload(io.BytesIO(body), content_type=JSON)
