"""What a line may ask of Midjourney: one table of its paths.

Paths and fields are those of midjourney-proxy, and the models those by which new-api prices and
permits each of them; no body names one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from batch.errors import BadBody
from batch.records import Call, Makes, Payload, Request
from batch.wire import Ask, Shaped
from batch.wire._base import checked, prompt_alone
from batch.wire._files import Wants, attached
from batch.wire._routes import Found, Route, fill, find
from batch.wire._spelled import decode_fields

Gives: TypeAlias = Literal["task", "addresses", "state", "states", "seed"]


class Kind(msgspec.Struct, frozen=True):
    """One path."""

    route: Route
    model: str
    gives: Gives = "task"
    makes: Makes = "image"
    needs: tuple[str, ...] = ()
    needs_one: tuple[str, ...] = ()

    @property
    def is_work(self) -> bool:
        """Return whether it is done anew, and paid, each time it is asked for."""
        return self.gives in ("task", "addresses")


_STARTS: Final = ("image", "taskId", "prompt")  # what a film may begin with
KINDS: Final = (
    Kind(Route("POST", "/mj/submit/imagine"), "mj_imagine", needs=("prompt",)),
    Kind(Route("POST", "/mj/submit/blend"), "mj_blend", needs=("base64Array",)),
    Kind(Route("POST", "/mj/submit/describe"), "mj_describe", makes="text", needs=("base64",)),
    Kind(Route("POST", "/mj/submit/action"), "mj_action", needs=("taskId", "customId")),
    Kind(Route("POST", "/mj/submit/change"), "mj_change", needs=("taskId", "action")),
    Kind(Route("POST", "/mj/submit/simple-change"), "mj_change", needs=("content",)),
    Kind(Route("POST", "/mj/submit/modal"), "mj_modal", needs=("taskId",)),
    Kind(Route("POST", "/mj/submit/edits"), "mj_edits", needs=("prompt",)),
    Kind(Route("POST", "/mj/submit/shorten"), "mj_shorten", makes="text", needs=("prompt",)),
    Kind(Route("POST", "/mj/submit/video"), "mj_video", makes="video", needs_one=_STARTS),
    Kind(
        Route("POST", "/mj/submit/upload-discord-images"),
        "mj_upload",
        gives="addresses",
        makes="text",
        needs=("base64Array",),
    ),
    Kind(
        Route("POST", "/mj/insight-face/swap"), "swap_face", needs=("sourceBase64", "targetBase64")
    ),
    Kind(Route("GET", "/mj/task/{id}/fetch"), "mj_fetch", gives="state", makes="text"),
    Kind(
        Route("POST", "/mj/task/list-by-condition"),
        "mj_list",
        gives="states",
        makes="text",
        needs=("ids",),
    ),
    Kind(Route("GET", "/mj/task/{id}/image-seed"), "mj_seed", gives="seed", makes="text"),
)
ROUTES: Final = tuple(kind.route for kind in KINDS)
_KIND_OF: Final[Mapping[Route, Kind]] = {kind.route: kind for kind in KINDS}
_FETCH: Final = "/mj/task/{id}/fetch"
# The same paths again, each under the speed at which it is to be worked on.
_SPEED: Final = re.compile(r"(?:/mj-[a-z][a-z-]*)?(?=/mj/)")
# How new-api tells from a button what pressing it does. The first word that is found counts.
_BUTTONS: Final = (
    ("upsample", "mj_upscale"),
    ("low_variation", "mj_low_variation"),
    ("high_variation", "mj_high_variation"),
    ("variation", "mj_variation"),
    ("pan", "mj_pan"),
    ("reroll", "mj_reroll"),
    ("Outpaint", "mj_zoom"),
    ("CustomZoom", "mj_custom_zoom"),
    ("Inpaint", "mj_inpaint"),
)
# The same of what is done to a picture of a grid: UPSCALE and U2, VARIATION and V2, REROLL and R.
_CHANGES: Final = (("U", "mj_upscale"), ("V", "mj_variation"), ("R", "mj_reroll"))
_FILES: Final[Wants] = {
    "base64Array": "data_uri",
    "base64": "data_uri",
    "sourceBase64": "data_uri",
    "targetBase64": "data_uri",
    "maskBase64": "data_uri",
    "image": "data_uri",
}


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    """What of a body is checked; msgspec passes over the rest without building it."""

    model: str | None = None
    prompt: str | None = None
    image: Any = None
    base64: str | None = None
    base64_array: list[str] | None = None
    source_base64: str | None = None
    target_base64: str | None = None
    task_id: str | int | None = None
    custom_id: str | None = None
    action: str | None = None
    content: str | None = None
    ids: list[str | int] | None = None


_decode_body: Final = msgspec.json.Decoder(_Body)


def place(method: str, url: str) -> tuple[str, Found] | None:
    """Return the speed that a url begins with, such as ``/mj-fast``, and the route that follows."""
    speed = _SPEED.match(url)
    if speed is None:
        return None
    found = find(ROUTES, method, url[speed.end() :])
    return None if found is None else (speed[0], found)


def kind_of(request: Request) -> Kind:
    """Return what a request asks for."""
    placed = place(request.method, request.path)
    assert placed is not None, request.path
    return _KIND_OF[placed[1].route]


def shape(body: bytes, ask: Ask) -> Shaped:
    """Check the body and name its model, which only chooses the key. Raises ``BadBody``.

    The models that the settings name are meant for bodies that have one, and count for nothing.
    """
    placed = ("", Found(ROUTES[0], {})) if ask.url is None else place(ask.method, ask.url)
    if placed is None:
        raise BadBody(f"{ask.method} {ask.url} is no path of this format", "unknown_endpoint")
    speed, found = placed
    kind = _KIND_OF[found.route]
    needed = _needed(kind)
    asked: _Body = checked(body, _decode_body, needed)
    told: dict[str, Any] = msgspec.to_builtins(asked)
    if missing := [name for name in kind.needs if not told[name]]:
        raise BadBody(f"the body needs {needed}; it lacks {missing[0]}")
    if kind.needs_one and not any(told[name] for name in kind.needs_one):
        raise BadBody(f"the body needs {needed}; it has none of them")
    posts = found.route.method == "POST"
    pressed = _by_button(asked.custom_id or "") if "customId" in kind.needs else None
    if kind.model == "mj_change":
        pressed = _by_change(asked.action or asked.content or "")
    return Shaped(
        model=asked.model or pressed or kind.model,
        body=body if posts else b"",
        path=speed + found.path,
        endpoint=found.route.template,
        method=found.route.method,
        makes=kind.makes,
    )


def _needed(kind: Kind) -> str:
    """Return what a body must have, for people."""
    named = [f'"{name}"' for name in kind.needs or kind.needs_one]
    return (", " if kind.needs else " or ").join(named) or "nothing but an object"


def build(prompt: str, system: str | None, schema: Mapping[str, Any] | None) -> bytes:
    """Make the body of a picture. Raises ``BadBody`` for what no picture is made of."""
    return prompt_alone("prompt", prompt, system, schema, "Midjourney")


def sent(request: Request) -> Payload | None:
    """Return the body as it goes out: without a model, and files as data URIs.

    Addresses too, which Midjourney takes nowhere but in the prompt and for edits.
    """
    if request.method == "GET":
        return None
    body = request.body
    if b'"model"' in body:
        fields = decode_fields(body)
        fields.pop("model", None)
        body = msgspec.json.encode(fields)
    return attached(body, _FILES, convert=True)


def poll(request: Request, task_id: str) -> Call:
    """Return the call that asks how far a task is, at the speed at which it was submitted."""
    placed = place(request.method, request.path)
    speed = placed[0] if placed else ""
    return Call(method="GET", path=speed + fill(_FETCH, {"id": task_id}), kind="poll")


def _by_change(told: str) -> str | None:
    """Return the model of a change, which may be told behind the id of a task."""
    word = told.rpartition(" ")[2].upper()
    return next((model for start, model in _CHANGES if word.startswith(start)), None)


def _by_button(custom_id: str) -> str | None:
    """Return the model of an action; customId is such as ``MJ::JOB::upsample::2::...``."""
    pieces = custom_id.split("::")
    if len(pieces) < 2:
        return None
    action = pieces[2] if pieces[1] == "JOB" and len(pieces) > 2 else pieces[1]
    return next((model for word, model in _BUTTONS if word in action), None)
