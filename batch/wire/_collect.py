"""Fetching the files of an answer: each is tried at its addresses in turn, and kept note of.

An answer that names files on the web is paid, and its addresses expire. So the answer is journalled
before the first of them is fetched, and each file once it is on disk: a crash fetches nothing
twice and pays nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urljoin

import msgspec

from batch.errors import CallFailed, FileGone, NotAnAnswer, ServerTrouble
from batch.records import Answer, Call, Done, Reply, Request, Saved, Send, State, Step, Wait
from batch.wire._http import read_failure
from batch.wire._media import substitute

DOING: Final = "fetch"  # ``state["do"]`` while files are fetched
NOT_READY_SECONDS: Final = 15.0
_HOPS: Final = 5  # redirects followed; a foreign host's are harmless, as no key travels
_MISSES: Final = 5  # times that the gateway may not know of a file which it announced
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_NOT_READY: Final = (400, 409, 425)  # what the gateway's own route says of a film that is not done
_PASSING: Final = (408, 425, 429)


def collect(
    request: Request, answer: Answer, wanted: Sequence[Sequence[str]], kind: str = ""
) -> Step:
    """Return the step that fetches the first file.

    ``wanted`` has for each file its addresses, paths at the gateway or on the web, in the order in
    which they are tried; where one stands in the body, the file's name takes its place. ``kind`` is
    what the types of the files begin with, such as ``image/``.
    """
    state: State = {
        "do": DOING,
        "answer": msgspec.to_builtins(answer, str_keys=True),
        "wanted": [list(addresses) for addresses in wanted],
        "kind": kind,
        "files": [],
        "tried": 0,  # addresses of the file under way that gave nothing
    }
    return Wait(0.0, _call(request, state), state)


def collected(request: Request, state: State, reply: Reply) -> Step:
    """Return what follows from the reply to a fetch. Raises ``CallFailed``."""
    saved = reply.body
    if 200 <= reply.status < 300 and isinstance(saved, Saved):
        if saved.content_type.startswith(state["kind"]):
            return _saved(request, state, saved)
        return _next_address(request, state, _gone(reply, f"a file of type {saved.content_type}"))
    if reply.status in _REDIRECTS and (step := _redirected(request, state, reply)):
        return step
    if _address(state).startswith("/"):
        return _not_at_gateway(request, state, reply)
    if 200 <= reply.status < 300:
        return _next_address(request, state, _gone(reply, "no file"))
    if reply.status >= 500 or reply.status in _PASSING:
        raise ServerTrouble(f"the file's host answered HTTP {reply.status}", status=reply.status)
    return _next_address(request, state, _gone(reply, f"HTTP {reply.status}"))


def resumed(request: Request, state: State) -> Step:
    """Return the step that goes on with the first file that is not on disk yet."""
    return Send(_call(request, state), state)


def _saved(request: Request, state: State, saved: Saved) -> Step:
    kept = {**state, "files": [*state["files"], msgspec.to_builtins(saved)], "tried": 0}
    kept.pop("hop", None)
    if len(kept["files"]) < len(kept["wanted"]):
        return Wait(0.0, _call(request, kept), kept)
    answer = msgspec.convert(kept["answer"], Answer)
    files = tuple(msgspec.convert(one, Saved) for one in kept["files"])
    body = answer.body
    for addresses, file in zip(kept["wanted"], files, strict=True):
        for address in addresses:
            body = substitute(body, address, file.name)
    return Done(msgspec.structs.replace(answer, body=body, files=files))


def _redirected(request: Request, state: State, reply: Reply) -> Step | None:
    hops = state.get("hops", 0)
    target = reply.headers.get("location")
    if not target or hops >= _HOPS:
        return None
    address = _address(state)
    try:
        address = urljoin(address, target)
    except ValueError:
        return None
    # From the gateway's own path, only a whole address leads on: it is another host's.
    if not address.startswith(("https://", "http://")):
        return None
    following = {**state, "hop": address, "hops": hops + 1}
    return Send(_call(request, following), following)


def _not_at_gateway(request: Request, state: State, reply: Reply) -> Step:
    """Judge what is no file from the gateway's own route, which also says "not finished" so."""
    misses = state.get("misses", 0)
    if reply.status in _NOT_READY:
        return Wait(NOT_READY_SECONDS, _call(request, state), state)
    if reply.status == 404 and misses < _MISSES:
        following = {**state, "misses": misses + 1}
        return Wait(NOT_READY_SECONDS, _call(request, following), following)
    if reply.status == 404:
        return _next_address(request, state, _gone(reply, "HTTP 404"))
    if 200 <= reply.status < 300:
        raise NotAnAnswer("the gateway sent no file where one was announced", status=reply.status)
    raise read_failure(reply)


def _next_address(request: Request, state: State, failure: CallFailed) -> Step:
    following = {**state, "tried": state["tried"] + 1}
    following.pop("hop", None)
    if following["tried"] >= len(state["wanted"][len(state["files"])]):
        raise failure
    return Send(_call(request, following), following)


def _gone(reply: Reply, what: str) -> FileGone:
    return FileGone(
        f"the answer is there and paid, but the address of its file gave {what}",
        status=reply.status,
    )


def _address(state: State) -> str:
    hop = state.get("hop")
    address: str = hop or state["wanted"][len(state["files"])][state["tried"]]
    return address


def _call(request: Request, state: State) -> Call:
    address = _address(state)
    return Call(
        method="GET",
        path=address,
        kind="fetch",
        origin="gateway" if address.startswith("/") else "foreign",
        expect="file",
        save_as=request.file_name(len(state["files"])),
        media=True,
    )
