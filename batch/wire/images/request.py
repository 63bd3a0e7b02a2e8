"""What a request for pictures must be, and how its files travel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from batch.errors import BadBody
from batch.records import Field, FileRef, Form, Payload, Request
from batch.usage import Meter, Usage
from batch.wire import Ask, Estimate, Shaped
from batch.wire._base import BYTES_PER_TOKEN, checked, fill_in, prompt_alone
from batch.wire._files import Wants, attached
from batch.wire._lenient import BAD_JSON, count, decoded
from batch.wire._routes import Route
from batch.wire._spelled import bare, decode_fields

GENERATIONS: Final = Route("POST", "/v1/images/generations")
EDITS: Final = Route("POST", "/v1/images/edits")
# Where a generation may name a file: Seedream and others take pictures to begin with.
_FILES: Final[Wants] = {"image": "data_uri", "images": "data_uri", "mask": "data_uri"}
# What beside a prompt only pictures have; and what says that something else is asked for: a film,
# a picture of Midjourney, a transcription, a chat, or an edit, which is known by its url alone.
_OWN_FIELDS: Final = frozenset(
    {
        *("quality", "response_format", "style", "background", "moderation"),
        *("output_format", "output_compression", "partial_images"),
    }
)
_FOREIGN_FIELDS: Final = frozenset(
    {
        *("seconds", "duration", "fps", "input_reference", "botType", "model_name", "mode"),
        *("file", "messages", "input", "image", "image[]", "images", "mask"),
    }
)
_FILES_OF_EDITS: Final = ("image", "image[]", "mask")
_TIMES: Final = "\N{MULTIPLICATION SIGN}"

_Source: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
_Sources: TypeAlias = _Source | Annotated[list[_Source], msgspec.Meta(min_length=1)] | None


class _Body(msgspec.Struct, frozen=True):
    """What of a body is checked; the rest is the gateway's matter."""

    prompt: str
    model: str | None = None
    size: Any = None


class _Edit(_Body, frozen=True):
    image: _Sources = None
    images: _Sources = msgspec.field(default=None, name="image[]")
    mask: _Source | None = None


class _Told(msgspec.Struct, frozen=True):
    prompt: Any = None
    n: Any = None


_decode_body: Final = msgspec.json.Decoder(_Body)
_decode_edit: Final = msgspec.json.Decoder(_Edit)
_decode_told: Final = msgspec.json.Decoder(_Told).decode
_decode_sources: Final = msgspec.json.Decoder(str | list[str]).decode


def mine(body: Mapping[str, Any]) -> bool:
    """Return whether a body without a url asks for pictures, and for nothing else."""
    if not isinstance(body.get("prompt"), str) or body.keys() & _FOREIGN_FIELDS:
        return False
    return bool(body.keys() & _OWN_FIELDS) or {"n", "size"} <= body.keys()


def shape(body: bytes, ask: Ask, route: Route) -> Shaped:
    """Check the body; set the model. Raises ``BadBody``."""
    if route == EDITS:
        asked = _checked_edit(body)
    else:
        asked = checked(body, _decode_body, 'a model and a "prompt"')
    if isinstance(asked.size, str) and _TIMES in asked.size:
        # The gateway refuses it too, but not on both paths.
        meant = asked.size[:20].replace(_TIMES, "x")
        raise BadBody(f'the "size" is written with a sign for times: write "{meant}", with an x')
    model, body = fill_in(body, asked.model, ask)
    return Shaped(model, body, route.template, route.template, makes="image")


def build(prompt: str, system: str | None, schema: Mapping[str, Any] | None) -> bytes:
    """Make a body, without a model, that asks for a picture of the prompt."""
    return prompt_alone("prompt", prompt, system, schema, "a picture")


def estimate(request: Request) -> Estimate:
    """Return a third of the prompt's bytes: pictures in the body do not count by their bytes."""
    prompt = decoded(_decode_told, request.body, _Told()).prompt
    size = len(prompt.encode(errors="replace")) if isinstance(prompt, str) else 0
    return Estimate(size // BYTES_PER_TOKEN, 0)


def bound(request: Request) -> Usage | None:
    """Return the pictures. How many tokens one takes, where they are billed, nothing bounds."""
    pictures = count(decoded(_decode_told, request.body, _Told()).n) or 1
    return Usage({Meter.IMAGES: pictures})


def payload(request: Request) -> Payload:
    """Return what is sent, with the files that the body names."""
    if request.path == EDITS.template:
        return _form(request.body)
    return attached(request.body, _FILES)


def _checked_edit(body: bytes) -> _Body:
    needs = 'a model, a "prompt", and an "image": file:NAME, an address, or base64'
    asked: _Edit = checked(body, _decode_edit, needs)
    if (asked.image is None) is (asked.images is None):
        raise BadBody(f'an edit names its pictures once, as "image" or "image[]": it needs {needs}')
    _form(body)
    return asked


def _form(body: bytes) -> Form:
    """Return a body as a form. Raises ``BadBody`` for values that no field can have."""
    try:
        fields = decode_fields(body)
        return Form(tuple(field for name in fields for field in _parts(name, bytes(fields[name]))))
    except BAD_JSON as error:
        raise BadBody(f"an edit is sent as a form, and this body makes none: {error}") from None


def _parts(name: str, value: bytes) -> Iterator[Field]:
    """Yield the parts of a form that one key of a body becomes: none for null."""
    if value == b"null":
        return
    if name in _FILES_OF_EDITS:
        yield from _files(name, _decode_sources(value))
    elif value[:1] in (b"[", b"{"):
        raise BadBody(f'an edit is sent as a form: "{name[:50]}" cannot be a list or an object')
    else:
        yield Field(name, bare(value))


def _files(name: str, asked: str | list[str]) -> Iterator[Field]:
    """Yield a part for each file.

    Several go out as ``image[]``, one as ``image``, as from OpenAI's own SDK; one that the line
    calls ``image[]`` keeps that name. The gateway takes both, but not both in one form.
    """
    sources = [asked] if isinstance(asked, str) else asked
    plain = name.removesuffix("[]")
    if len(sources) == 1:
        yield Field(name, FileRef(sources[0], name=plain))
        return
    for number, source in enumerate(sources, 1):
        yield Field(f"{plain}[]", FileRef(source, name=f"{plain}-{number}"))
