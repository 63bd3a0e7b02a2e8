"""What Midjourney's replies say before anything is made of them: its own codes, and its tasks.

A reply says by its ``code`` whether a submit was taken, often under a good status. The meanings are
those of midjourney-proxy and of new-api, which goes by them too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from batch.errors import Interrupted, NoChannel, NoMoney, NotAnAnswer, Refused, ServerTrouble
from batch.records import Reply
from batch.wire._failures import Failure
from batch.wire._files import WEB
from batch.wire._http import no_answer, raw, read_json
from batch.wire._lenient import as_dict, as_list, first_text
from batch.wire._tasks import Progress, canonical

# Accepted are 1, 21 (it exists, or waits for its window) and 22 (queued); 23 and 30 (full) stand in
# the table that all formats share, as the gateway itself sends them too.
_FAILURES: Final[Mapping[str, Failure]] = {
    "3": NoChannel,  # no account at hand: nothing was begun
    "4": Refused,
    "5": Interrupted,  # the gateway did not hear what came of it
    "9": ServerTrouble,
    "24": Refused,  # a banned word
    "25": NoMoney,
}
_NO_MONEY: Final = "quota_not_enough"  # under code 4, and told apart where all formats are read
_NO_TASK: Final = re.compile(rb"task_not?_found|task_not_exist")
_LOOKED_AT: Final = 2048  # bytes of a refusal
_ALL_DONE: Final = "100%"
# Where the gateway gives out pictures itself: one name, so that no ``..`` leads the key elsewhere.
_OWN_PICTURE: Final = re.compile(r"/mj/image/[\w:~-]+(?:\.\w+)?(?:\?[^#]*)?\Z", re.ASCII)


def read(reply: Reply) -> dict[str, Any]:
    """Return the object of a good reply. Raises ``CallFailed``; a code outranks the status."""
    document = _object(raw(reply))
    code = first_text(document, "code")
    said = first_text(document, "description")
    kind = _FAILURES.get(code)
    if kind is None or "description" not in document or said.startswith(_NO_MONEY):
        return read_json(reply)
    word = first_text(document, "properties.bannedWord")
    banned = f" (banned word: {word})" if word else ""
    failure = no_answer(reply, kind, f"Midjourney answered with code {code}: {said}{banned}")
    failure.vendor_code = code
    raise failure


def read_list(reply: Reply) -> list[Any]:
    """Return the list of a good reply, or its one object in a list. Raises ``CallFailed``."""
    if 200 <= reply.status < 300:
        try:
            told = orjson.loads(raw(reply))
        except orjson.JSONDecodeError:
            told = None
        if isinstance(told, list):
            return told
    document = read(reply)
    if "status" not in document:
        raise no_answer(reply, NotAnAnswer, "the reply is no list of tasks")
    return [document]


def knows_no_task(reply: Reply) -> bool:
    """Return whether a refusal says that there is no such task."""
    return _NO_TASK.search(raw(reply)[:_LOOKED_AT]) is not None


def progress(task: dict[str, Any]) -> Progress:
    """Return how far a task is."""
    state = canonical(task.get("status"))
    # When an upstream gives a reason too early, the gateway pays back, asks no more, and leaves
    # the state as it was.
    if state in ("pending", "running") and task.get("progress") == _ALL_DONE and reason(task):
        return "failed"
    return state


def waits_for_window(task: dict[str, Any]) -> bool:
    """Return whether it goes on only once somebody answers what its window asks."""
    status = task.get("status")
    return isinstance(status, str) and status.upper() == "MODAL"


def reason(task: dict[str, Any]) -> str:
    """Return why a task failed, as far as it says."""
    return first_text(task, "failReason")


def description(task: dict[str, Any]) -> str | None:
    """Return what a picture was described as: four prompts, as one text."""
    return first_text(task, "properties.finalPrompt", "promptEn", "prompt") or None


def is_description(task: dict[str, Any]) -> bool:
    """Return whether what came of it is a text; its picture is the one that was sent."""
    return task.get("action") in ("DESCRIBE", "SHORTEN")


def picture(task: dict[str, Any]) -> list[str]:
    """Return the addresses of a task's picture, a grid of four being one; none if there is none.

    Some gateways give out their own copy by its address to anybody, some only by its path to who
    has the key.
    """
    address = _address(task.get("imageUrl"))
    if address is None:
        return []
    own = _OWN_PICTURE.search(address)
    return [address, own[0]] if own and own.start() else [address]


def films(task: dict[str, Any]) -> list[str]:
    """Return the addresses of a task's films, each once."""
    several = (as_dict(one).get("url") for one in as_list(task.get("videoUrls")))
    found = (_address(one) for one in (task.get("videoUrl"), *several))
    return list(dict.fromkeys(one for one in found if one))


def _address(value: object) -> str | None:
    """Return an address on the web, or a path of the gateway at which it gives out pictures."""
    if isinstance(value, str) and (value.startswith(WEB) or _OWN_PICTURE.match(value)):
        return value
    return None


def _object(body: bytes) -> dict[str, Any]:
    try:
        return as_dict(orjson.loads(body))
    except orjson.JSONDecodeError:
        return {}
