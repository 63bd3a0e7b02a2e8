"""The twin of speech: silence in the format that is asked for, whole or in pieces."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from batch.mock import Ask, Billed, Plan, Prepared, Stream, Twin, Whole, _errors
from batch.mock._base import PING, Served, Types, event
from batch.mock._samples import mp3, pcm, wav
from batch.mock._text import weigh
from batch.usage import ALWAYS

_MS: Final = 100  # of silence
_TOKENS: Final = 5  # that it takes to make it
_PIECE: Final = 96  # bytes of an event
# What it cannot make is mp3, as at vendors that know one format only.
_MAKERS: Final[Mapping[str, tuple[str, Callable[[int], bytes]]]] = {
    "mp3": ("audio/mpeg", mp3),
    "wav": ("audio/wav", lambda _: wav(_MS)),
    "pcm": ("audio/pcm", lambda _: pcm(_MS)),
}


class _Speech(Served):
    name = "speech"
    required = ("model", "input")
    types: ClassVar[Types] = {
        "input": (str,),
        "response_format": (str,),
        "stream_format": (str,),
        "speed": (int, float),
    }

    def answer(self, ask: Ask, plan: Plan) -> Prepared:
        made_of = ask.body.get("response_format") or "mp3"
        content_type, make = _MAKERS.get(made_of, _MAKERS["mp3"])
        if ask.body.get("stream_format") == "sse":
            return _stream(ask, plan, make(_seed(plan)))
        if plan.flaw == "error_200":
            return Whole(body=_errors.words("error_200", plan.id))
        # A failure of the upstream after its good status: new-api passes on what there is.
        nothing = plan.flaw in ("no_finish", "empty_choices")
        return Whole(
            body=b"" if nothing else make(_seed(plan)),
            content_type=content_type,
            billed=_billed(ask),
            reserve=weigh(ask.prompt),
        )


def _stream(ask: Ask, plan: Plan, sound: bytes) -> Prepared:
    """Return the events: pieces of sound, each of them base64 for itself, and what it took."""
    starts = range(0, len(sound), _PIECE)
    pieces = [b64encode(sound[start : start + _PIECE]).decode() for start in starts]
    events = [event({"type": "speech.audio.delta", "audio": piece}) for piece in pieces]
    if plan.pings:
        events.insert(1, PING)
    if plan.flaw == "error_200":
        error = b"data: %b\n\n" % _errors.words("error_200", plan.id)
        return Stream(events=[*events[: len(events) // 2], error])
    read, made = weigh(ask.prompt), _TOKENS
    if plan.flaw == "empty_choices":
        events, made = [], 0
    usage = {"input_tokens": read, "output_tokens": made, "total_tokens": read + made}
    if plan.flaw != "no_finish":
        events.append(event({"type": "speech.audio.done", "usage": usage}))
    return Stream(
        events=events,
        billed={**_billed(ask), "input_tokens": read, "output_tokens": made},
        reserve=read + _TOKENS,
    )


def _seed(plan: Plan) -> int:
    return int(plan.id, 16)


def _billed(ask: Ask) -> Billed:
    return {**dict.fromkeys(ALWAYS, 0), "characters": len(ask.prompt)}


TWIN: Twin = _Speech()
