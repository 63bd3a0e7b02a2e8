"""The twin of OpenAI's video interface: submits, tasks as they stand, and films given out.

A task's answer is a video object that names the film on the web, or nothing: then the gateway's own
route has it, as it does for Sora. An id like the gateway's own that nobody submitted here is taken
for a task of another day, finished long ago: so a rehearsal can ask after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import orjson

from batch.mock import Ask, Asked, BadAsk, Billed, Manner, Plan, Prepared, Twin, Whole, _errors
from batch.mock._base import CREATED, Served, Types, form_body, json_body
from batch.mock._samples import mp4
from batch.mock.tasks import Task
from batch.usage import ALWAYS
from batch.wire.videos.request import SUBMIT
from batch.wire.videos.task import CONTENT

_Object: TypeAlias = dict[str, Any]

TOOK: Final = 90  # seconds
_KEPT: Final = 3600  # seconds for which a film can be fetched
SIZE: Final = "720x1280"
_SIZES: Final = (SIZE, "1280x720", "1024x1792", "1792x1024")
_FAILED: Final = "the mock gave this task up"
_TYPES: Final[Types] = {
    "prompt": (str,),
    "seconds": (str,),
    "size": (str,),
    "input_reference": (str, dict),
}
# What the ids of the gateway's tasks begin with.
_OURS: Final = ("video_", "task_")


class _Videos(Served):
    name = "videos"
    manner: Manner = "task"
    required = ("model", "prompt")
    types = _TYPES

    def body(self, asked: Asked) -> _Object:
        is_json = asked.content_type.startswith("application/json")
        return json_body(asked.raw) if is_json else form_body(asked)

    def check(self, body: Mapping[str, Any], route: str) -> None:
        super().check(body, route)
        check_length(body.get("seconds"))
        if body["model"].startswith("sora") and (body.get("size") or SIZE) not in _SIZES:
            raise BadAsk("bad_request", "invalid_size")

    def answer(self, ask: Ask, plan: Plan) -> Prepared:
        if ask.route == SUBMIT.template:
            has_address = plan.dice.share() < 0.5
            facts = {
                "model": ask.model,
                "seconds": ask.body.get("seconds") or "4",
                "size": ask.body.get("size") or SIZE,
                "url": plan.link("mp4", number_of(plan)) if has_address else "",
                "number": number_of(plan),
            }
            return submitted(plan, f"video_{plan.id}_{plan.attempt}", facts, _video)
        task = known(plan, ask.holes["id"])
        if ask.route == CONTENT.template:
            return _film(task, plan)
        return status(task, plan, _video)


def check_length(seconds: str | None) -> None:
    """Raise ``BadAsk`` for what is no length of a film."""
    if seconds and not (seconds.isdecimal() and len(seconds) < 4):
        raise BadAsk("bad_request", "invalid_seconds")


def number_of(plan: Plan) -> int:
    """Return the number of the film that a request gets."""
    return int(plan.id, 16) % 10**9


def submitted(
    plan: Plan, task_id: str, facts: Mapping[str, Any], tell: Callable[[Task], _Object]
) -> Prepared:
    """Begin a task when its answer is written, and bill it at once."""
    if plan.flaw == "error_200":
        return Whole(body=_errors.words("error_200", plan.id))

    def written() -> bytes:
        told = tell(plan.tasks.begin(task_id, facts))
        if plan.flaw == "no_finish":  # nobody can ask after it
            told = {"object": "video", "model": facts["model"], "status": "queued"}
        return _nothing() if plan.flaw == "empty_choices" else orjson.dumps(told)

    is_free = plan.flaw == "empty_choices" or plan.tasks.fails(task_id)
    billed: Billed = dict.fromkeys(ALWAYS, 0)
    if not is_free:
        billed["seconds"] = int(facts["seconds"])
    return Whole(body=written, billed=billed, hint_ms=plan.tasks.hint_ms)


def status(task: Task | None, plan: Plan, tell: Callable[[Task], _Object]) -> Prepared:
    """Say how a task is, or that there is none."""
    if task is None:
        said = {"code": "task_not_exist", "message": "task_not_exist", "data": None}
        return Whole(body=orjson.dumps(said), status=400)
    hint_ms = None if task.done else plan.tasks.hint_ms
    if plan.flaw == "error_200":
        return Whole(body=_errors.words("error_200", plan.id))
    body = orjson.dumps(tell(task)) if plan.flaw is None else _nothing()
    return Whole(body=body, hint_ms=hint_ms)


def known(plan: Plan, task_id: str) -> Task | None:
    """Return a task: one that was submitted, or one of another day."""
    task = plan.tasks.find(task_id)
    if task is None and (task_id.startswith(_OURS) or task_id.isdecimal()):
        number = number_of(plan)
        url = plan.link("mp4", number)
        facts = {"model": "sora-2", "seconds": "4", "size": SIZE, "url": url, "number": number}
        return Task(task_id, facts, 100, failed=False)
    return task


def row_status(task: Task) -> str:
    """Return new-api's own word for how a task is."""
    if task.done:
        return "FAILURE" if task.failed else "SUCCESS"
    return ("SUBMITTED", "QUEUED", "IN_PROGRESS")[min(task.progress // 10, 2)]


def reason(task: Task) -> str:
    """Return why a task failed; empty of every other."""
    return _FAILED if task.done and task.failed else ""


def _video(task: Task) -> _Object:
    facts = task.facts
    video: _Object = {
        "id": task.id,
        "object": "video",
        "model": facts["model"],
        "status": _word(task),
        "progress": task.progress,
        "created_at": CREATED,
        "seconds": facts["seconds"],
        "size": facts["size"],
    }
    if reason(task):
        video["error"] = {"code": "task_failed", "message": reason(task)}
    elif task.done:
        video |= {"completed_at": CREATED + TOOK, "expires_at": CREATED + TOOK + _KEPT}
        if facts["url"]:
            video |= {"video_url": facts["url"], "metadata": {"url": facts["url"]}}
    return video


def _word(task: Task) -> str:
    if task.done:
        return "failed" if task.failed else "completed"
    return "queued" if task.progress < 25 else "in_progress"


def _film(task: Task | None, plan: Plan) -> Prepared:
    """Give a film out as new-api's proxy does, which is the only one to write such errors."""
    if task is None:
        return _refused(404, "Task not found")
    if not task.done or task.failed:
        said = f"Task is not completed yet, current status: {row_status(task)}"
        return _refused(400, said, None if task.done else plan.tasks.hint_ms)
    if plan.flaw == "error_200":
        return _refused(200, "Failed to fetch video content")
    # The same bytes as at the film's other address.
    film = mp4(task.facts["number"], plan.tasks.film_bytes)
    return Whole(body=film, content_type="video/mp4")


def _refused(code: int, message: str, hint_ms: float | None = None) -> Prepared:
    error = {"message": message, "type": "invalid_request_error" if code < 500 else "server_error"}
    return Whole(body=orjson.dumps({"error": error}), status=code, hint_ms=hint_ms)


def _nothing() -> bytes:
    """Return what the gateway prints when it has nothing to print."""
    return orjson.dumps({"code": "success", "data": None})


TWIN: Twin = _Videos()
