"""Kling's films, by its own paths at the gateway; each is asked after, and fetched, like any other.

new-api answers with its own words, those of ``videos``; other relays pass Kling's envelope through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import orjson

from batch.errors import (
    CallFailed,
    Overloaded,
    Refused,
    Saturated,
    ServerTrouble,
    UpstreamAccount,
    WrongUrl,
)
from batch.records import Call, Reply, Request, Send, State, Step
from batch.usage import Usage
from batch.wire import Ask, Shaped, WireFormat
from batch.wire._base import checked, fill_in
from batch.wire._files import Wants, attached
from batch.wire._http import no_answer, read_failure, read_object
from batch.wire._lenient import decoded, first_text
from batch.wire._routes import Route, fill
from batch.wire._tasked import Tasked
from batch.wire._tasks import POLLING, unknown
from batch.wire.videos import request as asked
from batch.wire.videos import task

_TEXT: Final = Route("POST", "/kling/v1/videos/text2video")
_PICTURE: Final = Route("POST", "/kling/v1/videos/image2video")
_STATUS: Final = tuple(Route("GET", f"{one.template}/{{id}}") for one in (_TEXT, _PICTURE))
# Addresses stay: Kling fetches them itself.
_FILES: Final[Wants] = dict.fromkeys(("image", "image_tail", "static_mask", "mask"), "base64")
# What Kling refuses at the head of base64, where one of these keys has it. Within a text, a key's
# quotes would be escaped.
_DATA_HEAD: Final = re.compile(
    rb'("(?:%b)"\s*:\s*")data:[\w.+/\\;=-]{0,100};base64,' % "|".join(_FILES).encode()
)
_NO_ROUTE: Final = (404, 405)
# What the first digits of Kling's own codes mean, from its page of error codes.
_BY_CODE: Final[tuple[tuple[str, type[CallFailed]], ...]] = (
    ("10", UpstreamAccount),  # its key
    ("11", UpstreamAccount),  # its account
    ("1302", Saturated),
    ("1303", Saturated),
    ("12", Refused),
    ("13", Refused),
    ("5001", Overloaded),
    ("50", ServerTrouble),
)


class _Body(msgspec.Struct, frozen=True):
    prompt: str
    model_name: str | None = None
    model: str | None = None
    image: Any = None
    image_tail: Any = None


class _Length(msgspec.Struct, frozen=True):
    duration: Any = None


_decode_body: Final = msgspec.json.Decoder(_Body)
_decode_length: Final = msgspec.json.Decoder(_Length).decode


class Kling(Tasked):
    """A film of a text or a picture; and lines that only ask how a task is."""

    name = "kling"
    routes = (_TEXT, _PICTURE, *_STATUS)
    build = staticmethod(asked.build)

    def mine(self, body: Mapping[str, Any]) -> bool:
        """Return whether it has a ``prompt`` and Kling's own name for the model."""
        return "prompt" in body and "model_name" in body

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        """Check the body and set the model, under Kling's name for it. Raises ``BadBody``."""
        found = self.found(ask)
        if found.route in _STATUS:
            return asked.question(body, ask, found, self.name)
        one: _Body = checked(body, _decode_body, 'a model and a "prompt"')
        route = _PICTURE if ask.url is None and (one.image or one.image_tail) else found.route
        named = one.model_name or one.model
        model = ask.override_model or named or ask.model
        changed = {} if model == named else {"model_name": msgspec.Raw(orjson.dumps(model))}
        model, body = fill_in(body, model, ask, changed)
        return Shaped(model, body, route.template, route.template, makes="video")

    def bound(self, request: Request) -> Usage | None:
        """Return the length that is asked for; of a question nothing."""
        if request.method == "GET":
            return super().bound(request)
        return asked.length(decoded(_decode_length, request.body, _Length()).duration)

    def start(self, request: Request) -> Step:
        """Submit, with the pictures that the line names; or ask what it asks."""
        if request.method == "GET":
            return Send(self.call(request))
        bare = _DATA_HEAD.sub(rb"\1", request.body)
        return Send(self.call(request, attached(bare, _FILES)))

    def first(self, request: Request, reply: Reply) -> Step:
        """Return what follows from the reply to the line's own call. Raises ``CallFailed``."""
        _check(reply)
        if request.method == "GET":
            return task.told(reply)
        named, document = task.begun(reply)
        state: State = {"do": POLLING, "id": named, "at": _own_status(request)}
        poll = self.poll(request, state)
        return task.followed(request, reply, document, poll, state, first=True)

    def poll(self, request: Request, state: State) -> Call:
        """Return the call that asks how far the task is, at the path whose turn it is."""
        return Call("GET", fill(state["at"], {"id": state["id"]}), kind="poll")

    def polled(self, request: Request, state: State, reply: Reply) -> Step:
        """Return what follows from a poll; where one path knows no such task, the other is asked.

        Raises ``CallFailed``.
        """
        own = _own_status(request)
        if state["at"] == own:
            if reply.status not in _NO_ROUTE:
                return task.polled(request, reply, self.poll(request, state), state)
            no_route = isinstance(read_failure(reply), WrongUrl)
            there = {**state, "at": task.STATUS.template, "no_route": no_route}
            return Send(self.poll(request, there), there)
        if reply.status not in _NO_ROUTE and not task.is_unknown(reply):
            return task.polled(request, reply, self.poll(request, state), state)
        failure = read_failure(reply)
        # With no way to ask after tasks, each line would pay for a film that nobody can get.
        if isinstance(failure, WrongUrl) and state["no_route"]:
            raise failure
        back = {**state, "at": own}
        return unknown(self.poll(request, back), back, reply)


def _check(reply: Reply) -> None:
    """Raise what a code of Kling's own says under a good status."""
    document = read_object(reply)
    code = first_text(document, "code")
    for start, kind in _BY_CODE:
        if len(code) == 4 and code.startswith(start):
            said = f"Kling says: {first_text(document, 'message') or 'no more than its code'}"
            failure = no_answer(reply, kind, f"{said} ({code})")
            failure.vendor_code = code
            raise failure


def _own_status(request: Request) -> str:
    """Return the path, with a hole, of the status in the family of what was asked."""
    return f"{request.path}/{{id}}"


FORMAT: WireFormat = Kling()
