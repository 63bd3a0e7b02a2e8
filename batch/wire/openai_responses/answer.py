"""What a complete response is, and what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson

from batch.errors import CallFailed, CutAnswer, NoMedia, NotAnAnswer, Refused
from batch.records import Answer, Finish, Reply, Request
from batch.usage import Usage
from batch.wire._base import with_images
from batch.wire._http import no_answer, one_line, raw, read_json, request_id
from batch.wire._lenient import as_dict, as_list, first_text
from batch.wire._tiers import at_tier
from batch.wire.openai_responses.media import Found
from batch.wire.openai_responses.usage import read_usage

_Items: TypeAlias = Sequence[dict[str, Any]]

_REASONS: Final[Mapping[str, Finish]] = {"max_output_tokens": "length", "content_filter": "filter"}
# Items by which the model waits for its caller. Hosted tools are the vendor's own matter.
CALLS: Final = (
    "function_call",
    "custom_tool_call",
    "computer_call",
    "local_shell_call",
    "shell_call",
    "apply_patch_call",
    "mcp_approval_request",
)
_ASKING: Final = (*CALLS, "tool_search_call")


def read_answer(request: Request, reply: Reply) -> tuple[Answer, Sequence[Sequence[str]]]:
    """Return the answer, and for each file that is still to be fetched for it the addresses.

    Raises ``CallFailed`` for a reply that is no complete answer.
    """
    document = _read(reply)
    items = [item for item in as_list(document.get("output")) if isinstance(item, dict)]
    usage = read_usage(document.get("usage"), sum(map(_searches, items)))
    usage = at_tier(usage, document.get("service_tier"))
    finish = _finish(document, items)
    if flaw := _flaw(document, items, finish):
        raise no_answer(reply, *flaw, usage)
    body, texts = one_line(raw(reply)), list(texts_of(items))
    found = Found(request, items, texts, body)
    content = "".join(texts) if texts else None
    # A call of the caller's own tools may come before any picture.
    if request.makes != "text" and not (found.blobs or found.addresses) and finish != "tool":
        what = f"the answer holds no {request.makes}, only the text: {content or ''}"
        raise no_answer(reply, NoMedia, what, usage)
    answer = Answer(
        body=body,
        content=content,
        finish=finish,
        usage=with_images(usage, found.images),
        model=first_text(document, "model") or None,
        status=reply.status,
        request_id=request_id(reply.headers),
        blobs=found.blobs,
    )
    return answer, [[one] for one in found.addresses]


def _read(reply: Reply) -> dict[str, Any]:
    """Return the document. A response that failed may tell what it took all the same."""
    try:
        return read_json(reply)
    except CallFailed as failure:
        failure.usage = _usage_of_failure(raw(reply))
        raise


def _usage_of_failure(body: bytes) -> Usage | None:
    try:
        return read_usage(as_dict(orjson.loads(body)).get("usage"))
    except orjson.JSONDecodeError:
        return None


def _flaw(
    document: Mapping[str, Any], items: _Items, finish: Finish
) -> tuple[type[CallFailed], str] | None:
    """Return why the response is no complete answer, if so."""
    status = document.get("status")
    if status in ("in_progress", "queued"):
        return CutAnswer, f"the answer stops before its end: its status is {status}"
    if status in ("failed", "cancelled"):
        return NotAnAnswer, f"the response is {status}, and does not say why"
    if not isinstance(document.get("output"), list):
        return NotAnAnswer, "the reply has no output"
    if finish == "length" and not any(map(_says, items)):
        # Asking again gives, and costs, the same.
        return Refused, "the output limit was used up before any output: raise max_output_tokens"
    if finish != "filter" and not any(map(_is_output, items)):
        return NotAnAnswer, "the reply has no output, or nothing but reasoning"
    return None


def _says(item: dict[str, Any]) -> bool:
    """Return whether an item is something of an answer, and not only work on it."""
    parts = (part.get("text") or part.get("refusal") for part in _parts(item))
    kind = item.get("type")
    return kind in CALLS or (kind != "reasoning" and any(parts)) or bool(item.get("result"))


def _searches(item: dict[str, Any]) -> bool:
    """Return whether an item is a search that is billed: to open a page that was found is not."""
    if item.get("type") != "web_search_call":
        return False
    return as_dict(item.get("action")).get("type") in (None, "", "search")


def _is_output(item: dict[str, Any]) -> bool:
    kind = item.get("type")
    return kind != "reasoning" and (kind != "message" or bool(item.get("content")))


def _finish(document: Mapping[str, Any], items: _Items) -> Finish:
    status = document.get("status")
    if status == "incomplete":
        reason = as_dict(document.get("incomplete_details")).get("reason")
        if reason is None:
            return "length"
        return _REASONS.get(reason, "unknown") if isinstance(reason, str) else "unknown"
    if any(item.get("type") in _ASKING for item in items) and _waits(items):
        return "tool"
    if any(part.get("type") == "refusal" for item in items for part in _parts(item)):
        return "filter"
    return "stop" if status == "completed" else "unknown"


def _waits(items: _Items) -> bool:
    """Return whether the model waits for its caller.

    A call that its vendor made has the output beside it, as OpenAI's shells have, or the answer
    behind it, as xAI's searches have.
    """
    done = [item.get("call_id") for item in items if str(item.get("type")).endswith("_output")]
    last = max((n for n, item in enumerate(items) if item.get("type") == "message"), default=-1)
    for number, item in enumerate(items):
        kind = item.get("type")
        if kind == "tool_search_call" and item.get("execution") == "client":
            return True
        made = item.get("call_id") in done or (kind == "custom_tool_call" and number < last)
        if kind in CALLS and not made:
            return True
    return False


def texts_of(items: _Items) -> Iterator[str]:
    """Yield what is said, without reasoning and refusals, which are parts of other types."""
    for item in items:
        for part in _parts(item):
            text = part.get("text")
            if part.get("type") == "output_text" and isinstance(text, str):
                yield text


def _parts(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (part for part in as_list(item.get("content")) if isinstance(part, dict))
