"""A gateway that misbehaves as tables say, and the real command in front of it.

Many rows share one run. Each is a line with a model, and so with a key, of its own, by which the
gateway knows how to answer it, and which keeps what one row does to a key from the others. Films
that are not ready keep the account alive meanwhile: an odd answer is held back until one of them
was told so, and no more than a few go out before the run has heard so again, lest it take a gateway
full of oddities for one that is gone. That it has, it says by asking after the same film once more.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import sys
import time
from base64 import b64encode
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import STDOUT, Popen
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import orjson

from tests.raw_server import Act, Got, RawServer, Script, http, read_request

ROOT: Final = Path(__file__).parents[2]
CANARY: Final = "sk-canary-in-front-of-bad-gateways"  # what each key begins with
PATIENCE: Final = 120.0  # seconds for a whole run; only a hang takes so long
SILENCE: Final = 8.0  # seconds without an odd request after which no more is waited for
HEARTS: Final = 8  # films that are not ready
TOGETHER: Final = 6  # odd answers between two signs of life; eight failures mean "gone"
NO_PRICES: Final = "[prices]\nlisted = false\n"  # they would be looked up by one more process
NO_TRACE: Final = ("Traceback", "Error:", "Exception", "object at 0x", "<class")

JSON: Final = "Content-Type: application/json"
EVENTS: Final = "Content-Type: text/event-stream"
PICTURE: Final = "Content-Type: image/png"

# What of a line is answered oddly: a chat, one that streams, a picture, the submit of a film, the
# question how far it is, or the file of a picture at another host.
Kind: TypeAlias = Literal["chat", "stream", "image", "submit", "poll", "fetch"]


class Good(NamedTuple):
    """What a good answer is."""

    body: bytes
    header: str

    @property
    def whole(self) -> bytes:
        """Return it with its head."""
        return http(self.body, self.header)


class End(NamedTuple):
    """How a line ends, and with how many requests."""

    how: str  # class of its error, "answered", or "pending"
    sent: int


class Odd(NamedTuple):
    """A row: what a gateway does, and how a line ends to which it does so."""

    name: str
    answer: Callable[[Good], Script] | Script
    ends: str | End  # or a row of ``ENDS``
    says: str = ""  # pattern of the message
    covers: tuple[int, ...] = ()  # of the list of 75 behaviours that were asked for
    heals: int = 0  # after so many such answers it answers well; 0: never


def _ends(chat: End, once: End, asked: End | None = None, fetched: End | None = None) -> Any:
    return {
        "chat": chat,
        "stream": chat,
        "image": once,
        "submit": once,
        "poll": asked,
        "fetch": fetched or asked,
    }


ANSWERED, UNKNOWN = End("answered", 1), End("outcome_unknown", 1)
AGAIN: Final = End("answered", 2)  # asked once more, since asking costs nothing
LOST: Final = End("file_gone", 1)
# What follows from each kind of failure: for text, for what must not be paid twice, for a question
# (odd once), and for a file of an answer. With three attempts at most.
ENDS: Final[dict[str, dict[Kind, End]]] = {
    "answered": _ends(ANSWERED, ANSWERED, ANSWERED),
    "interrupted": _ends(End("interrupted", 2), UNKNOWN, AGAIN),
    "timeout": _ends(End("timeout", 2), UNKNOWN, AGAIN),
    "cut": _ends(End("incomplete_response", 2), UNKNOWN, AGAIN),
    "no answer": _ends(End("invalid_response", 3), UNKNOWN, AGAIN, LOST),
    "trouble": _ends(End("server_error", 3), UNKNOWN, AGAIN),
    "page": _ends(End("web_page", 3), UNKNOWN, AGAIN),
    "barred": _ends(End("web_page", 2), End("web_page", 2), AGAIN, LOST),
    "channel": _ends(End("channel_error", 3), UNKNOWN, AGAIN),
    "panic": _ends(End("gateway_panic", 2), UNKNOWN, AGAIN),
    "refused": _ends(End("refused", 1), End("refused", 1), None, LOST),
    "redirected": _ends(End("redirected", 3), End("redirected", 3)),
    "wrong url": _ends(End("pending", 1), End("pending", 1)),
    "bad key": _ends(End("pending", 1), End("pending", 1)),
    "unknown model": _ends(End("pending", 1), End("pending", 1)),
    "healed": _ends(AGAIN, AGAIN, AGAIN),
    "empty": _ends(End("invalid_response", 3), End("no_media", 1)),
    "overloaded": _ends(End("overloaded", 1), UNKNOWN),
    # It had begun to answer, and so it counts as one that was cut.
    "overloaded twice": _ends(End("overloaded", 2), UNKNOWN),
}


class Line(NamedTuple):
    """A row for one kind of line."""

    token: str  # its model, and its custom_id
    odd: Odd
    kind: Kind

    @property
    def name(self) -> str:
        """Return it for people."""
        return f"{self.odd.name} ({self.kind})"

    @property
    def end(self) -> End:
        """Return what must become of it."""
        ends = self.odd.ends
        return ends if isinstance(ends, End) else ENDS[ends][self.kind]

    @property
    def heals(self) -> int:
        """Return after how many odd answers it is answered well."""
        return self.odd.heals or (1 if self.end == AGAIN else 1 << 30)

    def script(self, good: Good) -> Script:
        """Return what the gateway does."""
        answer = self.odd.answer
        return answer(good) if callable(answer) else answer


def lines(odds: Sequence[Odd], *kinds: Kind) -> list[Line]:
    """Return each row for each of these kinds of lines."""
    pairs = [(odd, kind) for kind in kinds for odd in odds]
    return [Line(f"odd-{n:03d}-{kind}", odd, kind) for n, (odd, kind) in enumerate(pairs)]


# ------------------------------------------------------------------------------------------ answers

USAGE: Final = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def chat(**changed: Any) -> dict[str, Any]:
    """Return a chat's answer, with some of it changed."""
    message = {"role": "assistant", "content": "well"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    whole = {"id": "c-1", "object": "chat.completion", "created": 1, "model": "good"}
    return {**whole, "choices": [choice], "usage": USAGE, **changed}


def chunk_of(text: str | None = None, finish: str | None = None, **more: Any) -> bytes:
    """Return one event of a stream."""
    delta = {"content": text} if text is not None else {}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    event = {"id": "c-1", "object": "chat.completion.chunk", "choices": [choice], **more}
    return b"data: " + orjson.dumps(event) + b"\n\n"


def reported(code: str, kind: str = "new_api_error", message: str = "said so") -> bytes:
    """Return an error as the gateway writes it."""
    return orjson.dumps({"error": {"message": message, "type": kind, "param": "", "code": code}})


PNG: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(17) + b"\x00\x00\x00\x00IEND\xaeB`\x82"
FILM: Final = b"\x00\x00\x00\x18ftypmp42" + bytes(12)
_STREAM: Final = chunk_of("we") + chunk_of("ll", "stop", usage=USAGE) + b"data: [DONE]\n\n"
_INSIDE: Final = {"created": 1, "data": [{"b64_json": b64encode(PNG).decode()}]}


# ------------------------------------------------------------------------------------------ gateway


class Gateway(RawServer):
    """Answers each request of a line as its row says, and any other well."""

    def __init__(self, lines: Sequence[Line]) -> None:
        super().__init__(())
        self.sent: dict[str, list[Got]] = defaultdict(list)  # odd requests, by their line's token
        self._lines = {line.token: line for line in lines}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._over = False
        self._latest = math.inf  # when the last odd request came, or the first of all
        # Odd answers: how many were let go, went, had gone when each film was told of last, and had
        # gone before a sign of life that the run has heard.
        self._let_go = self._gone = self._survived = 0
        self._told: dict[str, int] = {}

    async def _follow(
        self, script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while Act.CLOSE not in script and Act.RESET not in script:
                got = await read_request(reader)
                if not self.got:  # a command may take long to begin
                    self._latest = asyncio.get_running_loop().time()
                self.got.append(got)
                script = await self._script(got)
                for step in script:
                    await self._do(step, reader, writer)
                if "GET /v1/videos/heart" in got.line:
                    self._survived = max(self._survived, self._told.get(got.line, 0))
                    self._told[got.line] = self._gone
                    self._release()
                elif self._over:
                    self._release()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other side may go at any time: that is what many scripts wait for
        finally:
            writer.transport.abort() if Act.RESET in script else writer.close()

    async def _script(self, got: Got) -> Script:
        found = re.search(rb"odd-\d{3}-[a-z]+", got.line.encode() + got.body)
        line = self._lines.get(found[0].decode()) if found else None
        asks = got.line.startswith("GET")
        if line is None:
            return (
                self._heart(got) if b"heart" in got.body or asks else self._well("chat", "").whole,
            )
        good = self._well(line.kind, line.token, begins=not asks)
        if (line.kind in ("poll", "fetch")) is not asks:
            return (good.whole,)
        self.sent[line.token].append(got)
        self._latest = asyncio.get_running_loop().time()
        await self._turn()
        return line.script(good) if len(self.sent[line.token]) <= line.heals else (good.whole,)

    def _well(self, kind: str, token: str, *, begins: bool = True) -> Good:
        """Return a good answer to a request of a line of this kind."""
        if kind in ("submit", "poll"):
            film = f"data:video/mp4;base64,{b64encode(FILM).decode()}"
            state = {"status": "queued"} if kind == "poll" and begins else {"url": film}
            told = orjson.dumps({"id": token, "object": "video", "status": "completed", **state})
            return Good(told, f"{JSON}\r\nretry-after-ms: 250")
        if kind == "fetch":
            address = {"created": 1, "data": [{"url": f"{self.url}/files/{token}"}]}
            return Good(orjson.dumps(address), JSON) if begins else Good(PNG, PICTURE)
        body = {"stream": _STREAM, "image": orjson.dumps(_INSIDE)}
        return Good(body.get(kind, orjson.dumps(chat())), EVENTS if kind == "stream" else JSON)

    def _heart(self, got: Got) -> bytes:
        found = re.search(r"heart-\d+", got.line + got.body.decode("utf-8", "replace"))
        assert found is not None, f"nobody is to ask this: {got.line}"
        waits = not self._is_over()
        return self._well("poll", found[0], begins=waits).whole

    def _is_over(self) -> bool:
        """Return whether each line has come as often as it must, or nobody comes any more."""
        late = asyncio.get_running_loop().time() - self._latest > SILENCE
        all_came = all(len(self.sent[one.token]) >= one.end.sent for one in self._lines.values())
        self._over = self._over or late or all_came
        return self._over

    async def _turn(self) -> None:
        if not self._over:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
            self._gone += 1

    def _release(self) -> None:
        """Let some of the odd answers go, after a sign of life; all of them when it is over."""
        while self._waiting and (self._over or self._let_go < self._survived + TOGETHER):
            self._waiting.popleft().set_result(None)
            self._let_go += 1


# ---------------------------------------------------------------------------------------------- run


class Ended(NamedTuple):
    """What a command left."""

    folder: Path
    code: int
    said: str  # on both streams
    peak: int  # bytes of memory
    seconds: float

    def records(self, name: str = "out.jsonl") -> dict[str, dict[str, Any]]:
        """Return the records of a log by their ids, of which none stands twice."""
        path = self.folder / name
        text = path.read_bytes() if path.exists() else b""
        found = [orjson.loads(line) for line in text.splitlines()]
        by_id = {one["custom_id"]: one for one in found}
        assert len(by_id) == len(found), "a line has two records"
        return by_id

    def errors(self) -> dict[str, dict[str, Any]]:
        """Return the records of errors by their ids."""
        return self.records("out.run/errors.jsonl")

    def message(self, token: str) -> str:
        """Return what the error of a line says."""
        record = self.errors()[token]
        return str((record["error"] or record["x_run"])["message"])

    def how(self, token: str) -> str:
        """Return how a line ended."""
        if token in self.records():
            return "answered"
        error = self.errors().get(token)
        return error["x_run"]["class"] if error else "pending"


async def wbatch(folder: Path, *args: object, key: str = CANARY, **environ: str) -> Ended:
    """Run the command to its end, and require what holds of every run."""
    return await asyncio.to_thread(_wbatch, folder, args, {"OPENAI_API_KEY": key, **environ})


def _wbatch(folder: Path, args: Sequence[object], environ: dict[str, str]) -> Ended:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    around = {"XDG_CONFIG_HOME": str(folder), "PYTHONPATH": str(ROOT), **kept, **environ}
    command = [sys.executable, "-m", "batch", *map(str, args)]
    begun, peak = time.monotonic(), 0
    with (folder / "said.txt").open("wb") as said:
        process = Popen(command, cwd=folder, env=around, stdout=said, stderr=STDOUT)
        while process.poll() is None:
            peak = _peak(process.pid) or peak
            if time.monotonic() - begun > PATIENCE:
                process.kill()
            time.sleep(0.02)
    ended = Ended(
        folder,
        process.returncode,
        (folder / "said.txt").read_text(errors="replace"),
        peak,
        time.monotonic() - begun,
    )
    _require_what_always_holds(ended)
    return ended


def _peak(pid: int) -> int:
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return 1024 * int(found[1]) if found else 0


def _require_what_always_holds(ended: Ended) -> None:
    assert ended.code >= 0, f"it hung, or was killed:\n{ended.said}"
    for trace in NO_TRACE:
        assert trace not in ended.said, ended.said
    for path in ended.folder.rglob("*"):
        if path.is_file() and path.name not in ("config.toml", "in.jsonl"):
            assert CANARY.encode() not in path.read_bytes(), f"a key stands in {path.name}"


def write(folder: Path, lines: Sequence[Line], goods: int = 0) -> dict[str, str]:
    """Write the inputs and the keys of a run over these rows; return the keys' variables."""
    variables = {line.token: f"KEY_{n}" for n, line in enumerate(lines)}
    keys = [f'[[keys]]\nmatch = "{token}"\nenv = "{name}"\n' for token, name in variables.items()]
    (folder / "config.toml").write_text("".join([NO_PRICES, *keys]))
    hearts = [_line(f"heart-{n}", "poll") for n in range(HEARTS)]
    others = [_line(f"good-{n}", "chat") for n in range(goods)]
    odd = [_line(line.token, line.kind) for line in lines]
    (folder / "in.jsonl").write_bytes(b"".join((*hearts, *others, *odd)))
    return {name: f"{CANARY}-{name}" for name in variables.values()}


_PATHS: Final = {
    "chat": "/v1/chat/completions",
    "stream": "/v1/chat/completions",
    "image": "/v1/images/generations",
    "fetch": "/v1/images/generations",
    "submit": "/v1/videos",
    "poll": "/v1/videos",
}


def _line(token: str, kind: Kind) -> bytes:
    body: dict[str, Any] = {"model": token, "prompt": "a day"}
    if kind in ("chat", "stream"):
        body = {"model": token, "messages": [{"role": "user", "content": "hello"}]}
        body |= {"stream": True} if kind == "stream" else {}
    line = {"custom_id": token, "method": "POST", "url": _PATHS[kind], "body": body}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


class Ran(NamedTuple):
    """What a run over some rows came to."""

    ended: Ended
    gateway: Gateway

    def end(self, line: Line) -> End:
        """Return what became of a row."""
        return End(self.ended.how(line.token), len(self.gateway.sent[line.token]))


RETRIES_AT_FIRST: Final = 10  # that a run is granted; then one for every ten answers


def ask(folder: Path, lines: Sequence[Line], *flags: object) -> Ran:
    """Run the command over rows, among as many good lines as pay for their retries."""

    async def main() -> Ran:
        retries = sum(line.end.sent - 1 for line in lines)
        keys = write(folder, lines, max(0, 10 * (retries - RETRIES_AT_FIRST)))
        async with Gateway(lines) as gateway:
            at = ("--base-url", gateway.url, "--config", "config.toml", "--max-attempts", 3)
            ended = await wbatch(folder, "run", "in.jsonl", "-o", "out.jsonl", *at, *flags, **keys)
        return Ran(ended, gateway)

    return asyncio.run(main())
