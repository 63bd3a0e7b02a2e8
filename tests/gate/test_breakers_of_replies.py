"""From a reply's words to who must stop: the whole way, through wire format, retries and gate.

Two keys, two models at the first of them. Everybody is answered, but for one model, which gets the
reply of a row, always or once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
import pytest

from batch.halt import Halt
from batch.records import Call, Reply, Row
from batch.retry import RetryPolicy
from batch.secret import Secret
from batch.session.ending import SILENT_SECONDS
from batch.transport import Folding, nobody
from batch.wire import formats
from tests.rig import EPOCH, Rig, Scripted, json_reply, rows

CHAT: Final = "chat"
LINES: Final = 30  # of each model
SICK, SISTER, OTHER = "a-1", "a-2", "b-1"
GOOD: Final = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "yes"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
}
PAGE: Final = b"<html><body>nginx</body></html>"


def error(status: int, **said: object) -> Reply:
    """An error as the gateway and the vendors behind it tell it."""
    return json_reply({"error": {"message": "what happened", **said}}, status)


def gateways(status: int, code: str = "", message: str = "what happened") -> Reply:
    """One that the gateway wrote itself."""
    return error(status, type="new_api_error", code=code, message=message)


def page(status: int, **headers: str) -> Reply:
    return Reply(status, {"content-type": "text/html", **headers}, PAGE, EPOCH, 10)


def hinted(reply: Reply, seconds: int = 40) -> Reply:
    return msgspec.structs.replace(reply, headers={**reply.headers, "retry-after": str(seconds)})


def lines_of_three_models() -> list[Row]:
    """Their lines take turns in the file."""
    row = msgspec.structs.replace
    return [
        row(
            one,
            model=model,
            path="/v1/chat/completions",
            body=orjson.dumps({"model": model, "messages": [], "n": one.ordinal}),
        )
        for one, model in zip(rows(3 * LINES, CHAT), LINES * (SICK, SISTER, OTHER), strict=True)
    ]


class World:
    """Answers everybody but one model; notes when each was asked."""

    def __init__(self, sick: Reply, times: float) -> None:
        self.asked: dict[str, list[float]] = {SICK: [], SISTER: [], OTHER: []}
        self._sick = sick
        self._times = times

    def reply_to(self, call: Call) -> Reply:
        assert isinstance(call.payload, bytes)
        model = orjson.loads(call.payload)["model"]
        self.asked[model].append(asyncio.get_running_loop().time())
        good = model != SICK or len(self.asked[SICK]) > self._times
        return json_reply(GOOD) if good else self._sick

    def ran(self, folder: Path, policy: RetryPolicy | None = None) -> dict[str, set[Any]]:
        """What the lines of each model came to; None: they are pending."""
        rig = Rig(folder, formats()[CHAT], concurrency=6, keys=["a-*", "b-*"])
        rig.policy = policy or rig.policy
        todo = lines_of_three_models()
        rig.session(todo, Scripted(self.reply_to))
        ends: dict[int, str] = dict.fromkeys(rig.results(), "answered")
        ends |= {line: one["x_run"]["class"] for line, one in rig.errors().items()}
        return {
            model: {ends.get(row.ordinal) for row in todo if row.model == model}
            for model in self.asked
        }


ANSWERED: Final = {"answered"}
PENDING: Final = {None}


CLOSES = [
    # The account, as the issue of money is its, with any status.
    ("account", gateways(403, "insufficient_user_quota")),
    ("account", gateways(429, "pre_consume_token_quota_failed")),
    ("account", gateways(200, "insufficient_user_quota")),
    ("account", json_reply({"code": 4, "description": "quota_not_enough", "type": "x"}, 400)),
    ("account", gateways(403, message="token quota is not enough")),
    # The key
    ("key", gateways(401)),
    ("key", error(401)),
    ("key", gateways(403, message="this address is not allowed")),
    ("key", error(404, message="Invalid URL (POST /chat)")),
    ("key", page(404)),
    ("key", page(405)),
    ("key", page(301, location="https://elsewhere.example/")),
    # One model with one key
    ("model", error(429, code="insufficient_quota", type="insufficient_quota")),
    ("model", error(403, type="billing_error")),
    ("model", error(401, type="authentication_error")),
    ("model", gateways(403, message="this token may not use model a-1")),
    ("model", gateways(503, "model_not_found")),
    ("model", gateways(503, "no_available_channel")),
    ("model", error(404, code="model_not_found", type="invalid_request_error")),
    ("model", gateways(400, "invalid_model_name")),
]


@pytest.mark.parametrize(
    ("scope", "reply"), CLOSES, ids=[f"{scope}-{n}" for n, (scope, _) in enumerate(CLOSES)]
)
def test_what_is_hopeless_is_closed_as_far_as_it_is_and_no_further(
    tmp_path: Path, scope: str, reply: Reply
) -> None:
    world = World(reply, times=float("inf"))

    ends = world.ran(tmp_path)

    assert ends[SICK] == PENDING
    assert len(world.asked[SICK]) <= (6 + 1 + 3 if scope != "account" else LINES)
    if scope == "model":
        assert ends[SISTER] == ends[OTHER] == ANSWERED
    elif scope == "key":
        assert None in ends[SISTER]
        assert ends[OTHER] == ANSWERED
    assert set.union(*ends.values()) == {"answered", None}


def test_an_empty_account_sends_for_nobody(tmp_path: Path) -> None:
    """Everybody is told so: else an answer to one would show that there is money."""
    reply = gateways(403, "insufficient_user_quota")
    sent = []

    def reply_to(call: Call) -> Reply:
        sent.append(call)
        return reply

    rig = Rig(tmp_path, formats()[CHAT], concurrency=6, keys=["a-*", "b-*"])
    rig.session(lines_of_three_models(), Scripted(reply_to))

    assert rig.results() == rig.errors() == {}
    assert len(sent) <= 12


def end_when_silent(halt: Halt) -> None:
    """Have a run of pages end as the ticker of a real one would."""
    asyncio.get_running_loop().call_later(SILENT_SECONDS, halt.request, "silent")


BARRED = [page(400), page(403), page(407), page(501), page(200)]


@pytest.mark.parametrize("reply", BARRED, ids=lambda reply: str(reply.status))
@pytest.mark.parametrize("repeat", ["free", "once"])
def test_pages_in_the_place_of_every_answer_pause_the_account_and_make_no_errors(
    tmp_path: Path, reply: Reply, repeat: str
) -> None:
    halt = Halt()
    sent: list[float] = []

    def reply_to(call: Call) -> Reply:
        end_when_silent(halt)
        sent.append(asyncio.get_running_loop().time())
        return reply

    rig = Rig(tmp_path, formats()[CHAT], concurrency=6, keys=["a-*", "b-*"])
    makes = "image" if repeat == "once" else "text"
    lines = [msgspec.structs.replace(one, makes=makes) for one in lines_of_three_models()]

    rig.session(lines, Scripted(reply_to), halt=halt)

    # A page under a good status may have come in the place of work that was done.
    unknown = {*rig.errors()} if (reply.status, repeat) == (200, "once") else set()
    assert rig.results() == {}
    assert rig.errors().keys() == unknown
    assert len(sent) <= 8 + 6 + 30
    assert sent[-1] > SILENT_SECONDS - 31


def test_few_attempts_make_no_error_of_what_is_the_models_trouble(tmp_path: Path) -> None:
    world = World(error(401, type="authentication_error"), times=float("inf"))

    ends = world.ran(tmp_path, RetryPolicy(attempts=1))

    assert ends == {SICK: PENDING, SISTER: ANSWERED, OTHER: ANSWERED}


class Slow(Scripted):
    """The sister takes its time, so that the lines of both models come by slowly."""

    async def send(
        self,
        call: Call,
        secret: Secret | None,
        folding: Folding | None = None,
        grew: Callable[[int], None] = nobody,
        leaves: Callable[[], None] | None = None,
    ) -> Reply:
        assert isinstance(call.payload, bytes)
        if orjson.loads(call.payload)["model"] == SISTER:
            await asyncio.sleep(60)
        return await super().send(call, secret, folding, grew, leaves)


def test_a_closed_model_is_tried_again_in_a_run_that_goes_on(tmp_path: Path) -> None:
    world = World(error(401, type="authentication_error"), times=1 + 3 + 2)
    rig = Rig(tmp_path, formats()[CHAT], concurrency=1, keys=["*"])
    todo = lines_of_three_models()

    rig.session(todo, Slow(world.reply_to))

    answered = [row.model for row in todo if row.ordinal in rig.results()]
    assert answered.count(SISTER) == answered.count(OTHER) == LINES
    assert LINES / 3 < answered.count(SICK) < LINES
    assert rig.errors() == {}
    assert len(world.asked[SICK]) == 1 + 3 + 2 + answered.count(SICK)


class Unhurried(Scripted):
    """Every answer takes a second."""

    async def send(self, *asked: Any, **more: Any) -> Reply:
        await asyncio.sleep(1)
        return await super().send(*asked, **more)


def test_pages_for_some_lines_end_these_lines_alone_the_last_of_them_too(tmp_path: Path) -> None:
    """A firewall that takes offence at what some prompts say."""
    rig, halt = Rig(tmp_path, formats()[CHAT], concurrency=6), Halt()
    offending = {1, 10, 11, 30, 59, 60}

    def reply_to(call: Call) -> Reply:
        end_when_silent(halt)
        assert isinstance(call.payload, bytes)
        return page(403) if orjson.loads(call.payload)["n"] in offending else json_reply(GOOD)

    gateway = Unhurried(reply_to)
    rig.session(lines_of_three_models()[:60], gateway, halt=halt)

    assert rig.errors().keys() == offending
    assert {one["x_run"]["class"] for one in rig.errors().values()} == {"web_page"}
    # Before the first answer a page counts against nobody.
    assert 54 + 2 * 6 <= len(gateway.calls) <= 54 + 2 * 6 + 1


@pytest.mark.parametrize("concurrency", [2, 6, 20])
def test_pages_from_the_middle_of_a_run_on_leave_its_lines_pending(
    tmp_path: Path, concurrency: int
) -> None:
    rig, halt = Rig(tmp_path, formats()[CHAT], concurrency=concurrency), Halt()

    replies = iter(LINES * [json_reply(GOOD)])

    def reply_to(call: Call) -> Reply:
        end_when_silent(halt)
        return next(replies, page(403))

    gateway = Unhurried(reply_to)
    rig.session(lines_of_three_models(), gateway, halt=halt)

    assert len(rig.results()) == LINES
    assert len(rig.errors()) <= 8 / 2
    assert len(gateway.calls) <= LINES + 8 + concurrency + 30


PAUSES = [
    ("account", gateways(429)),
    ("account", Reply(429, {}, b"", EPOCH, 10)),
    ("key", error(429, type="rate_limit_error")),
    ("key", error(429, code=429, type="upstream_error")),
    ("key", json_reply({"code": 23, "description": "the queue is full"})),
    ("key", json_reply({"code": 30, "description": "the group is full"})),
    ("key", error(529, type="overloaded_error")),
    ("key", gateways(503, "system_cpu_overloaded")),
    ("nobody", error(500, type="server_error")),
    ("nobody", error(503)),
    ("nobody", gateways(500, "do_request_failed")),
]


@pytest.mark.parametrize(
    ("scope", "reply"), PAUSES, ids=[f"{scope}-{n}" for n, (scope, _) in enumerate(PAUSES)]
)
def test_a_limit_pauses_whose_it_is(tmp_path: Path, scope: str, reply: Reply) -> None:
    world = World(hinted(reply), times=1)

    ends = world.ran(tmp_path)

    assert set.union(*ends.values()) == ANSWERED
    # What was on its way when the reply came is answered 0.01 s later; until 40 s nobody else is.
    paused_at = world.asked[SICK][0] + 0.015
    paused = {
        model
        for model, times in world.asked.items()
        if not [time for time in times if paused_at < time < paused_at + 35]
    }
    assert {"account": {SICK, SISTER, OTHER}, "key": {SICK, SISTER}}.get(scope, set()) == paused


FAILS = [
    ("refused", gateways(500, "invalid_request"), 1),
    ("refused", gateways(500, "sensitive_words_detected"), 1),
    ("refused", error(400, type="invalid_request_error"), 1),
    ("refused", error(403, type="permission_error"), 1),
    ("refused", error(404, type="not_found_error"), 1),
    ("refused", error(413), 1),
    ("refused", error(422), 1),
    ("refused", error(501), 1),
    ("gateway_panic", error(500, type="new_api_panic"), 2),
    ("interrupted", error(504), 2),
    ("interrupted", error(524), 2),
    ("invalid_response", json_reply({"choices": []}), 3),
]


@pytest.mark.parametrize(
    ("code", "reply", "attempts"), FAILS, ids=[f"{code}-{n}" for n, (code, *_) in enumerate(FAILS)]
)
def test_a_lines_own_trouble_ends_the_line_and_stops_nobody(
    tmp_path: Path, code: str, reply: Reply, attempts: int
) -> None:
    world = World(reply, times=float("inf"))

    ends = world.ran(tmp_path)

    assert ends == {SICK: {code}, SISTER: ANSWERED, OTHER: ANSWERED}
    assert len(world.asked[SICK]) == LINES * attempts
