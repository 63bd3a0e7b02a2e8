"""The twin of Kling's films: in new-api's words, or in Kling's own as other relays pass them on.

Which of the two depends on the dice. A task can also be asked after by the path of ``videos``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from batch.mock import Ask, BadAsk, Manner, Plan, Prepared, Twin
from batch.mock._base import CREATED, Served, Types
from batch.mock.tasks import Task
from batch.mock.videos import (
    SIZE,
    TOOK,
    check_length,
    known,
    number_of,
    reason,
    row_status,
    status,
    submitted,
)
from batch.wire._routes import Found

_Object: TypeAlias = dict[str, Any]

_PICTURES: Final = ("image", "image_tail")
_TEXTS: Final = ("prompt", "model_name", "model", "duration", *_PICTURES)
_TYPES: Final[Types] = dict.fromkeys(_TEXTS, (str,))
_WORDS: Final[Mapping[str, str]] = {
    "SUBMITTED": "submitted",
    "QUEUED": "submitted",
    "IN_PROGRESS": "processing",
    "SUCCESS": "succeed",
    "FAILURE": "failed",
}


class _Kling(Served):
    name = "kling"
    manner: Manner = "task"
    required = ("prompt",)
    types = _TYPES

    def check(self, body: Mapping[str, Any], route: str) -> None:
        super().check(body, route)
        check_length(body.get("duration"))
        if not (body.get("model_name") or body.get("model")):
            raise BadAsk("bad_request", "field model is required")
        for name in _PICTURES:
            if (body.get(name) or "").startswith(("data:", "file:")):
                raise BadAsk("bad_request", f"{name} must be an address or bare base64")

    def model(self, body: Mapping[str, Any], found: Found) -> str:
        named = body.get("model_name")
        return named if isinstance(named, str) and named else super().model(body, found)

    def answer(self, ask: Ask, plan: Plan) -> Prepared:
        if "id" in ask.holes:
            return status(known(plan, ask.holes["id"]), plan, _told)
        as_is = plan.dice.share() < 0.5
        facts = {
            "model": ask.model,
            "seconds": ask.body.get("duration") or "5",
            "size": SIZE,
            "url": plan.link("mp4", number_of(plan)),
            "number": number_of(plan),
            "as_is": as_is,
            "action": "generate" if ask.body.get("image") else "textGenerate",
        }
        task_id = _digits(plan) if as_is else f"task_{plan.id}_{plan.attempt}"
        return submitted(plan, task_id, facts, _begun)


def _begun(task: Task) -> _Object:
    if task.facts["as_is"]:
        return _envelope(task)
    return {
        "id": task.id,
        "task_id": task.id,
        "object": "video",
        "model": task.facts["model"],
        "status": "",  # new-api leaves it out of a task that it has just begun
        "progress": 0,
        "created_at": CREATED,
    }


def _told(task: Task) -> _Object:
    """Return a task in Kling's own envelope, or that within new-api's row within its own."""
    if task.facts.get("as_is", task.id.isdecimal()):
        return _envelope(task)
    word = row_status(task)
    took = TOOK if task.done else 0
    return {
        "code": "success",
        "message": "",
        "data": {
            "task_id": task.id,
            "action": task.facts.get("action", "textGenerate"),
            "status": word,
            "progress": f"{task.progress}%",
            # new-api of 2025 keeps the address here when all went well.
            "fail_reason": task.facts["url"] if word == "SUCCESS" else reason(task),
            "submit_time": CREATED,
            "start_time": CREATED if task.progress else 0,
            "finish_time": CREATED + took if took else 0,
            "data": _envelope(task),
        },
    }


def _envelope(task: Task) -> _Object:
    word = _WORDS[row_status(task)]
    told: _Object = {
        "task_id": task.id,
        "task_status": word,
        "task_status_msg": reason(task),
        "created_at": CREATED * 1000,
        "updated_at": CREATED * 1000,
    }
    if word == "succeed":
        video = {"id": f"v-{task.id}", "url": task.facts["url"]}
        told["task_result"] = {"videos": [{**video, "duration": f"{task.facts['seconds']}.0"}]}
    return {"code": 0, "message": "SUCCEED", "request_id": f"k-{task.id}", "data": told}


def _digits(plan: Plan) -> str:
    """Return an id as Kling's own are, for this body and attempt."""
    return str((int(plan.id, 16) >> 8) << 7 | min(plan.attempt, 127))


TWIN: Twin = _Kling()
