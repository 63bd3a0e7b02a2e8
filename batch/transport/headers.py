"""What of an answer's headers is handed on: plain names, text that can be written, and no key."""

from __future__ import annotations

import aiohttp

from batch.secret import Redactor


def plain_headers(response: aiohttp.ClientResponse, redactor: Redactor) -> dict[str, str]:
    """Return headers by their names in lower case; of repeated ones the first.

    Of several Retry-After headers, which proxies add to the gateway's, the longest wait counts.
    """
    received = response.headers
    named = {name.lower(): value for name, value in received.items()}
    if len(named) != len(received):
        named = {name: received.getall(name)[0] for name in named}
        if "retry-after" in named:
            named["retry-after"] = _longest(received.getall("retry-after"))
    text = "\n".join(named.values())  # one look at all of them, because nearly always all are fine
    if not text.isascii() or redactor.clean_text(text) != text:
        named = {name: redactor.clean_text(_readable(value)) for name, value in named.items()}
    return named


def _longest(waits: list[str]) -> str:
    try:
        return max(waits, key=float)
    except ValueError:  # dates and nonsense are the reader's matter
        return waits[0]


def _readable(value: str) -> str:
    """Return text that UTF-8 can write: aiohttp keeps a stray byte as half a surrogate."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
