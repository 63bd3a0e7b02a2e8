"""A gateway in virtual time that does to each call what was drawn for it, and keeps its own books.

It is a transport: calls come as data and are answered as data. What it was asked, whether it may
have worked for it, and what it bills, stands in its books, whatever becomes of its answers.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import orjson

from batch.errors import Interrupted, TimedOut, Unreachable
from batch.media import MediaFolder
from batch.records import Call, Reply
from batch.secret import Secret
from batch.transport import Folding, nobody
from batch.wire import Folder

ROUND_TRIP: Final = 0.01
TEXT: Final = re.compile(rb"line (\d+) v(\d+)")  # what tells a line and its version, in every body
FILM: Final = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(40)
PICTURE: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # noqa: E501
JSON: Final = {"content-type": "application/json"}
PAGE: Final = {"content-type": "text/html"}


class Deed(msgspec.Struct, frozen=True):
    """What the gateway does to a submit."""

    works: bool = False  # it may have begun the work
    bills: bool = False
    tells: bool = False  # what it bills comes with the reply
    doubtful: bool = False  # who asked cannot know whether it is billed
    seconds: float = ROUND_TRIP
    status: int = 200
    error: tuple[str, str] = ("", "")  # type and code, as the gateway's errors say them
    headers: tuple[tuple[str, str], ...] = ()
    fails: type[Interrupted | Unreachable] | None = None  # instead of a reply
    closes: bool = False  # key, model or account: its lines may stay pending


_OWN: Final = "new_api_error"
GOOD: Final = Deed(works=True, bills=True, tells=True)
_CUT: Final = Deed(works=True, bills=True, doubtful=True)
DEEDS: Final[dict[str, Deed]] = {
    "answered": GOOD,
    "answered late": msgspec.structs.replace(GOOD, seconds=40.0),
    "throttled": Deed(status=429, error=(_OWN, "")),
    "throttled, and told for how long": Deed(
        status=429, error=(_OWN, ""), headers=(("retry-after", "3"),)
    ),
    "throttled upstream": Deed(status=429, error=("rate_limit_error", "")),
    "overloaded": Deed(works=True, status=529, error=("overloaded_error", "")),
    "in trouble": Deed(works=True, status=500, error=("", "")),
    "without a channel": Deed(status=503, error=(_OWN, "get_channel_failed")),
    "unreachable": Deed(fails=Unreachable),
    "reset": msgspec.structs.replace(_CUT, fails=Interrupted),
    "silent": msgspec.structs.replace(_CUT, fails=TimedOut, seconds=600.0),
    "given up by the gateway": msgspec.structs.replace(_CUT, status=504, error=("", "")),
    "cut": _CUT,
    "cut, and its cost told": GOOD,
    "empty": GOOD,
    "no label": GOOD,
    "refused": Deed(status=400, error=("invalid_request_error", "")),
    "barred by a page": Deed(status=403),
    "of an unknown model": Deed(status=404, error=("", "model_not_found"), closes=True),
    "of a bad key": Deed(status=401, error=(_OWN, ""), closes=True),
    "without money": Deed(status=402, error=("", ""), closes=True),
    "a task that fails": GOOD,
    "a task that is asked after in vain for a while": GOOD,
}


class Row(msgspec.Struct):
    """A submit in the gateway's books. ``number`` is what it bills, and the same of no other."""

    number: int
    session: int
    texts: tuple[str, ...]  # of the lines that it asks
    once: bool
    film: bool
    name: str  # of the deed
    deed: Deed

    @property
    def doubtful(self) -> bool:
        """Return whether who asked cannot know whether it is billed."""
        unnamed = self.film and self.name == "empty"  # a task of which nobody was told
        unsure = self.once and self.deed.works and not self.deed.tells
        return self.deed.doubtful or unsure or unnamed


class Task(msgspec.Struct):
    """A film on its way."""

    row: Row
    polls: int = 0


class Gateway:
    """Answers, by what was drawn; and remembers."""

    def __init__(self) -> None:
        self.drawn: deque[str] = deque()  # deeds for the next submits; after them all is well
        self.rows: list[Row] = []
        self.calls = 0  # polls and fetches too
        self.session = 0
        self.dead = False  # whoever asks now has crashed, and is told nothing
        self.media: MediaFolder | None = None
        self.worked: dict[str, Row] = {}  # what must not be done twice → what may have done it
        self.twice: list[str] = []  # what was asked a second time nevertheless
        self._tasks: dict[str, Task] = {}

    def begin(self, deeds: Sequence[str], media: MediaFolder | None = None) -> None:
        """Expect a session, and do these things to its first submits."""
        self.session += 1
        self.dead = False
        self.drawn = deque(deeds)
        self.media = media

    def permit(self, texts: Sequence[str]) -> None:
        """Let work be done anew: somebody has asked for that, or has destroyed what was known."""
        for text in texts:
            self.worked.pop(text, None)

    def doubts(self, session: int) -> Counter[str]:
        """Return how often each line was asked in a session without anybody knowing the cost."""
        rows = (row for row in self.rows if row.session == session and row.doubtful)
        return Counter(text for row in rows for text in row.texts)

    async def send(
        self,
        call: Call,
        secret: Secret | None,
        folding: Folding | None = None,
        grew: Callable[[int], None] = nobody,
        leaves: Callable[[], None] | None = None,
    ) -> Reply:
        """Answer one call."""
        if self.dead:
            await asyncio.Event().wait()
        if leaves is not None:
            leaves()
        self.calls += 1
        if call.kind == "submit":
            return await self._submitted(call, folding)
        await asyncio.sleep(ROUND_TRIP)
        if call.kind == "fetch":
            return await self._fetched(call)
        return self._polled(call)

    async def _submitted(self, call: Call, folding: Folding | None) -> Reply:
        name = self.drawn.popleft() if self.drawn else "answered"
        deed = DEEDS[name]
        assert isinstance(call.payload, bytes)
        texts = tuple(dict.fromkeys(f"line {n:d} v{v:d}" for n, v in marks(call.payload)))
        film = "video" in call.path
        row = Row(len(self.rows) + 1, self.session, texts, call.repeat == "once", film, name, deed)
        self.rows.append(row)
        if row.once:
            if texts[0] in self.worked:
                self.twice.append(f"{texts[0]}: {self.worked[texts[0]].name}, then {name}")
            if deed.works:
                self.worked[texts[0]] = row
        await asyncio.sleep(deed.seconds)
        if deed.fails is not None:
            raise deed.fails(f"the gateway was {name}")
        if name == "barred by a page":
            return Reply(403, PAGE, b"<html><title>Stop</title></html>")
        if deed.status != 200:
            kind, code = deed.error
            error = {"message": f"this call is {name}", "type": kind, "code": code}
            return Reply(deed.status, JSON | dict(deed.headers), orjson.dumps({"error": error}))
        return self._answer(row, call, folding)

    def _answer(self, row: Row, call: Call, folding: Folding | None) -> Reply:
        if row.film:
            return self._begun(row)
        if "images" in call.path:
            body = _pictures(row)
        elif "embeddings" in call.path:
            body = _vectors(row, call)
        elif call.expect == "events":
            folder = folding() if folding is not None else None
            assert folder is not None
            return _streamed(row, folder)
        else:
            body = _chat(row)
        data = orjson.dumps(body)
        if row.name == "cut":
            data = data[: len(data) // 2]
        return Reply(200, JSON | {"x-request-id": f"req-{row.number}"}, data)

    def _begun(self, row: Row) -> Reply:
        if row.name == "empty":
            return Reply(200, JSON, b'{"status":"queued"}')
        if row.name == "cut":
            return Reply(200, JSON, b'{"id":"film')
        self._tasks[f"film-{row.number}"] = Task(row)
        return Reply(200, JSON, b'{"id":"film-%d","status":"queued"}' % row.number)

    def _polled(self, call: Call) -> Reply:
        named = call.path.rsplit("/", 1)[1]
        task = self._tasks[named]
        task.polls += 1
        told: dict[str, Any] = {"id": named, "about": task.row.texts[0], "status": "in_progress"}
        if task.row.name == "a task that is asked after in vain for a while" and task.polls < 4:
            return Reply(500, JSON, b'{"error":{"message":"a poll in vain"}}')
        if task.row.name == "a task that fails":
            told |= {"status": "failed", "error": {"message": "it did not please"}}
        elif task.polls > 1:
            told |= {"status": "completed", "seconds": str(task.row.number)}
        return Reply(200, JSON, orjson.dumps(told))

    async def _fetched(self, call: Call) -> Reply:
        assert self.media is not None
        part = self.media.part(call.save_as)
        await part.write(FILM)
        return Reply(200, {"content-type": "video/mp4"}, await part.finish("video/mp4"))


def marks(data: bytes) -> list[tuple[int, int]]:
    """Return number and version of each line that some bytes speak of."""
    return [(int(number), int(version)) for number, version in TEXT.findall(data)]


def _usage(row: Row) -> dict[str, int]:
    return {"prompt_tokens": row.number, "completion_tokens": 1, "total_tokens": row.number + 1}


def _chat(row: Row) -> dict[str, Any]:
    said = "perhaps" if row.name == "no label" else orjson.dumps({"label": "yes"}).decode()
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": said}}
    choice["finish_reason"] = None if row.name == "cut, and its cost told" else "stop"
    choices = [] if row.name == "empty" else [choice]
    return {"about": row.texts[0], "model": "m", "choices": choices, "usage": _usage(row)}


def _streamed(row: Row, folder: Folder) -> Reply:
    """Feed the events of an answer; "cut" ends it where it has no reason to end."""
    delta = {"index": 0, "delta": {"role": "assistant", "content": "about "}}
    rest = {"index": 0, "delta": {"content": row.texts[0]}, "finish_reason": "stop"}
    events: list[dict[str, Any]] = []
    if row.name != "empty":
        events.append({"choices": [delta]})
    if row.name not in ("empty", "cut", "cut, and its cost told"):
        events.append({"choices": [rest]})
    if row.name != "cut":
        events.append({"choices": [], "usage": _usage(row)})
    for event in events:
        folder.feed(orjson.dumps(event))
    return Reply(200, {"content-type": "text/event-stream"}, folder.body(), streamed=True)


def _pictures(row: Row) -> dict[str, Any]:
    data = [] if row.name in ("empty", "cut, and its cost told") else [{"b64_json": PICTURE}]
    usage = {"input_tokens": row.number, "output_tokens": 1}
    return {"about": row.texts[0], "data": data, "usage": usage}


def _vectors(row: Row, call: Call) -> dict[str, Any]:
    assert isinstance(call.payload, bytes)
    data = [{"index": at, "embedding": list(m)} for at, m in enumerate(marks(call.payload))]
    if row.name in ("empty", "cut, and its cost told"):
        data = data[:-1]
    return {"data": data, "usage": {"prompt_tokens": row.number}}
