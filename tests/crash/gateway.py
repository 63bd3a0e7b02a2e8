"""A gateway that keeps books of its own, and the dialect in which it is asked.

What it did and billed outlives every crash of those who ask. Each bill has a number of its own,
which stands as input tokens in whatever record has the bill: so it can be seen wherever it is, also
if it is there twice.
"""

from __future__ import annotations

import asyncio
import random
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import orjson

from batch.errors import CutAnswer, Interrupted, NoChannel, Refused, TaskFailed
from batch.media import MediaFolder
from batch.records import (
    Answer,
    Blob,
    Call,
    Done,
    Repeat,
    Reply,
    Request,
    Saved,
    Send,
    State,
    Step,
    Wait,
)
from batch.secret import Secret
from batch.transport import Folding, nobody
from batch.usage import Meter, Usage
from tests.crash.broken import Broken
from tests.crash.known import Known
from tests.toys.formats import Toy

ONCE: Final = ("film", "picture")  # kinds of lines whose work is not to be paid twice
POLLS: Final = (1, 1, 2, 3, 9)  # until a film is there; nobody waits for nine in one session
# What becomes of a submit, and how often of a hundred.
FATES: Final = {"done": 66, "refused": 9, "cut": 9, "interrupted": 6, "no channel": 10}
SOON: Final = 1.0  # seconds in which a client has put on record what it was told
PNG: Final = b"\x89PNG\r\n\x1a\n"
MP4: Final = b"\0\0\0\x18ftypmp42"


class Books(msgspec.Struct):
    """What the gateway knows: nothing of it is lost by a crash of a client."""

    sessions: int = 0  # that asked it so far
    last: int = 0  # number of the last bill
    billed: frozenset[int] = frozenset()
    paid: dict[int, int] = {}  # line whose work was submitted and is not to be again → in which
    asked: dict[int, int] = {}  # line → submits so far
    polls: dict[str, int] = {}  # task → polls so far
    tasks: dict[int, str] = {}  # line → task whose name it was told a while ago
    owed: frozenset[int] = frozenset()  # bills whose lines went on to their next request
    # And what was done meanwhile to the input and to an older run, which no crash undoes either.
    edited: frozenset[int] = frozenset()  # commands before which it was
    changed: frozenset[int] = frozenset()  # lines that have other texts since
    afresh: frozenset[int] = frozenset()  # commands that have put an older run aside
    aside: Known = Known()  # what was known of that run
    kept: frozenset[tuple[str, bytes]] = frozenset()  # each of its logs, as far as it was safe

    def copy(self) -> Books:
        """Return what is known now, whatever comes later."""
        return msgspec.structs.replace(
            self,
            paid=dict(self.paid),
            asked=dict(self.asked),
            polls=dict(self.polls),
            tasks=dict(self.tasks),
        )

    def ask_anew(self, line: int) -> None:
        """Take note that a line is asked as new work, because somebody said so."""
        self.paid.pop(line, None)
        self.tasks.pop(line, None)

    def begin_afresh(self, known: Known, logs: Iterable[tuple[str, bytes]]) -> None:
        """Take note that all lines are asked as new work, and what there is of the older run."""
        self.billed = self.owed = frozenset()
        self.paid, self.tasks = {}, {}
        if known.begun:
            self.aside = known
            self.kept |= {*logs}

    def bill(self) -> int:
        """Return the number of a new bill."""
        self.last += 1
        self.billed |= {self.last}
        return self.last


class Dialect(Toy):
    """How the gateway is spoken with: texts, pictures in answers, films that take their time."""

    name = "crash"

    def repeat(self, request: Request) -> Repeat:
        return "once" if request.body.startswith(b"{") and said(request)["kind"] in ONCE else "free"

    def pack(self, bodies: Sequence[bytes]) -> bytes:
        return b"[" + b",".join(bodies) + b"]"

    def resume(self, request: Request, state: State) -> Step:
        return Wait(10.0, Call("GET", f"/toy/{state['id']}", kind="poll"), state)

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        if isinstance(reply.body, Saved):
            assert state is not None
            usage = Usage({Meter.INPUT: int(state["id"]), Meter.MILLISECONDS: 4000})
            return Done(Answer(b'{"status":"done"}', None, "stop", usage, files=(reply.body,)))
        body = understood(reply)
        if "url" in body:
            save = request.file_name()
            fetch = Call(
                "GET", body["url"], kind="fetch", origin="foreign", expect="file", save_as=save
            )
            return Send(fetch, state)
        if "id" in body:
            return self.resume(request, {"id": body["id"]})
        return Done(_answer(request, body, reply.body))


def understood(reply: Reply) -> dict[str, Any]:
    """Return a reply's object, or raise what is wrong with it."""
    assert isinstance(reply.body, bytes)
    if reply.status == 400:
        raise Refused("not this", status=400, body=reply.body)
    if reply.status == 503:
        raise NoChannel("no channel for it", status=503, body=reply.body)
    body: dict[str, Any] = orjson.loads(reply.body)
    if body.get("failed"):
        raise TaskFailed("the film failed")
    if body.get("cut"):
        cut = CutAnswer("the answer stops before its end")
        cut.usage = Usage({Meter.INPUT: body["bill"]})
        raise cut
    return body


def _answer(request: Request, body: Mapping[str, Any], raw: bytes) -> Answer:
    usage = Usage({Meter.INPUT: body["bill"], Meter.OUTPUT: 1})
    if "says" in body:
        shares = tuple(Answer(b'{"say":"%s"}' % s.encode(), s, "stop", None) for s in body["says"])
        return Answer(raw, None, "stop", usage, shares=shares)
    blobs = (Blob(body["picture"], request.file_name()),) if "picture" in body else ()
    return Answer(raw, body["say"], "stop", usage, blobs=blobs)


def said(request: Request) -> dict[str, Any]:
    """Return what a request's body says."""
    body: dict[str, Any] = orjson.loads(request.body)
    return body


class Gateway:
    """Answers as its seed has it; what it did is in its books before the answer leaves."""

    def __init__(self, seed: int, books: Books, media: MediaFolder) -> None:
        self._seed = seed
        self._books = books
        self._media = media
        self._told: dict[int, set[int]] = {}  # line → bills that this client was told
        self.broken: Broken | None = None  # what a client did that it must never do

    async def send(
        self,
        call: Call,
        secret: Secret | None,
        folding: Folding | None = None,
        grew: Callable[[int], None] = nobody,
        leaves: Callable[[], None] | None = None,
    ) -> Reply:
        """Do what is asked at once, and answer a moment later."""
        if leaves is not None:
            leaves()
        match call.kind:
            case "submit":
                body = self._submitted(orjson.loads(call.payload))  # type: ignore[arg-type]
            case "poll":
                body = self._polled(call.path.rpartition("/")[2])
            case "fetch":
                return Reply(200, {}, await self._fetched(call))
        await asyncio.sleep(0.01)
        if body == "interrupted":
            raise Interrupted("cut off")
        self._tell(call, body)
        status = (
            {"refused": 400, "no channel": 503}.get(body, 200) if isinstance(body, str) else 200
        )
        return Reply(status, {}, orjson.dumps(body))

    def _tell(self, call: Call, body: Any) -> None:
        """Note what the client knows from now on, and what it must have put on record soon."""
        if call.kind != "submit" or not isinstance(body, dict):
            return
        asked = orjson.loads(call.payload)  # type: ignore[arg-type]
        if "id" in body:
            tasks, later = self._books.tasks, asyncio.get_running_loop().call_later
            later(SOON, lambda: tasks.update({asked["line"]: body["id"]}))
        elif isinstance(asked, dict):
            self._told.setdefault(asked["line"], set()).add(body["bill"])

    def _chance(self, *of: object) -> random.Random:
        return random.Random(repr((self._seed, *of)))

    def _submitted(self, asked: Any) -> Any:
        if isinstance(asked, list):
            return {"says": [f"line {one['line']}" for one in asked], "bill": self._books.bill()}
        line, kind, books = asked["line"], asked["kind"], self._books
        books.asked[line] = books.asked.get(line, 0) + 1
        books.owed |= self._told.pop(line, set())
        chance = self._chance(line, asked["text"], books.asked[line])
        fate = chance.choices(list(FATES), list(FATES.values()))[0]
        if fate in ("refused", "no channel"):
            return fate
        if kind in ONCE:
            self._pays(line)
        bill = books.bill()
        if fate == "interrupted":
            return fate
        if fate == "cut":
            return {"cut": True, "bill": bill}
        if kind == "film":
            return {"id": str(bill)}
        body = {"say": "no use" if chance.random() < 0.1 else f"line {line}", "bill": bill}
        if kind == "picture":
            body["picture"] = b64encode(PNG + b"%d" % bill * 20).decode()
        return body

    def _pays(self, line: int) -> None:
        if line in self._books.paid:
            self.broken = Broken(f"line {line} is paid twice")
            raise self.broken
        self._books.paid[line] = self._books.sessions

    def _polled(self, task: str) -> dict[str, object]:
        polls = self._books.polls[task] = self._books.polls.get(task, 0) + 1
        chance = self._chance("film", task)
        if polls < chance.choice(POLLS):
            return {"id": task}
        if chance.random() < 0.2:
            return {"id": task, "failed": True}
        return {"id": task, "url": f"https://files.example/{task}"}

    async def _fetched(self, call: Call) -> Saved:
        data = MP4 + call.path.rpartition("/")[2].encode() * 20
        part = self._media.part(call.save_as)
        try:
            await part.write(data[:30])
            await part.write(data[30:])
            return await part.finish("")
        except BaseException:
            part.abandon()
            raise
