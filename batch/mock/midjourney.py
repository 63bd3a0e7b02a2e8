"""The twin of Midjourney: submits, tasks, windows, uploads, seeds, and the gateway's own pictures.

Longer than other files, because the vendor's words may stand in no second one. An id of digits that
nobody submitted here is taken for a task of another day, finished long ago: so a rehearsal needs no
submits of its own before it asks after tasks, or goes on from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, TypeAlias

import orjson

from batch.mock import Ask, BadAsk, Billed, Manner, Plan, Prepared, Twin, Whole
from batch.mock._base import CREATED, Served, Types
from batch.mock._samples import png
from batch.mock._text import murmur
from batch.mock.tasks import Task
from batch.usage import ALWAYS
from batch.wire._routes import Found, Route, find
from batch.wire.midjourney.request import place

_Object: TypeAlias = dict[str, Any]

_SUBMITTED: Final = 1000 * CREATED  # milliseconds
_IMAGE: Final = Route("GET", "/mj/image/{id}")
_SEED: Final = "/mj/task/{id}/image-seed"
_LIST: Final = "/mj/task/list-by-condition"
_UPLOAD: Final = "/mj/submit/upload-discord-images"
_ACTION: Final = "/mj/submit/action"
_CHANGE: Final = "/mj/submit/change"
_SIMPLE: Final = "/mj/submit/simple-change"
_MODAL: Final = "/mj/submit/modal"
# What of a body each submit needs, and the action that new-api books it as.
_SUBMITS: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "/mj/submit/imagine": (("prompt",), "IMAGINE"),
    "/mj/submit/blend": (("base64Array",), "BLEND"),
    "/mj/submit/describe": (("base64",), "DESCRIBE"),
    "/mj/submit/edits": (("prompt",), "EDITS"),
    "/mj/submit/shorten": (("prompt",), "SHORTEN"),
    "/mj/submit/video": ((), "VIDEO"),
    _CHANGE: (("taskId", "action"), ""),
    _SIMPLE: (("content",), ""),
    "/mj/insight-face/swap": (("sourceBase64", "targetBase64"), "SWAP_FACE"),
    _UPLOAD: (("base64Array",), "UPLOAD"),
    _MODAL: (("taskId",), "MODAL"),
    _ACTION: (("customId", "taskId"), ""),
}
_BUTTONS: Final = (
    ("upsample", "UPSCALE"),
    ("low_variation", "LOW_VARIATION"),
    ("high_variation", "HIGH_VARIATION"),
    ("variation", "VARIATION"),
    ("pan", "PAN"),
    ("reroll", "REROLL"),
    ("Outpaint", "ZOOM"),
    ("CustomZoom", "CUSTOM_ZOOM"),
    ("Inpaint", "INPAINT"),
)
_CHANGES: Final[Mapping[str, str]] = {"u": "UPSCALE", "v": "VARIATION", "r": "REROLL"}
_TEXTS: Final = ("DESCRIBE", "SHORTEN")  # what comes of these is no picture
_OPEN_A_WINDOW: Final = ("CUSTOM_ZOOM", "INPAINT")


class _Midjourney(Served):
    name = "midjourney"
    manner: Manner = "midjourney"
    required: tuple[str, ...] = ()
    types: ClassVar[Types] = {
        "prompt": (str,),
        "base64": (str,),
        "base64Array": (list,),
        "sourceBase64": (str,),
        "targetBase64": (str,),
        "taskId": (str,),
        "customId": (str,),
        "action": (str,),
        "content": (str,),
        "ids": (list,),
        "state": (str,),
    }

    def found(self, method: str, path: str) -> Found | None:
        placed = place(method, path)
        return placed[1] if placed else find((_IMAGE,), method, path)

    def check(self, body: Mapping[str, Any], route: str) -> None:
        super().check(body, route)
        needed, _ = _SUBMITS.get(route, ((), ""))
        for name in needed:
            if not body.get(name):
                raise BadAsk("bad_request", f"{name}_is_required")
        if route == _ACTION and not _action(body["customId"]):
            raise BadAsk("bad_request", f"unknown_action:{body['customId']}")
        if route == _SIMPLE and not _change(body):
            raise BadAsk("bad_request", "invalid_request")

    def model(self, body: Mapping[str, Any], found: Found) -> str:
        route = found.route.template
        if route not in _SUBMITS:
            return ""
        action = _booked(route, body)
        return "swap_face" if action == "SWAP_FACE" else f"mj_{action.lower()}"

    def answer(self, ask: Ask, plan: Plan) -> Prepared:
        if ask.route == _LIST:
            return _listed(ask, plan)
        if ask.route in _SUBMITS:
            return _submitted(ask, plan)
        if plan.flaw == "error_200":
            return _said(9, "system error")
        task_id = ask.holes["id"]
        task = _task(plan, task_id)
        if ask.route == _IMAGE.template:
            return _picture(task)
        if task is None:
            return _refused("task_no_found")
        if ask.route == _SEED:
            return _seed(task)
        return Whole(
            body=orjson.dumps(_told(task, plan)),
            hint_ms=None if task.done else plan.tasks.hint_ms,
        )


def _submitted(ask: Ask, plan: Plan) -> Prepared:
    """Begin what is asked for when the answer is written."""
    if plan.flaw == "error_200":
        return _said(23, "the queue is full, try again later")
    if ask.route == _UPLOAD:
        return _uploaded(ask, plan)
    action = _booked(ask.route, ask.body)
    task_id, parent = _new_id(plan), ask.body.get("taskId")
    if ask.route == _SIMPLE:
        parent = ask.body["content"].split(" ")[0]
    if parent:
        known = _task(plan, parent)
        if known is None:
            return _refused("task_not_found")
        if ask.route in (_ACTION, _CHANGE, _SIMPLE) and not (known.done and not known.failed):
            return _refused("task_status_not_success")
        if ask.route == _MODAL and known.facts.get("waits"):
            task_id = parent  # it goes on
    waits = action in _OPEN_A_WINDOW
    facts = {"action": action, "prompt": ask.prompt, "state": ask.body.get("state") or ""}
    if waits:
        facts["waits"] = "yes"
    is_picture = action not in (*_TEXTS, "VIDEO") and not waits
    makes_picture = is_picture and not plan.tasks.fails(task_id)
    return Whole(
        body=_begin(plan, task_id, facts),
        billed=_billed(1 if makes_picture else 0),
        hint_ms=plan.tasks.hint_ms,
    )


def _begin(plan: Plan, task_id: str, facts: Mapping[str, Any]) -> Callable[[], bytes]:
    # Some of what is behind the gateway writes an id as a text, some as a number.
    as_number = task_id.isdecimal() and plan.dice.share() < 0.5
    result: str | int = int(task_id) if as_number else task_id
    if plan.flaw == "no_finish":
        result = ""

    def written() -> bytes:
        plan.tasks.begin(task_id, facts)
        if facts.get("waits"):
            return _code(21, "Waiting for window confirm", result)
        return _code(1, "submit success", result)

    return written


def _uploaded(ask: Ask, plan: Plan) -> Prepared:
    first = int(plan.id, 16) % 10**9
    addresses = [plan.link("png", first + place) for place in range(len(ask.body["base64Array"]))]
    return Whole(body=_code(1, "success", addresses), billed=_billed(0))


def _listed(ask: Ask, plan: Plan) -> Prepared:
    """Return the tasks there are; those that nobody knows are simply absent."""
    if plan.flaw == "error_200":
        return _said(9, "system error")
    tasks = (_task(plan, str(task_id)) for task_id in ask.body.get("ids") or ())
    return Whole(body=orjson.dumps([_told(task, plan) for task in tasks if task is not None]))


def _seed(task: Task) -> Prepared:
    if not task.done or task.failed:
        return _said(4, "the task has no seed yet")
    return Whole(body=_code(1, "success", str(_number(task.id) % 2**32)))


def _picture(task: Task | None) -> Prepared:
    """Return the gateway's own copy of a picture, which needs no key."""
    if task is None:
        return Whole(body=orjson.dumps({"error": "midjourney_task_not_found"}), status=400)
    return Whole(body=png(_number(task.id), 64), content_type="image/png")


def _task(plan: Plan, task_id: str) -> Task | None:
    """Return a task: one that was submitted, or one of another day."""
    known = plan.tasks.find(task_id)
    if known is None and task_id.isdecimal():
        return Task(task_id, {"action": "IMAGINE", "prompt": "", "state": ""}, 100, failed=False)
    return known


def _told(task: Task, plan: Plan) -> _Object:
    """Return a task as new-api prints its row."""
    facts = task.facts
    status = _status(task)
    done, failed = status == "SUCCESS", status == "FAILURE"
    text = _described(task, plan) if done and facts["action"] in _TEXTS else facts["prompt"]
    films = _films(task, plan) if done and facts["action"] == "VIDEO" else []
    took = 60_000 if done or failed else 0
    return {
        "id": task.id,
        "action": facts["action"],
        "customId": "",
        "botType": "",
        "prompt": facts["prompt"],
        "promptEn": text,
        "description": "",
        "state": facts["state"],
        "submitTime": _SUBMITTED,
        "startTime": _SUBMITTED + 1000 if task.progress else 0,
        "finishTime": _SUBMITTED + took if took else 0,
        "imageUrl": "" if films else _image(task, plan, done=done, failed=failed),
        "videoUrl": films[0] if films else "",
        "videoUrls": [{"url": film} for film in films] or None,
        "status": status,
        "progress": f"{task.progress}%",
        "failReason": "the mock gave this task up" if failed else "",
        "buttons": _buttons(task) if done and facts["action"] not in _TEXTS else [],
        "maskBase64": "",
        "properties": {"finalPrompt": text, "finalZhPrompt": ""},
    }


def _status(task: Task) -> str:
    if task.facts.get("waits"):
        return "MODAL"
    if task.done:
        return "FAILURE" if task.failed else "SUCCESS"
    return ("", "SUBMITTED", "IN_PROGRESS")[min(task.progress // 25, 2)]


def _image(task: Task, plan: Plan, *, done: bool, failed: bool) -> str:
    """Return where the picture is: one that is not done yet shows a preview, which changes."""
    if failed or not task.progress:
        return ""
    own = f"/mj/image/{task.id}"
    if not done:
        return f"{own}?rand={task.progress}"
    number = _number(task.id)
    # The gateway gives out its own copies, or leaves the address as it is: a setting there.
    return own if number >> 7 & 1 else plan.link("png", number)


def _films(task: Task, plan: Plan) -> list[str]:
    return [plan.link("mp4", _number(task.id) + place) for place in range(4)]


def _described(task: Task, plan: Plan) -> str:
    words = (murmur(8, plan.dice) for _ in range(4))
    return "\n\n".join(f"{number}. {line} --ar 1:1" for number, line in enumerate(words, 1))


def _buttons(task: Task) -> list[_Object]:
    jobs = (("U", "upsample"), ("V", "variation"))
    labels = [(f"{word}{n}", job, n) for word, job in jobs for n in (1, 2, 3, 4)]
    return [
        {
            "customId": f"MJ::JOB::{job}::{n}::{task.id}",
            "emoji": "",
            "label": label,
            "type": 2,
            "style": 2,
        }
        for label, job, n in labels
    ]


def _booked(route: str, body: Mapping[str, Any]) -> str:
    """Return the action that new-api books a submit as."""
    if route in (_CHANGE, _SIMPLE):
        return _change(body)
    return _SUBMITS[route][1] or _action(body["customId"])


def _change(body: Mapping[str, Any]) -> str:
    """Return what is done to a picture of a grid; of a content such as ``17 U2``, if it is one."""
    if "content" not in body:
        return str(body["action"])
    pieces = body["content"].split(" ")
    return _CHANGES.get(pieces[1][:1].lower(), "") if len(pieces) == 2 else ""


def _action(custom_id: str) -> str:
    """Return what a button does; empty for one that new-api does not know."""
    pieces = custom_id.split("::")
    pressed = pieces[2] if pieces[1:2] == ["JOB"] and len(pieces) > 2 else "".join(pieces[1:2])
    return next((action for word, action in _BUTTONS if word in pressed), "")


def _new_id(plan: Plan) -> str:
    """Return an id of digits for this body and attempt; it fits into 63 bits."""
    return str((int(plan.id, 16) >> 8) << 7 | min(plan.attempt, 127))


def _number(task_id: str) -> int:
    return int(task_id[-12:]) if task_id.isdecimal() else len(task_id)


def _billed(images: int) -> Billed:
    billed: Billed = dict.fromkeys(ALWAYS, 0)
    return {**billed, "images": images} if images else billed


def _said(code: int, description: str) -> Prepared:
    return Whole(body=_code(code, description, ""))


def _refused(description: str) -> Prepared:
    """Return what new-api's own handler says no with, a space before the result that is empty."""
    said = {"code": 4, "description": f"{description} ", "type": "upstream_error"}
    return Whole(body=orjson.dumps(said), status=400)


def _code(code: int, description: str, result: object) -> bytes:
    return orjson.dumps(
        {"code": code, "description": description, "properties": {}, "result": result}
    )


TWIN: Twin = _Midjourney()
