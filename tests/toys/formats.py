"""Four toys that the contract was proven on before it froze: no vendor speaks like this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from batch.errors import BadBody, Refused, ServerTrouble
from batch.records import (
    Answer,
    Call,
    Done,
    Field,
    FileOut,
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
from batch.script import Identity, Verdict, request, shared
from batch.usage import Meter, Usage
from batch.wire import Ask, Estimate, Folder, Shaped


class Toy:
    """What the toys have in common."""

    name = "toy"
    endpoint = "/toy"

    def claims(self, url: str) -> bool:
        return url == self.endpoint

    def mine(self, body: Mapping[str, Any]) -> bool:
        return "toy" in body

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        if not body.startswith(b"{"):
            raise BadBody("a toy's body is an object")
        return Shaped("toy", body)

    def build(self, prompt: str, system: str | None, schema: Mapping[str, Any] | None) -> bytes:
        return orjson.dumps({"toy": prompt})

    def repeat(self, request: Request) -> Repeat:
        return "free"

    def estimate(self, request: Request) -> Estimate:
        return Estimate(10, 10)

    def bound(self, request: Request) -> Usage | None:
        return None

    def start(self, request: Request) -> Step:
        return Send(Call("POST", self.endpoint, request.body, repeat=self.repeat(request)))

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
            saved = reply.body
            out = FileOut(saved.path, saved.size, saved.sha256, "video/toy")
            usage = Usage({Meter.MILLISECONDS: 4000})
            return Done(Answer(b'{"status":"done"}', None, "stop", usage, files=(out,)))
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

    def __init__(self, path: str) -> None:
        self._path = path

    def start(self, request: Request) -> Step:
        file = FileRef(self._path, "voice.txt", "text/plain")
        return Send(Call("POST", "/toy", Form((Field("words", "hello"), Field("file", file)))))


class PackToy(Toy):
    """One call answers several lines."""

    name = "pack"

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        body = read(reply)
        shares = tuple(
            Answer(orjson.dumps({"say": said}), said, "stop", None) for said in body["says"]
        )
        whole = Answer(orjson.dumps(body), None, "stop", tokens(body), shares=shares)
        return Done(whole)


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


class Pack:
    """Asks up to so many lines with one call."""

    def __init__(self, width: int) -> None:
        self.width = width

    def identity(self) -> Identity:
        return {"script": "pack", "width": self.width}

    def begin(self, rows: Sequence[Row]) -> AskMore:
        return AskMore(
            (
                Request(
                    ordinals=tuple(row.ordinal for row in rows),
                    custom_ids=tuple(row.custom_id for row in rows),
                    format=rows[0].format,
                    model=rows[0].model,
                    body=b"[" + b",".join(row.body for row in rows) + b"]",
                ),
            )
        )

    def more(self, rows: Sequence[Row], answers: Sequence[Answer]) -> AskMore | Verdict:
        return Verdict(shared(answers[0]))
