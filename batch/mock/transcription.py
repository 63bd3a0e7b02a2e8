"""The twin of transcriptions and translations: made-up words, in every form that they come in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import orjson

from batch.mock import Ask, Asked, BadAsk, Billed, Plan, Prepared, Stream, Twin, Whole, _errors
from batch.mock._base import PING, Served, event, form_body
from batch.mock._samples import srt, vtt
from batch.mock._text import murmur, pieces, weigh
from batch.usage import ALWAYS

_Object: TypeAlias = dict[str, Any]

_BYTES_A_SECOND: Final = 16_000  # about what compressed speech takes
_TOKENS_A_SECOND: Final = 10
_WRITERS: Final[Mapping[str, Callable[[str], str]]] = {
    "text": lambda text: f"{text}\n",
    "srt": srt,
    "vtt": vtt,
}
_SPEAKERS: Final = "diarized_json"
_TEXT_TYPE: Final = "text/plain; charset=utf-8"


class _Transcription(Served):
    name = "transcription"
    required = ("model", "file")

    def body(self, asked: Asked) -> _Object:
        return form_body(asked)

    def check(self, body: Mapping[str, Any], route: str) -> None:
        super().check(body, route)
        if not isinstance(body["file"], dict) or not body["file"]["data"]:
            raise BadAsk("bad_request", "field file is no file")

    def answer(self, ask: Ask, plan: Plan) -> Prepared:
        shape = ask.body.get("response_format") or "json"
        by_tokens = "transcribe" in ask.model and shape != "verbose_json"
        text = murmur(plan.words, plan.dice)
        if by_tokens and ask.body.get("stream") == "true":
            return _stream(ask, plan, text)
        if plan.flaw == "error_200":
            return Whole(body=_errors.words("error_200", plan.id))
        whole = plan.flaw is None
        if shape in _WRITERS:
            body = _WRITERS[shape](text) if whole else ""
            # What it takes is told nowhere, and so is not in the books here.
            billed = dict.fromkeys(ALWAYS, 0)
            return Whole(body=body.encode(), content_type=_TEXT_TYPE, billed=billed)
        usage, billed = _tokens(ask, text if whole else "") if by_tokens else _duration(ask)
        told = {"text": text} if whole else {}
        details = _DETAILS[shape](ask, text) if shape in _DETAILS else {}
        return Whole(
            body=orjson.dumps({**told, **details, "usage": usage}),
            billed=billed,
            reserve=billed["input_tokens"] + billed["output_tokens"],
        )


def _stream(ask: Ask, plan: Plan, text: str) -> Prepared:
    usage, billed = _tokens(ask, "" if plan.flaw == "empty_choices" else text)
    parts = [] if plan.flaw == "empty_choices" else pieces(text)
    events = [event({"type": "transcript.text.delta", "delta": part}) for part in parts]
    if parts and ask.body.get("response_format") == _SPEAKERS:
        events += map(event, _diarized(ask, text)["segments"])
    if plan.pings:
        events.insert(1, PING)
    if plan.flaw == "error_200":
        error = b"data: %b\n\n" % _errors.words("error_200", plan.id)
        return Stream(events=[*events[: len(events) // 2], error])
    if plan.flaw is None:
        events.append(event({"type": "transcript.text.done", "text": text, "usage": usage}))
    return Stream(
        events=events, billed=billed, reserve=billed["input_tokens"] + billed["output_tokens"]
    )


def _verbose(ask: Ask, text: str) -> _Object:
    seconds = float(_seconds(ask))
    place = {"start": 0.0, "end": seconds}
    segment = {
        "id": 0,
        "seek": 0,
        **place,
        "text": text,
        "tokens": [50364],
        "temperature": 0.0,
        "avg_logprob": -0.1,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }
    wanted = ask.body.get("timestamp_granularities[]") or ()
    words = [{"word": word, **place} for word in text.split()] if "word" in wanted else []
    return {
        "task": "translate" if ask.route.endswith("/translations") else "transcribe",
        "language": "english",
        "duration": seconds,
        "segments": [segment],
        **({"words": words} if words else {}),
    }


def _diarized(ask: Ask, text: str) -> _Object:
    """Return who said what: two speakers, who share the words."""
    words, seconds = text.split(" "), float(_seconds(ask))
    middle = (len(words) + 1) // 2
    told = [("A", words[:middle], 0.0, seconds / 2), ("B", words[middle:], seconds / 2, seconds)]
    segments = [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{number}",
            "start": start,
            "end": end,
            "speaker": speaker,
            "text": " ".join(said),
        }
        for number, (speaker, said, start, end) in enumerate(told)
        if said
    ]
    return {"task": "transcribe", "duration": seconds, "segments": segments}


def _tokens(ask: Ask, text: str) -> tuple[_Object, Billed]:
    """Return what a model of the newer kind says that it took, and what is booked."""
    heard = _seconds(ask) * _TOKENS_A_SECOND
    read, said = heard + weigh(ask.prompt), weigh(text)
    usage = {
        "type": "tokens",
        "input_tokens": read,
        "input_token_details": {"text_tokens": read - heard, "audio_tokens": heard},
        "output_tokens": said,
        "total_tokens": read + said,
    }
    billed = dict.fromkeys(ALWAYS, 0)
    return usage, {
        **billed,
        "input_tokens": read,
        "input_audio_tokens": heard,
        "output_tokens": said,
    }


def _duration(ask: Ask) -> tuple[_Object, Billed]:
    """Return the same of an older model, which counts the time."""
    seconds = _seconds(ask)
    return (
        {"type": "duration", "seconds": seconds},
        {**dict.fromkeys(ALWAYS, 0), "seconds": seconds},
    )


def _seconds(ask: Ask) -> int:
    return 1 + len(ask.body["file"]["data"]) // _BYTES_A_SECOND


_DETAILS: Final[Mapping[str, Callable[[Ask, str], _Object]]] = {
    "verbose_json": _verbose,
    _SPEAKERS: _diarized,
}

TWIN: Twin = _Transcription()
