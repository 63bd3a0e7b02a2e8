"""What a line of Midjourney's is answered: a task's end, or what was asked for at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from batch.errors import NoMedia, NotAnAnswer, Refused, ServerTrouble, TaskFailed
from batch.records import Answer, Done, Finish, Reply, Request, State, Step
from batch.usage import Meter, Usage
from batch.wire._collect import collect
from batch.wire._http import no_answer, one_line, raw, request_id
from batch.wire._lenient import as_list, first_text
from batch.wire._pieces import loaded
from batch.wire._tasks import POLLING, Progress, unknown, wait
from batch.wire.midjourney.reply import (
    description,
    films,
    is_description,
    knows_no_task,
    picture,
    progress,
    read,
    read_list,
    reason,
    waits_for_window,
)
from batch.wire.midjourney.request import kind_of, poll

# The gateway looks after its tasks every 15 seconds: for so many polls it may still say that a
# window is open which this line has answered.
_WINDOW_MAY_CLOSE: Final = 8
_NO_ID: Final = "the reply names no task, so that nobody can ask what became of it"
_FINISH: Final[Mapping[Progress, Finish]] = {"succeeded": "stop", "failed": "error"}

_NOTHING: Final = Usage()  # none of the meters: by the picture is how it bills


def submitted(request: Request, reply: Reply) -> Step:
    """Return the wait for a task that was accepted."""
    task_id = first_text(read(reply), "result")
    if not task_id:
        raise no_answer(reply, NotAnAnswer, _NO_ID)
    state: State = {"do": POLLING, "id": task_id}
    return wait(poll(request, task_id), state, reply, first=True)


def polled(request: Request, state: State, reply: Reply) -> Step:
    """Return what follows from how far a task is."""
    call = poll(request, state["id"])
    try:
        task = read(reply)
    except Refused as refusal:
        if knows_no_task(reply):
            return unknown(call, state, reply)
        # Nothing but the task's own state ends it: it is paid.
        raise no_answer(reply, ServerTrouble, refusal.message) from None
    if "status" not in task:
        raise no_answer(reply, NotAnAnswer, "the reply is no task: it has no status")
    if waits_for_window(task):
        return _at_window(request, state, reply)
    far = progress(task)
    if far == "failed":
        why = reason(task) or "without saying why"
        raise no_answer(reply, TaskFailed, f"Midjourney gave task {state['id']} up: {why}")
    return _succeeded(request, task, reply) if far == "succeeded" else wait(call, state, reply)


def looked_up(request: Request, reply: Reply) -> Step:
    """Return a task as it stands now; of a finished one first the step that fetches its files.

    So a line that asks after a task also renews what earlier addresses no longer give.
    """
    task = read(reply)
    if "status" not in task:
        raise no_answer(reply, NotAnAnswer, "the reply is no task: it has no status")
    far = progress(task)
    answer = _answer(reply, finish=_FINISH.get(far, "unknown"))
    if far != "succeeded":
        return Done(answer)
    if is_description(task):
        return Done(_answer(reply, description(task)))
    return _collected(request, task, answer)


def listed(reply: Reply) -> Step:
    """Return tasks as they stand. The reply is an array: it becomes ``{"tasks": [...]}``."""
    told = read_list(reply)
    tasks = one_line(raw(reply)).strip()
    if not tasks.startswith(b"["):
        tasks = b"[%b]" % tasks
    return Done(_answer(reply, _states(told), body=b'{"tasks":%b}' % tasks))


def seeded(reply: Reply) -> Step:
    """Return the number that a picture was grown from."""
    seed = first_text(read(reply), "result")
    if not seed:
        raise no_answer(reply, NotAnAnswer, "the reply has no seed")
    return Done(_answer(reply, seed))


def uploaded(reply: Reply) -> Step:
    """Return the addresses at which uploaded pictures stand; they are not fetched again."""
    addresses = _addresses(read(reply))
    if not addresses:
        raise no_answer(reply, NotAnAnswer, "the reply has no address of an uploaded picture")
    return Done(_answer(reply, "\n".join(addresses)))


def text_of(body: bytes) -> str | None:
    """Return the text of an answer: a description, a seed, addresses or the states of tasks."""
    told = loaded(body)
    if "tasks" in told:
        return _states(as_list(told["tasks"]))
    if "status" in told:
        return description(told) if is_description(told) else None
    return "\n".join(_addresses(told)) or first_text(told, "result") or None


def _states(told: list[Any]) -> str:
    """Return the tasks of a list with how far each is, one a line."""
    known = (one for one in told if isinstance(one, dict))
    states = (f"{first_text(one, 'id')} {first_text(one, 'status')}".strip() for one in known)
    return "\n".join(states)


def _addresses(document: Mapping[str, Any]) -> list[str]:
    """Return the addresses that a reply gives, one or several."""
    told = document.get("result")
    return [one for one in (as_list(told) or [told]) if isinstance(one, str) and one]


def _at_window(request: Request, state: State, reply: Reply) -> Step:
    """Go on waiting where this line is the answer to the window; else say what is missing."""
    looks = state.get("window", 0)
    answers_window = kind_of(request).model == "mj_modal"
    if not answers_window or looks >= _WINDOW_MAY_CLOSE:
        raise no_answer(
            reply,
            Refused,
            f"task {state['id']} needs modal: it waits for its window. Send /mj/submit/modal with "
            f'"taskId": "{state["id"]}"',
        )
    return wait(poll(request, state["id"]), {**state, "window": looks + 1}, reply)


def _succeeded(request: Request, task: dict[str, Any], reply: Reply) -> Step:
    if request.makes == "text":
        text = description(task)
        if text is None:
            raise no_answer(reply, Refused, "the task succeeded, and its text is missing")
        return Done(_answer(reply, text))
    pictures = 1 if picture(task) else 0
    if not pictures and not films(task):
        raise no_answer(reply, NoMedia, "the task succeeded, and its picture is missing")
    usage = Usage({Meter.IMAGES: pictures}) if pictures else _NOTHING
    return _collected(request, task, _answer(reply, usage=usage))


def _collected(request: Request, task: dict[str, Any], answer: Answer) -> Step:
    """Return the step that fetches a task's files, if it has any."""
    still, moving = picture(task), films(task)
    if not still and not moving:
        return Done(answer)
    kind = "" if still and moving else "image/" if still else "video/"
    wanted = [still] if still else []
    task_id = first_text(task, "id") or None
    return collect(request, answer, [*wanted, *([film] for film in moving)], kind, task_id)


def _answer(
    reply: Reply,
    content: str | None = None,
    *,
    body: bytes | None = None,
    finish: Finish = "stop",
    usage: Usage = _NOTHING,
) -> Answer:
    return Answer(
        body=one_line(raw(reply)) if body is None else body,
        content=content,
        finish=finish,
        usage=usage,
        status=reply.status,
        request_id=request_id(reply.headers),
    )
