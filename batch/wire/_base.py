"""What most formats do alike: one call, one answer, no state.

A format begins here and says what is different. ``fill_in`` is the way by which a line's body gets
its model: the only place that changes what a caller wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final

import msgspec
import orjson

from batch.errors import BadBody
from batch.records import Call, Expect, Makes, Payload, Repeat, Request, Send, State, Step
from batch.usage import Meter, Usage
from batch.wire import NO_MODEL, Ask, Estimate, Folder, OutputLimit, Piece, Wrapper
from batch.wire._lenient import BAD_JSON, decoded
from batch.wire._pieces import loaded, told
from batch.wire._routes import Found, Route, find
from batch.wire._spelled import decode_fields

BYTES_PER_TOKEN: Final = 3
# What calls of these models make, unless the settings say otherwise; the first match counts. From
# the model names of the gateway's own pages, of the vendors behind it, and of other gateways. Some
# vendors write them with capitals: FLUX.1.
MODELS_THAT_MAKE: Final[tuple[tuple[str, Makes], ...]] = (
    ("*sora[_-]image*", "image"),
    ("*sora*", "video"),
    ("*veo*", "video"),
    ("*kling*", "video"),
    ("*seedance*", "video"),
    ("*-image", "image"),
    ("*-image-*", "image"),
    ("*gpt-image*", "image"),
    ("*dall-e*", "image"),
    ("*imagen*", "image"),
    ("*nano-banana*", "image"),
    ("*flux*", "image"),
    ("*seedream*", "image"),
    ("*stable-diffusion*", "image"),
    ("*midjourney*", "image"),
    ("*ideogram*", "image"),
    ("*recraft*", "image"),
)


class _Streaming(msgspec.Struct, frozen=True):
    stream: Any = None


_decode_streaming: Final = msgspec.json.Decoder(_Streaming).decode
_NOT_STREAMING: Final = _Streaming()


class Plain:
    """A format whose body goes out as it came, once, and whose reply is the answer."""

    name: str
    routes: tuple[Route, ...]
    wrapper: Wrapper | None = None
    builds_for: tuple[str, ...] = ()
    output_limit: OutputLimit | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def claims(self, method: str, url: str) -> bool:
        """Return whether one of the routes fits."""
        return find(self.routes, method, url) is not None

    def mine(self, body: Mapping[str, Any]) -> bool:
        """Claim no body by its shape."""
        return False

    def build(self, prompt: str, system: str | None, schema: Mapping[str, Any] | None) -> bytes:
        """Refuse: a prompt alone makes no body of this format."""
        raise BadBody(f"a prompt alone makes no request to {self.routes[0].template}")

    def with_schema(self, body: bytes, schema: Mapping[str, Any]) -> bytes:
        """Refuse: what this format answers is no text."""
        raise BadBody(f"an answer of {self.routes[0].template} is no text that fits a schema")

    def go_on(self, body: bytes, said: str, then: str) -> bytes:
        """Refuse: nobody talks here."""
        raise BadBody(f"nothing can be said to an answer of {self.routes[0].template}")

    def pack(self, bodies: Sequence[bytes]) -> bytes:
        """Refuse: no body of this format has a ``pack_key``."""
        raise TypeError(f"{self.name} cannot ask several lines at once")

    def repeat(self, request: Request) -> Repeat:
        """Return "once" for whatever is not text."""
        return "free" if request.makes == "text" else "once"

    def estimate(self, request: Request) -> Estimate:
        """Return a third of the bytes, and no output."""
        return Estimate(len(request.body) // BYTES_PER_TOKEN, 0)

    def bound(self, request: Request) -> Usage | None:
        """Return None: nothing bounds what is used, unless it is a question, which uses nothing."""
        return Usage() if request.method == "GET" else None

    def start(self, request: Request) -> Step:
        """Send the body."""
        return Send(self.call(request))

    def resume(self, request: Request, state: State) -> Step:
        """Send the body: such a call never waits, so no state of it is ever kept."""
        return self.start(request)

    def folder(self, request: Request) -> Folder | None:
        """Return None: no answer of this format comes as events."""
        return None

    def prompt(self, body: bytes) -> list[Piece]:
        """Return the prompt, or the input, that stands at the top of the body."""
        return told(loaded(body), "prompt", "input")

    def text(self, body: bytes) -> str | None:
        """Return None: what is made is no text."""
        return None

    def beside(self, body: bytes) -> list[Piece]:
        """Return nothing."""
        return []

    def vectors(self, body: bytes) -> list[bytes]:
        """Return nothing: what is made is no vector."""
        return []

    def call(
        self, request: Request, payload: Payload | None = None, expect: Expect = "json"
    ) -> Call:
        """Return the call that begins everything: with the body as it is, if nothing else."""
        return Call(
            method=request.method,
            path=request.path,
            payload=payload or request.body or None,
            headers=self.headers,
            repeat=self.repeat(request),
            expect=expect,
            media=request.makes != "text",
        )

    def found(self, ask: Ask) -> Found:
        """Return the route of a line: that of its url, else the first."""
        if ask.url is None:
            return Found(self.routes[0], {})
        found = find(self.routes, ask.method, ask.url)
        if found is None:
            path = ask.url.partition("?")[0]  # what follows may hold a key
            raise BadBody(f"{ask.method} {path} is no path of this format", "unknown_endpoint")
        return found


def fill_in(
    body: bytes, told: str | None, ask: Ask, changed: Mapping[str, msgspec.Raw] | None = None
) -> tuple[str, bytes]:
    """Return model and body of a line whose body names the model ``told``, or none.

    Values that stay keep their bytes, so that no number passes through a float, and a body that
    needs no change is returned as it is. Raises ``BadBody`` if no model is known.
    """
    model = ask.override_model or told or ask.model
    if not model:
        why = 'the line names no model: give it a "model", or all lines one with -m'
        raise BadBody(why, NO_MODEL)
    if model == told and not changed:
        return model, body
    own = {} if model == told else {"model": msgspec.Raw(orjson.dumps(model))}
    return model, msgspec.json.encode({**decode_fields(body), **(changed or {}), **own})


def checked(body: bytes, decode: msgspec.json.Decoder[Any], needs: str) -> Any:
    """Return a body as its decoder sees it. Raises ``BadBody``; ``needs`` says what it must have.

    msgspec does not look into the text that it passes over, so it is decoded once here.
    """
    try:
        asked = decode.decode(body)
        body.decode()
    except BAD_JSON as error:
        raise BadBody(f"this is no body of this endpoint: {error}; it needs {needs}") from None
    return asked


def asks_for_events(body: bytes) -> bool:
    """Return whether a body says that its answer is to come as events."""
    if body.find(b'"stream"') < 0:
        return False
    return decoded(_decode_streaming, body, _NOT_STREAMING).stream is True


def prompt_alone(
    key: str, prompt: str, system: str | None, schema: Mapping[str, Any] | None, what: str
) -> bytes:
    """Make a body that is a prompt under a key. Raises ``BadBody`` for what only chats take."""
    if system is not None or schema is not None:
        raise BadBody(f"{what} takes a prompt alone, neither a system text nor a schema")
    return orjson.dumps({key: prompt})


def with_images(usage: Usage | None, images: int) -> Usage | None:
    """Count the pictures of an answer too: some gateways bill by them."""
    if not images:
        return usage
    return (usage or Usage()) + Usage({Meter.IMAGES: images})


def makes(model: str, ask: Ask) -> Makes:
    """Return what calls of a model make: as the settings say, else as its name tells."""
    return _makes(model, ask.makes)


@lru_cache(maxsize=1024)
def _makes(model: str, patterns: tuple[tuple[str, Makes], ...]) -> Makes:
    name = model.lower()
    told = (kind for pattern, kind in patterns if fnmatchcase(model, pattern))
    known = (kind for pattern, kind in MODELS_THAT_MAKE if fnmatchcase(name, pattern))
    return next(told, next(known, "text"))
