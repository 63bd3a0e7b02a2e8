"""One request as it would go out, whole: to be read before thousands of its like are paid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec
import orjson

from batch.errors import Refused
from batch.outlook.look import reader_of
from batch.plan import Plan
from batch.records import BadLine, Form, Row, Send
from batch.session.snapshot import visible
from batch.settings.keyring import KEY_NAME
from batch.settings.tree import Settings
from batch.shares import address
from batch.wire import formats


class Specimen(msgspec.Struct, frozen=True):
    """A request. Headers are without the key, and ``body`` is JSON."""

    where: str  # file:line
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    form: bool = False  # it is sent as a form with these fields


def specimen(plan: Plan, environ: Mapping[str, str]) -> Specimen | None:
    """Return the first request that is to be sent; None if there is none.

    Raises ``BadConfig`` for an address that is none.
    """
    reader = reader_of(plan)
    for row in map(reader.parse, plan.unasked()):
        if not isinstance(row, BadLine) and (found := _sent(plan, row, environ)) is not None:
            return found
    return None


def _sent(plan: Plan, row: Row, environ: Mapping[str, str]) -> Specimen | None:
    try:
        request = plan.script.begin((row,)).requests[0]
    except Refused:
        return None
    step = formats()[request.format].start(request)
    assert isinstance(step, Send)
    call = step.call
    is_form = isinstance(call.payload, Form)
    kind = "multipart/form-data" if is_form else "application/json"
    headers = [("Authorization", f"Bearer ({_key(plan.settings, row.model)})"), *call.headers]
    if call.payload is not None:
        headers.append(("Content-Type", kind))
    url = address(plan.settings, environ) + call.path
    return Specimen(row.where, call.method, url, tuple(headers), request.body, is_form)


def lines(one: Specimen) -> Iterator[str]:
    """Yield a request for people, with nothing in it that a terminal would obey."""
    yield visible(f"{one.method} {one.url}")
    yield from (visible(f"{name}: {value}") for name, value in one.headers)
    if one.body:
        yield ""
        body = msgspec.json.format(one.body, indent=2).decode("utf-8", "replace")
        yield from map(visible, body.split("\n"))


def document(one: Specimen) -> dict[str, Any]:
    """Return a request for programs."""
    return {
        "where": one.where,
        "method": one.method,
        "url": one.url,
        "headers": dict(one.headers),
        "form": one.form,
        # As it is: numbers of any length are JSON, and more than Python's writer takes.
        "body": orjson.Fragment(one.body) if one.body else None,
    }


def _key(settings: Settings, model: str) -> str:
    """Return the name of the key that a model is asked with."""
    named = (key.label for key in settings.keys if fnmatchcase(model, key.match))
    return f"key {next(named, KEY_NAME)}"
