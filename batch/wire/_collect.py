"""Fetching the files of an answer: each is tried at its addresses in turn, and kept note of.

An answer that names files on the web is paid, and its addresses expire. So the answer is journalled
before the first of them is fetched, and each file once it is on disk: a crash pays nothing twice
and, unless the answer is large, fetches nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urljoin

import msgspec

from batch.errors import (
    CallFailed,
    FileGone,
    FilePage,
    NotAnAnswer,
    Redirected,
    Refused,
    ServerTrouble,
    WrongUrl,
)
from batch.records import Answer, Call, Done, Reply, Request, Saved, Send, State, Step, Wait
from batch.wire._files import WEB
from batch.wire._http import HOPS, REDIRECTS, is_page, no_answer, raw, read_failure
from batch.wire._media import UNKNOWN_TYPE, substitute
from batch.wire._sse import BOM
from batch.wire._tasks import wait

DOING: Final = "fetch"  # ``state["do"]`` while files are fetched
_MOST_FILES: Final = 64  # of one answer; a text can name a million
# Bytes of an answer's body: a larger one is put on record once, and not again after each file.
_LARGE: Final = 64 << 10
_MISSES: Final = 5  # times that the gateway may not know of a file which it announced
_NOT_READY: Final = (400, 409, 425)  # what the gateway's own route says of a film that is not done
_PASSING: Final = (0, 408, 425, 429)  # 0: no reply came
# Noted of one address, and void at the next: where it led, and how often it gave nothing.
_OF_ADDRESS: Final = frozenset({"hop", "hops", "misses"})


def collect(
    request: Request,
    answer: Answer,
    wanted: Sequence[Sequence[str]],
    kind: str = "",
    task: str | None = None,
) -> Step:
    """Return the step that fetches the first file.

    ``wanted`` has for each file its addresses, paths at the gateway or on the web, in the order in
    which they are tried; where one stands in the body, the file's name takes its place. ``kind`` is
    what the types of the files begin with, such as ``image/``. ``task`` is the id of the task that
    made them, by which people find them again.
    """
    state = _fresh(answer, wanted, kind, task)
    return Wait(0.0, _call(request, state), state)


def fetched(request: Request, answer: Answer, address: str, kind: str, reply: Reply) -> Step:
    """Return what follows from the reply to a line that itself asks for a file of the gateway.

    The answer's body names the address, as with ``collect``. Raises ``CallFailed``.
    """
    state = _fresh(answer, [[address]], kind, None)
    if isinstance(reply.body, Saved) or _target(state, reply):
        return collected(request, state, reply)
    failure = _failure(state, reply)
    if _is_early(reply, failure):
        return wait(_call(request, state), state, reply)
    raise failure


def collected(request: Request, state: State, reply: Reply) -> Step:
    """Return what follows from the reply to a fetch. Raises ``CallFailed``."""
    saved = reply.body
    if 200 <= reply.status < 300 and isinstance(saved, Saved):
        if _is_wanted(saved, state["kind"], reply):
            return _saved(request, state, saved)
        return _next_address(
            request, state, reply, _gone(reply, f"a file of type {saved.content_type}")
        )
    if target := _target(state, reply):
        following = {**state, "hop": target, "hops": state.get("hops", 0) + 1}
        return Send(_call(request, following), following)
    failure = _failure(state, reply)
    if _is_own(state):
        if _is_early(reply, failure):
            here = _anew(state) if "again" in state else _without(state, {"hop", "hops"})
            return wait(_call(request, here), here, reply)
        misses = state.get("misses", 0)
        if reply.status == 404 and misses < _MISSES:
            following = {**state, "misses": misses + 1}
            return wait(_call(request, following), following, reply)
    # That the gateway knows no such path says nothing of the gateway: a film is asked for here.
    if isinstance(failure, Refused | WrongUrl | Redirected):
        gone = failure if isinstance(failure, FileGone) else _gone(reply, f"HTTP {reply.status}")
        return _next_address(request, state, reply, gone)
    if state["tried"] + 1 < _addresses(state):
        return _next_address(request, {**state, "again": True}, reply, failure)
    raise failure  # the engine repeats the call


def resumed(request: Request, state: State) -> Step:
    """Return the step that goes on with the first file that is not on disk yet."""
    return Send(_call(request, state), state)


def _fresh(answer: Answer, wanted: Sequence[Sequence[str]], kind: str, task: str | None) -> State:
    state: State = {
        "do": DOING,
        "answer": msgspec.json.decode(msgspec.json.encode(answer)),  # plain JSON, without tuples
        "wanted": [list(addresses) for addresses in wanted[:_MOST_FILES]],
        "kind": kind,
        "files": [],
        "tried": 0,  # addresses of the file under way that gave nothing
    }
    return state if task is None else {**state, "id": task}


def _saved(request: Request, state: State, saved: Saved) -> Step:
    kept = {**_anew(state), "files": [*state["files"], msgspec.to_builtins(saved)]}
    if len(kept["files"]) < len(kept["wanted"]):
        if len(kept["answer"]["body"]) > _LARGE:  # a crash fetches its files anew
            return Send(_call(request, kept), kept)
        return Wait(0.0, _call(request, kept), kept)
    answer = msgspec.convert(kept["answer"], Answer)
    files = tuple(msgspec.convert(one, Saved) for one in kept["files"])
    body = answer.body
    for addresses, file in zip(kept["wanted"], files, strict=True):
        for address in addresses:
            body = substitute(body, address, file.name)
    return Done(msgspec.structs.replace(answer, body=body, files=files))


def _target(state: State, reply: Reply) -> str | None:
    """Return where a redirect leads, if it is one that may be followed."""
    target = reply.headers.get("location")
    if reply.status not in REDIRECTS or not target or state.get("hops", 0) >= HOPS:
        return None
    try:
        address = urljoin(_address(state), target)
    except ValueError:
        return None
    # From the gateway's own path, a path is one at the gateway, and any address another host's.
    is_path = address.startswith("/") and not address.startswith("//")
    return address if is_path or address.startswith(WEB) else None


def _failure(state: State, reply: Reply) -> CallFailed:
    """Return what a reply is that is neither the file nor a way to it."""
    good = 200 <= reply.status < 300
    if _is_own(state):
        said = "the gateway sent no file where one was announced"
        return no_answer(reply, NotAnAnswer, said) if good else read_failure(reply)
    if reply.status >= 500 or reply.status in _PASSING:
        return no_answer(reply, ServerTrouble, f"the file's host answered HTTP {reply.status}")
    if good and is_page(raw(reply).removeprefix(BOM).lstrip()):
        return _gone(reply, "no file but a web page", FilePage)
    return _gone(reply, "no file" if good else f"HTTP {reply.status}")


def _is_early(reply: Reply, failure: CallFailed) -> bool:
    """Return whether the gateway says that the file is not finished, and nothing worse."""
    return reply.status in _NOT_READY and type(failure) in (Refused, ServerTrouble)


def _is_wanted(saved: Saved, kind: str, reply: Reply) -> bool:
    """Return whether a file is of the kind: by its bytes, else as its host declares it."""
    if saved.content_type == UNKNOWN_TYPE:
        return reply.headers.get("content-type", "").lower().startswith(kind)
    return saved.content_type.startswith(kind)


def _next_address(request: Request, state: State, reply: Reply, failure: CallFailed) -> Step:
    """Return the step to the next address. Raises the failure if there is none."""
    following = {**_without(state, _OF_ADDRESS), "tried": state["tried"] + 1}
    if following["tried"] < _addresses(state):
        return Send(_call(request, following), following)
    if "again" not in state:
        raise failure
    anew = _anew(state)
    return wait(_call(request, anew), anew, reply)


def _anew(state: State) -> State:
    """Return the state before the first address: one that was only in trouble may serve by now.

    The engine's patience with a task bounds how often.
    """
    return {**_without(state, _OF_ADDRESS | {"again"}), "tried": 0}


def _gone(reply: Reply, what: str, kind: type[FileGone] = FileGone) -> CallFailed:
    said = f"the answer is there and paid, but the address of its file gave {what}"
    return no_answer(reply, kind, said)


def _addresses(state: State) -> int:
    """Return how many addresses the file under way has."""
    return len(state["wanted"][len(state["files"])])


def _address(state: State) -> str:
    hop = state.get("hop")
    address: str = hop or state["wanted"][len(state["files"])][state["tried"]]
    return address


def _is_own(state: State) -> bool:
    """Return whether the gateway itself is asked."""
    return _address(state).startswith("/")


def _without(state: State, keys: frozenset[str] | set[str]) -> State:
    return {key: value for key, value in state.items() if key not in keys}


def _call(request: Request, state: State) -> Call:
    return Call(
        method="GET",
        path=_address(state),
        kind="fetch",
        origin="gateway" if _is_own(state) else "foreign",
        expect="file",
        save_as=request.file_name(len(state["files"])),
        media=True,
    )
