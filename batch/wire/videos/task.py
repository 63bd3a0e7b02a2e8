"""What the gateway says of a film on its way, and what follows from it.

Films of all vendors are told of in the same ways: as OpenAI's video object, as the gateway's own
row, bare or in an envelope, or in the vendor's words, alone or within that row. Each thing is
looked for at every place where one of them has it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from batch.errors import CallFailed, NotAnAnswer, TaskFailed, WrongUrl
from batch.records import Answer, Blob, Call, Done, Reply, Request, State, Step
from batch.usage import Meter, Usage
from batch.wire._collect import collect, collected, fetched
from batch.wire._files import WEB
from batch.wire._http import (
    no_answer,
    one_line,
    raw,
    read_failure,
    read_json,
    read_object,
    reported,
    request_id,
)
from batch.wire._lenient import at, count, first_text, milliseconds
from batch.wire._routes import Route, fill
from batch.wire._tasks import canonical, unknown, wait

STATUS: Final = Route("GET", "/v1/videos/{id}")
CONTENT: Final = Route("GET", "/v1/videos/{id}/content")
_KIND: Final = "video/"
_UNKNOWN_TASK: Final = "task_not_exist"
_NOTHING: Final = Usage()  # to ask is free
# The state of new-api's own row, named where a film is asked for that is not there.
_FAILED_FILM: Final = b"status: FAILURE"
_IDS: Final = ("id", "task_id", "data.task_id", "data.id")
_WORDS: Final = ("status", "data.status", "data.task_status")
_MODELS: Final = ("model", "data.model", "data.properties.origin_model_name")
# Where Kling's own envelope stands: as the whole, or in the gateway's row.
_OUTSIDE, _INSIDE = "data.task_result.videos.0", "data.data.data.task_result.videos.0"
_ADDRESSES: Final = (
    *("video_url", "url", "metadata.url", "meta_data.url", "result_url"),
    *("data.video_url", "data.url", "data.metadata.url", "data.result_url"),
    *(f"{_OUTSIDE}.url", f"{_INSIDE}.url"),
    # Of a task that went well, new-api of 2025 keeps the address in the place of a reason.
    *("fail_reason", "data.fail_reason"),
)
_LENGTHS: Final = ("seconds", "data.seconds", f"{_OUTSIDE}.duration", f"{_INSIDE}.duration")
# Seedance is billed by tokens; new-api of 2026 passes them on.
_TOKENS: Final = tuple(
    f"{where}usage.completion_tokens" for where in ("", "data.", "data.data.", "data.data.data.")
)
_REASONS: Final = (
    *("error.message", "error", "fail_reason"),
    *("data.error.message", "data.error", "data.fail_reason"),
    *("data.data.data.task_status_msg", "data.task_status_msg"),
)
_CODES: Final = ("error.code", "data.error.code")


def begun(reply: Reply) -> tuple[str, dict[str, Any]]:
    """Return the id of a task, and the answer to its submit. Raises ``CallFailed``."""
    document = read_object(reply)
    named = first_text(document, *_IDS)
    failed = canonical(_word(document)) == "failed"
    if not named or (reported(document) and not failed):
        read_json(reply)  # raises what is reported
        said = "the reply names no task, so that nobody can ask what became of it"
        raise no_answer(reply, NotAnAnswer, said)
    return named, document


def followed(
    request: Request,
    reply: Reply,
    document: dict[str, Any],
    poll: Call,
    state: State,
    *,
    first: bool = False,
) -> Step:
    """Return what follows from how far a task is. Raises ``TaskFailed``."""
    progress = canonical(_word(document))
    if progress == "failed":
        raise _failed(reply, document, state)
    if progress == "succeeded":
        return _finished(request, reply, document, state)
    return wait(poll, state, reply, first=first)


def polled(request: Request, reply: Reply, poll: Call, state: State) -> Step:
    """Return what follows from the reply to a poll. Raises ``CallFailed``."""
    if is_unknown(reply):
        return unknown(poll, state, reply)
    document = read_object(reply)
    # What a failed task reports of itself is no failure of the poll.
    if not _word(document):
        document = read_json(reply)
    return followed(request, reply, document, poll, state)


def is_unknown(reply: Reply) -> bool:
    """Return whether the gateway says that there is no such task."""
    if 200 <= reply.status < 300 and _UNKNOWN_TASK.encode() not in raw(reply):
        return False
    failure = read_failure(reply)
    return failure.vendor_code == _UNKNOWN_TASK or (
        reply.status == 404 and not isinstance(failure, WrongUrl)
    )


def told(reply: Reply) -> Done:
    """Return the answer to a line that only asks how a task is. Raises ``CallFailed``."""
    document = read_object(reply)
    word = _word(document)
    if not word:
        read_json(reply)  # raises what is reported
        raise no_answer(reply, NotAnAnswer, "the reply does not say how the task is")
    return Done(msgspec.structs.replace(_answer(reply, document), content=word))


def film(request: Request, reply: Reply, state: State | None) -> Step:
    """Return what follows from the reply to a line that only asks for a film.

    Raises ``CallFailed``.
    """
    if reply.status == 400 and _FAILED_FILM in raw(reply):
        raise no_answer(reply, TaskFailed, "the task failed, so that there is no film")
    if state is not None:
        return collected(request, state, reply)
    body = msgspec.json.encode({"video": request.path})
    named = request_id(reply.headers)
    answer = Answer(body, content=None, finish="stop", usage=_NOTHING, request_id=named)
    return fetched(request, answer, request.path, _KIND, reply)


def _word(document: dict[str, Any]) -> str:
    return first_text(document, *_WORDS)


def _failed(reply: Reply, document: dict[str, Any], state: State) -> CallFailed:
    # An envelope's message is about the question, not about the task.
    reasons = _REASONS if "data" in document else (*_REASONS, "message")
    reason = first_text(document, *reasons) or "the gateway says no more"
    failure = no_answer(reply, TaskFailed, f"task {state['id']} failed: {reason}")
    failure.vendor_code = first_text(document, *_CODES) or None
    return failure


def _finished(request: Request, reply: Reply, document: dict[str, Any], state: State) -> Step:
    """Return the step to the film: in the answer, at its addresses, or at the gateway."""
    answer = msgspec.structs.replace(_answer(reply, document), usage=_usage(document))
    found = [address for path in _ADDRESSES if (address := first_text(document, path))]
    inside = next((one for one in found if one.startswith("data:")), None)
    if inside is not None:  # as some channels of Veo do
        blob = Blob(inside, request.file_name(0))
        return Done(msgspec.structs.replace(answer, blobs=(blob,)))
    return collect(request, answer, [_addresses(found, state["id"])], _KIND, state["id"])


def _addresses(found: list[str], named: str) -> list[str]:
    """Return where a film is, the gateway's own route last: that one is slow, and cuts long films.

    new-api of 2026 also names this route by its whole address, which gives nothing without a key.
    """
    path = fill(CONTENT.template, {"id": named})
    web = dict.fromkeys(one for one in found if one.startswith(WEB))
    ours = [one for one in web if one.endswith(path)]
    return [*(one for one in web if one not in ours), path, *ours]


def _answer(reply: Reply, document: dict[str, Any]) -> Answer:
    return Answer(
        body=one_line(raw(reply)),
        content=None,
        finish="stop",
        usage=_NOTHING,
        model=first_text(document, *_MODELS) or None,
        status=reply.status,
        request_id=request_id(reply.headers),
    )


def _usage(document: dict[str, Any]) -> Usage | None:
    """Return how long the film is, and its tokens; None if nobody says either."""
    lengths = (milliseconds(at(document, path)) for path in _LENGTHS)
    tokens = (count(at(document, path)) for path in _TOKENS)
    length, made = next(filter(None, lengths), None), next(filter(None, tokens), None)
    read = None if made is None else 0  # Seedance counts what it makes, and not what it reads
    told = ((Meter.MILLISECONDS, length), (Meter.INPUT, read), (Meter.OUTPUT, made))
    counts = {meter: number for meter, number in told if number is not None}
    return Usage(counts) if counts else None
