"""Four toys that the contract was proven on before it froze: no vendor speaks like this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson

from batch.errors import BadBody, Refused, ServerTrouble
from batch.records import (
    Answer,
    Call,
    Done,
    Field,
    FileRef,
    Flaw,
    Form,
    Repeat,
    Reply,
    Request,
    Row,
    Saved,
    Send,
    State,
    Step,
    Wait,
)
from batch.script import Ask as AskMore
from batch.script import Identity, Verdict, request
from batch.usage import Meter, Usage
from batch.wire import Ask, Estimate, Folder, Shaped
from batch.wire._routes import Route


class Toy:
    """What the toys have in common."""

    name = "toy"
    routes = (Route("POST", "/toy"),)
    wrapper = None
    builds_for = ()

    def claims(self, method: str, url: str) -> bool:
        return url == "/toy"

    def mine(self, body: Mapping[str, Any]) -> bool:
        return "toy" in body

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        if not body.startswith(b"{"):
            raise BadBody("a toy's body is an object")
        return Shaped("toy", body, "/toy", "/toy")

    def pack(self, bodies: Sequence[bytes]) -> bytes:
        raise AssertionError("this toy asks one line at a time")

    def build(self, prompt: str, system: str | None, schema: Mapping[str, Any] | None) -> bytes:
        return orjson.dumps({"toy": prompt})

    def repeat(self, request: Request) -> Repeat:
        return "free"

    def estimate(self, request: Request) -> Estimate:
        return Estimate(10, 10)

    def bound(self, request: Request) -> Usage | None:
        return None

    def start(self, request: Request) -> Step:
        return Send(Call("POST", "/toy", request.body, repeat=self.repeat(request)))

    def resume(self, request: Request, state: State) -> Step:
        raise AssertionError("this toy never waits")

    def folder(self, request: Request) -> Folder | None:
        return None

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        body = read(reply)
        return Done(Answer(orjson.dumps(body), str(body["say"]), "stop", tokens(body)))


def read(reply: Reply) -> dict[str, Any]:
    """Return a reply's object, or raise what its status says."""
    assert isinstance(reply.body, bytes)
    if reply.status == 400:
        raise Refused("too much at once", status=400, body=reply.body)
    if reply.status >= 500:
        raise ServerTrouble("the toy is broken", status=reply.status, body=reply.body)
    body: dict[str, Any] = orjson.loads(reply.body)
    return body


def tokens(body: Mapping[str, Any]) -> Usage:
    """Return what a toy says it used."""
    return Usage({Meter.INPUT: int(body["in"]), Meter.OUTPUT: int(body["out"])})


class TaskToy(Toy):
    """Submits paid work, asks how far it is, and fetches the file that came of it elsewhere."""

    name = "task"

    def repeat(self, request: Request) -> Repeat:
        return "once"

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        if isinstance(reply.body, Saved):
            usage = Usage({Meter.MILLISECONDS: 4000})
            return Done(Answer(b'{"status":"done"}', None, "stop", usage, files=(reply.body,)))
        body = read(reply)
        if body.get("url"):
            return Send(
                Call("GET", body["url"], kind="fetch", origin="foreign", expect="file"), state
            )
        return self.resume(request, {"id": body["id"]})

    def resume(self, request: Request, state: State) -> Step:
        return Wait(10.0, Call("GET", f"/toy/{state['id']}", kind="poll"), state)


class FormToy(Toy):
    """Sends a file beside its words; the file is read when the call is sent."""

    name = "form"

    def start(self, request: Request) -> Step:
        file = FileRef("file:voice.txt", name="voice")
        return Send(Call("POST", "/toy", Form((Field("words", "hello"), Field("file", file)))))


class PackToy(Toy):
    """One call answers several lines."""

    name = "pack"

    def pack(self, bodies: Sequence[bytes]) -> bytes:
        return b"[" + b",".join(bodies) + b"]"

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        body = read(reply)
        shares = tuple(
            Answer(orjson.dumps({"say": said}), said, "stop", None) for said in body["says"]
        )
        if len(request.ordinals) == 1:
            return Done(msgspec.structs.replace(shares[0], usage=tokens(body)))
        return Done(Answer(orjson.dumps(body), None, "stop", tokens(body), shares=shares))


class AskThrice:
    """Asks each line three times, and takes what was said most often."""

    width = 1

    def identity(self) -> Identity:
        return {"script": "thrice"}

    def begin(self, rows: Sequence[Row]) -> AskMore | Verdict:
        return AskMore((request(rows[0], 0), request(rows[0], 1)))

    def more(self, rows: Sequence[Row], answers: Sequence[Answer]) -> AskMore | Verdict:
        if len(answers) < 3:
            return AskMore((request(rows[0], len(answers)),))
        said = [answer.content for answer in answers]
        best = max(set(said), key=said.count)
        if said.count(best) < 2:
            return Verdict((Flaw("no_majority", "all three differ", answers[-1]),))
        return Verdict((answers[said.index(best)],))
