"""What a request for a film must be, and the form that it is sent as."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from batch.errors import BadBody
from batch.records import Field, FileRef, Form, Request
from batch.usage import Meter, Usage
from batch.wire import Ask, Shaped
from batch.wire._base import checked, fill_in, prompt_alone
from batch.wire._lenient import decoded, milliseconds
from batch.wire._routes import Found, Route
from batch.wire._spelled import bare, decode_fields

SUBMIT: Final = Route("POST", "/v1/videos")
_PICTURE: Final = "input_reference"  # OpenAI's name for the picture that a film begins with
# What may stand in the head of a part of a form without a quote.
_NAME: Final = re.compile(r"[\w.\[\]-]+", re.ASCII)


class _Body(msgspec.Struct, frozen=True):
    """What of a body is checked. The lengths and sizes of films are the gateway's matter."""

    prompt: str
    model: str | None = None


class _Length(msgspec.Struct, frozen=True):
    seconds: Any = None


class _Question(msgspec.Struct, frozen=True):
    model: str | None = None


_decode_body: Final = msgspec.json.Decoder(_Body)
_decode_length: Final = msgspec.json.Decoder(_Length).decode
_decode_question: Final = msgspec.json.Decoder(_Question)
_LONGER: Final = 100  # milliseconds: a film comes out a frame or two longer than it was asked for


def mine(body: Mapping[str, Any]) -> bool:
    """Return whether it has a ``prompt`` and ``seconds``, and not Kling's name for the model."""
    return "prompt" in body and "seconds" in body and "model_name" not in body


def build(prompt: str, system: str | None, schema: Mapping[str, Any] | None) -> bytes:
    """Make a body without a model. Raises ``BadBody`` for what is asked of texts alone."""
    return prompt_alone("prompt", prompt, system, schema, "a film")


def submit(body: bytes, ask: Ask) -> Shaped:
    """Check the body and set the model. Raises ``BadBody``."""
    asked: _Body = checked(body, _decode_body, 'a model and a "prompt"')
    form(body)
    model, body = fill_in(body, asked.model, ask)
    return Shaped(model, body, SUBMIT.template, SUBMIT.template, makes="video")


def question(body: bytes, ask: Ask, found: Found, name: str) -> Shaped:
    """Return the shape of a line that only asks. A ``model`` says which key asks, if several."""
    asked: _Question = checked(body, _decode_question, "nothing, or a model whose key asks")
    return Shaped(asked.model or name, b"", found.path, found.route.template, method="GET")


def bound(request: Request) -> Usage | None:
    """Return the length that is asked for; None where the vendor chooses it."""
    return length(decoded(_decode_length, request.body, _Length()).seconds)


def length(seconds: object) -> Usage | None:
    """Return the most that a film of so many seconds takes; None if their number is not told."""
    asked = milliseconds(seconds)
    return Usage({Meter.MILLISECONDS: asked + _LONGER}) if asked else None


def form(body: bytes) -> Form:
    """Return the form of a body: each text as it is, every other value as JSON.

    Raises ``BadBody`` for a name that no form can hold.
    """
    return Form(tuple(_fields(decode_fields(body))))


def _fields(values: Mapping[str, msgspec.Raw]) -> Iterator[Field]:
    for name, value in values.items():
        spelled = bytes(value)
        if spelled == b"null":
            continue
        if not _NAME.fullmatch(name):
            raise BadBody(f"{name[:40]!r} can be no name of a field of a form")
        text = bare(spelled)
        is_file = name == _PICTURE and spelled.startswith(b'"')
        yield Field(name, FileRef(text, name=name) if is_file else text)
