"""The twin of pictures: made from a text, or edited, whole and streamed.

GPT image models hold pictures as base64 and report tokens, all others link them and report
nothing, as with the vendors.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import orjson

from batch.mock import Ask, Asked, BadAsk, Billed, Plan, Prepared, Stream, Twin, Whole, _errors
from batch.mock._base import CREATED, PING, Served, Types, event, form_body, json_body
from batch.mock._samples import png
from batch.mock._text import weigh

_EDITS: Final = "/v1/images/edits"
_MOST: Final = 10  # pictures
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_NUMBERS: Final = ("n", "partial_images", "output_compression")
_TYPES: Final[Types] = {
    **dict.fromkeys(("model", "prompt", "size", "quality", "response_format"), (str,)),
    **dict.fromkeys(_NUMBERS, (int,)),
    "stream": (bool,),
}
_TYPES_OF_FILES: Final = (".png", ".jpg", ".jpeg", ".webp")
_TOKENS_READ: Final = 323  # of a picture
_TOKENS_DRAWN: Final[Mapping[str, int]] = {"low": 272, "medium": 1056, "high": 4160}
_SIZES: Final = ("1024x1024", "1536x1024", "1024x1536")
_DONE: Final = b"data: [DONE]\n\n"


class _Pictures(msgspec.Struct, frozen=True):
    """What was drawn, and what it took."""

    ask: Ask
    plan: Plan
    numbers: list[int]  # each is a picture
    text: int  # tokens of the prompt
    seen: int  # tokens of the pictures of the line
    drawn: int  # tokens of those of the answer

    @property
    def billed(self) -> Billed:
        return {
            "input_tokens": self.text + self.seen,
            "input_cached_tokens": 0,
            "input_image_tokens": self.seen,
            "output_tokens": self.drawn,
            "output_reasoning_tokens": 0,
            "output_image_tokens": self.drawn,
            "images": len(self.numbers),
        }

    @property
    def usage(self) -> dict[str, Any]:
        read = self.text + self.seen
        return {
            "input_tokens": read,
            "input_tokens_details": {"text_tokens": self.text, "image_tokens": self.seen},
            "output_tokens": self.drawn,
            "output_tokens_details": {"text_tokens": 0, "image_tokens": self.drawn},
            "total_tokens": read + self.drawn,
        }

    @property
    def look(self) -> dict[str, Any]:
        """Return what a GPT image model says of its pictures: what was decided, never auto."""
        size, background = self.ask.body.get("size"), self.ask.body.get("background")
        return {
            "background": "transparent" if background == "transparent" else "opaque",
            "output_format": "png",
            "quality": _quality(self.ask.body),
            "size": size if size in _SIZES else _SIZES[0],
        }

    def whole(self) -> bytes:
        """Return the answer as one body."""
        data = [self._picture(number) for number in self.numbers]
        body = {"created": CREATED, "data": data}
        return orjson.dumps({**body, **self.look, "usage": self.usage} if self.tells else body)

    def events(self) -> list[bytes]:
        """Return the answer as a stream; each last event has the usage of the whole call."""
        kind = "image_edit" if self.ask.route == _EDITS else "image_generation"
        look = {"created_at": CREATED, **self.look}
        events = [PING] if self.plan.pings else []
        for number in self.numbers:
            for index in range(self.ask.body.get("partial_images") or 0):
                preview = {**self._inside(number + index + 1), "partial_image_index": index}
                events.append(_event(f"{kind}.partial_image", {**preview, **look}))
            if self.plan.flaw == "error_200":
                return [*events, b"data: %b\n\n" % _errors.words("error_200", self.plan.id)]
            if self.plan.flaw != "no_finish":
                end = {**self._picture(number), **look, "usage": self.usage}
                events.append(_event(f"{kind}.completed", end))
        return [*events, _DONE]

    @property
    def tells(self) -> bool:
        """Return whether the model is one that reports what it took."""
        return "gpt-image" in self.ask.model

    def _picture(self, number: int) -> dict[str, Any]:
        if self.tells:
            return self._inside(number)
        # new-api's converters print all three keys, empty where there is nothing.
        empty = {"url": "", "b64_json": "", "revised_prompt": ""}
        wants_text = self.ask.body.get("response_format") == "b64_json"
        linked = {"url": self.plan.link("png", number)}
        return {**empty, **(self._inside(number) if wants_text else linked)}

    def _inside(self, number: int) -> dict[str, Any]:
        return {"b64_json": b64encode(png(number)).decode()}


class _Images(Served):
    name = "images"
    required = ("model", "prompt")
    types = _TYPES

    def body(self, asked: Asked) -> dict[str, Any]:
        if not asked.path.endswith("/edits"):
            return json_body(asked.raw)
        return {name: _value(name, value) for name, value in form_body(asked).items()}

    def check(self, body: Mapping[str, Any], route: str) -> None:
        super().check(body, route)
        if _TIMES in (body.get("size") or ""):
            raise BadAsk("bad_request", f"size must be written with an x, not with {_TIMES}")
        if not 0 <= (body.get("n") or 0) <= _MOST or not 0 <= (body.get("partial_images") or 0) < 4:
            raise BadAsk("bad_request", f"n may be {_MOST} at most, partial_images 3")
        if route == _EDITS:
            _check_files(body)

    def answer(self, ask: Ask, plan: Plan) -> Prepared:
        streamed = bool(ask.body.get("stream"))
        if plan.flaw == "error_200" and not streamed:
            return Whole(body=_errors.words("error_200", plan.id))
        wanted = 0 if plan.flaw == "empty_choices" else ask.body.get("n") or 1
        numbers = [plan.dice.below(1_000_000_000) for _ in range(wanted)]
        tells = "gpt-image" in ask.model
        pictures = _Pictures(
            ask=ask,
            plan=plan,
            numbers=numbers,
            text=weigh(ask.prompt) if tells else 0,
            seen=_TOKENS_READ * len(_files(ask.body)) if tells else 0,
            drawn=_TOKENS_DRAWN[_quality(ask.body)] * len(numbers) if tells else 0,
        )
        reserve = pictures.text + pictures.seen + pictures.drawn
        if streamed:
            billed = None if plan.flaw == "error_200" else pictures.billed
            return Stream(events=pictures.events(), billed=billed, reserve=reserve)
        return Whole(body=pictures.whole(), billed=pictures.billed, reserve=reserve)


def _value(name: str, value: Any) -> Any:
    """Return a field of the form as it would stand in JSON."""
    if name == "stream":
        return value == "true"
    if name not in _NUMBERS:
        return value
    try:
        return int(value)
    except (TypeError, ValueError):
        raise BadAsk("bad_json", f"field {name} is no number") from None


def _files(body: Mapping[str, Any]) -> list[Any]:
    """Return the pictures of an edit. new-api looks for the one name, and then for the other."""
    for name in ("image", "image[]"):
        if value := body.get(name):
            return value if isinstance(value, list) else [value]
    return []


def _check_files(body: Mapping[str, Any]) -> None:
    """Raise ``BadAsk`` for what is no picture: its type is taken from its name."""
    files = _files(body)
    if not files:
        raise BadAsk("bad_request", "image is required")
    if "image" in body and ("image[]" in body or len(files) > 1):
        raise BadAsk("bad_request", "several images must be sent as image[]")
    if body.get("mask") is not None:
        files = [*files, body["mask"]]
    for file in files:
        if not isinstance(file, dict) or not file["data"]:
            raise BadAsk("bad_request", "an image must be a file")
        if not file["filename"].lower().endswith(_TYPES_OF_FILES):
            raise BadAsk("bad_request", "the name of an image must end in its type")


def _quality(body: Mapping[str, Any]) -> str:
    quality: str = body.get("quality") or ""
    return quality if quality in _TOKENS_DRAWN else "medium"


def _event(kind: str, told: Mapping[str, Any]) -> bytes:
    return event({"type": kind, **told}, kind)


TWIN: Twin = _Images()
