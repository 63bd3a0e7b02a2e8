"""What most twins do alike: serve their format's routes, and read a body of JSON or of a form."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from functools import cached_property
from typing import Any, ClassVar, Final, TypeAlias, cast

import orjson

from batch.mock import Ask, Asked, BadAsk, Manner
from batch.wire import WireFormat, formats
from batch.wire._routes import Found, find

Types: TypeAlias = Mapping[str, tuple[type, ...]]
CREATED: Final = 1760000000  # constant, so that the same request gets the same bytes
PING: Final = b": PING\n\n"  # how the gateway keeps a stream alive
_NOTHING: Final[tuple[object, ...]] = (None, "", [])


class Served:
    """A twin begins here: ``name`` is its format's."""

    name: str
    manner: Manner = "openai"
    required: tuple[str, ...] = ("model",)
    # new-api reads a body into a struct: a field of another type is a body that it cannot read.
    types: ClassVar[Types] = {}

    def key(self, headers: Mapping[str, str], _query: Mapping[str, str]) -> str:
        """Return the key of a request."""
        return bearer(headers)

    def serves(self, method: str, path: str) -> bool:
        """Return whether a route of the format fits."""
        return self.found(method, path) is not None

    def read(self, asked: Asked) -> Ask:
        """Understand a request. Raises ``BadAsk``."""
        found = self.found(asked.method, asked.path)
        assert found is not None
        body = {} if asked.method == "GET" else self.body(asked)
        if asked.method == "POST":
            self.check(body, found.route.template)
        return Ask(
            model=self.model(body, found),
            prompt=self.prompt(body),
            body=body,
            holes=found.holes,
            route=found.route.template,
        )

    def body(self, asked: Asked) -> dict[str, Any]:
        """Return the body as an object. Raises ``BadAsk``."""
        return json_body(asked.raw)

    def check(self, body: Mapping[str, Any], _route: str) -> None:
        """Raise ``BadAsk`` for what the gateway refuses to pass on."""
        for name in self.required:
            if body.get(name) in _NOTHING:
                raise BadAsk("bad_request", f"field {name} is required")
        for name, types in self.types.items():
            value = body.get(name)
            if value is not None and type(value) not in types:
                raise BadAsk("bad_json", f"field {name} has a wrong type")

    def model(self, body: Mapping[str, Any], _found: Found) -> str:
        """Return the model that is asked; empty if none is named."""
        model = body.get("model")
        return model if isinstance(model, str) else ""

    def prompt(self, body: Mapping[str, Any]) -> str:
        """Return the text that the request is about, for the ledger."""
        text = body.get("prompt") or body.get("input")
        return text if isinstance(text, str) else ""

    def found(self, method: str, path: str) -> Found | None:
        """Return the format's route that fits."""
        return find(self._format.routes, method, path)

    @cached_property
    def _format(self) -> WireFormat:
        return formats()[self.name]


def bearer(headers: Mapping[str, str]) -> str:
    """Return the key in the usual header, or nothing."""
    return headers.get("Authorization", "").removeprefix("Bearer ").strip()


def event(document: Mapping[str, Any], name: str = "") -> bytes:
    """Return one whole event of a stream."""
    head = b"event: %b\n" % name.encode() if name else b""
    return b"%bdata: %b\n\n" % (head, orjson.dumps(document))


def json_body(raw: bytes) -> dict[str, Any]:
    """Return a body of JSON. Raises ``BadAsk``."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise BadAsk("bad_json", "the body is no JSON") from None
    if not isinstance(body, dict):
        raise BadAsk("bad_json", "the body is no JSON object")
    return body


def form_body(asked: Asked) -> dict[str, Any]:
    """Return a multipart body: texts as texts, files as ``{"filename", "content_type", "data"}``.

    A name that comes several times has a list of them. Raises ``BadAsk``.
    """
    if not asked.content_type.startswith("multipart/form-data"):
        raise BadAsk("bad_json", "the body is no multipart form")
    head = b"Content-Type: " + asked.content_type.encode() + b"\r\n\r\n"
    message = BytesParser(policy=HTTP).parsebytes(head + asked.raw)
    fields: dict[str, Any] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        if not isinstance(name, str):
            raise BadAsk("bad_json", "a part of the form has no name")
        value = _part(cast("EmailMessage", part))
        if name in fields:
            before = fields[name]
            fields[name] = [*(before if isinstance(before, list) else [before]), value]
        else:
            fields[name] = value
    if not fields:
        raise BadAsk("bad_json", "the form is empty")
    return fields


def _part(part: EmailMessage) -> Any:
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    filename = part.get_filename()
    if filename is None:
        return data.decode("utf-8", "replace")
    return {"filename": filename, "content_type": part.get_content_type(), "data": data}
