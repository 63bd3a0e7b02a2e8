"""What a complete answer is, and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from batch.errors import CallFailed, CutAnswer, NoMedia, NotAnAnswer, Refused
from batch.records import Answer, Finish, Reply, Request
from batch.wire._base import with_images
from batch.wire._http import no_answer, one_line, raw, read_json, request_id
from batch.wire._lenient import as_dict, as_list
from batch.wire.gemini.media import Found, parts
from batch.wire.gemini.spelling import told
from batch.wire.gemini.usage import read_usage

# Up to these, a request that searched is billed once, whatever it asked; after them each query is.
_BILLED_ONCE: Final = ("gemini-1", "gemini-2")
# What stands for a reason that is not there yet; the word is the zero of Google's own enumeration.
NO_REASON: Final = (None, "", "FINISH_REASON_UNSPECIFIED")
_FINISH: Final[Mapping[str, Finish]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "filter",
    "RECITATION": "filter",
    "LANGUAGE": "filter",
    "BLOCKLIST": "filter",
    "PROHIBITED_CONTENT": "filter",
    "SPII": "filter",
    "MODEL_ARMOR": "filter",
    "OTHER": "error",
    "NO_IMAGE": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
}
_FINISH_BY_START: Final[tuple[tuple[str, Finish], ...]] = (
    ("IMAGE_", "filter"),
    ("MALFORMED_", "error"),
)
_Flaw = tuple[type[CallFailed], str]


def read_answer(request: Request, reply: Reply) -> tuple[Answer, Sequence[Sequence[str]]]:
    """Return the answer, and for each file that is still to be fetched for it the addresses.

    Raises ``CallFailed`` for a reply that is no complete answer.
    """
    document = read_json(reply)
    media = Found(request, document)
    # Those of an answer that is cut are counted as well.
    taken = read_usage(document.get("usageMetadata"), _searches(request.model, document))
    usage = with_images(taken, media.images)
    if flaw := _flaw(document, reply.streamed):
        raise no_answer(reply, *flaw, usage)
    candidates = document["candidates"]
    flaw = _silence(candidates) if request.makes == "text" else None
    if request.makes != "text" and not media.made:
        flaw = NoMedia, f"the answer holds no {request.makes}, {_instead(candidates[0])}"
    if flaw:
        raise no_answer(reply, *flaw, usage)
    return Answer(
        body=one_line(raw(reply)),
        content=content_of(candidates[0]),
        finish=_finish(candidates[0]),
        usage=usage,
        model=_text(document.get("modelVersion")),
        status=reply.status,
        request_id=request_id(reply.headers),
        blobs=media.blobs,
    ), [[one] for one in media.addresses]


def _flaw(document: Mapping[str, Any], streamed: bool) -> _Flaw | None:
    """Return why there are no complete candidates, if so."""
    candidates = document.get("candidates")
    if not isinstance(candidates, list) or not candidates:
        feedback = as_dict(document.get("promptFeedback"))
        if reason := _text(feedback.get("blockReason")):
            said = _text(feedback.get("blockReasonMessage")) or ""
            # Asking again gives, and costs, the same.
            return Refused, f"the prompt was blocked by the content policy: {reason} {said}"
        if streamed:
            return CutAnswer, "the answer stops before its end: it has no candidates"
        return NotAnAnswer, "the reply has no candidates"
    for candidate in candidates:
        if not isinstance(candidate, dict):
            return NotAnAnswer, "the reply has a candidate that is no object"
        if candidate.get("finishReason") in NO_REASON:
            return CutAnswer, "the answer stops before its end: it has no finishReason"
    return None


def _silence(candidates: Sequence[dict[str, Any]]) -> _Flaw | None:
    """Return why it is no answer that nothing is said besides thoughts, if so."""
    if any(map(_says_something, candidates)):
        return None
    first = candidates[0]
    finish = _finish(first)
    if finish == "length":
        # Asking again gives, and costs, the same.
        return Refused, "the output limit was used up before any output: raise maxOutputTokens"
    is_empty_text = finish != "error" and content_of(first) is not None
    if finish == "filter" or is_empty_text:
        return None
    return NotAnAnswer, f"the answer is empty: {_why(first)}"


def _says_something(candidate: Mapping[str, Any]) -> bool:
    shown = (part for part in parts(candidate) if not part.get("thought"))
    return any(part.get("text") or part.keys() - {"text", "thoughtSignature"} for part in shown)


def _searches(model: str, document: Mapping[str, Any]) -> int:
    """Return for how many searches of the web the vendor bills an answer.

    Google counts an answer's different queries, and none that is empty.
    """
    queries = {
        query
        for candidate in as_list(document.get("candidates"))
        for query in as_list(
            told(as_dict(told(as_dict(candidate), "groundingMetadata")), "webSearchQueries")
        )
        if query and isinstance(query, str)
    }
    once = any(one in model for one in _BILLED_ONCE)
    return min(len(queries), 1) if once else len(queries)


def _finish(candidate: Mapping[str, Any]) -> Finish:
    word = _text(candidate.get("finishReason")) or ""
    by_start = (kind for start, kind in _FINISH_BY_START if word.startswith(start))
    finish = next(by_start, _FINISH.get(word, "unknown"))
    # The vendor says "STOP" although a function is called.
    calls = finish in ("stop", "unknown") and any(
        told(part, "functionCall") for part in parts(candidate)
    )
    return "tool" if calls else finish


def content_of(candidate: Mapping[str, Any]) -> str | None:
    """Return the text, without thoughts."""
    shown = (part.get("text") for part in parts(candidate) if not part.get("thought"))
    texts = [text for text in shown if isinstance(text, str)]
    return "".join(texts) if texts else None


def _instead(candidate: Mapping[str, Any]) -> str:
    """Return what there is in the place of media."""
    content = content_of(candidate)
    return f"only the text: {content}" if content else _why(candidate)


def _why(candidate: Mapping[str, Any]) -> str:
    said = _text(candidate.get("finishMessage"))
    return f"its finishReason is {candidate['finishReason']}{f': {said}' if said else ''}"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
