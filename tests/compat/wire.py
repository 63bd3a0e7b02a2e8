"""The bare wire: what the gateway really writes, without an SDK that might mend it."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from batch.records import Request
from batch.wire import formats
from batch.wire._sse import Events
from tests.compat.sdks import Endpoint

SECONDS = 30


def reply_to(gateway: str, key: str, line: dict[str, Any]) -> bytes:
    """Return the body that a line of ours is answered."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    address, body = gateway + line["url"], json.dumps(line["body"]).encode()
    request = urllib.request.Request(address, body, headers, method=line["method"])
    with urllib.request.urlopen(request, timeout=SECONDS) as reply:
        raw: bytes = reply.read()
    return raw


def events_of(stream: bytes) -> list[bytes]:
    """Return the data of a stream's events."""
    events = Events()
    return [*events.feed(stream), *events.end()]


def folded(endpoint: Endpoint, line: dict[str, Any], stream: bytes) -> bytes:
    """Return the body that a run writes for a stream."""
    method, url, body = line["method"], line["url"], json.dumps(line["body"]).encode()
    wire = next(one for one in formats().values() if one.claims(method, url))
    model = line["body"].get("model", "")
    folder = wire.folder(Request((1,), (line["custom_id"],), wire.name, model, body, path=url))
    assert folder is not None, f"{wire.name} folds no stream of {endpoint.url}"
    for event in events_of(stream):
        folder.feed(event)
    return folder.body()
