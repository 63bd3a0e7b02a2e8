"""What every wire format promises, whichever it is.

A format brings its samples in ``samples/<name>/``: ``request*.json`` are bodies that it takes,
``200-*`` and ``response-*`` good replies to its first call, JSON (``.json``) or events (``.txt``).
"""

import contextlib
import hashlib
import json
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch.errors import BadBody, CallFailed
from batch.records import Call, Done, Reply, Request, Saved, Send, State, Step, Wait
from batch.usage import Usage
from batch.wire import Ask, formats
from batch.wire._sse import Events

SAMPLES = Path(__file__).parent / "samples"
FORMATS = sorted(formats())
MODEL = "the-model-of-the-ask"

every_format = pytest.mark.parametrize("name", FORMATS)
quick = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def files(name: str, *patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in (SAMPLES / name).glob(pattern))


def requests_of(name: str) -> list[bytes]:
    return [path.read_bytes() for path in files(name, "request*.json")]


def ask(name: str, **more: Any) -> Ask:
    return Ask(url=formats()[name].endpoint, **({"model": MODEL} | more))


@cache
def request_of(name: str, index: int = 0) -> Request:
    wire = formats()[name]
    shaped = wire.shape(requests_of(name)[index], ask(name))
    return Request((1,), ("line-1",), name, shaped.model, shaped.body)


def good_replies(name: str) -> Iterator[tuple[str, Reply]]:
    call = first_call(name)
    for path in files(name, "200-*", "response-*"):
        body = path.read_bytes()
        if path.suffix == ".txt":
            yield path.name, reply_of(call, fold(name, body), streamed=True)
        else:
            yield path.name, reply_of(call, body)


def fold(name: str, stream: bytes, size: int | None = None) -> bytes:
    folder = formats()[name].folder(request_of(name))
    assert folder is not None
    events, size = Events(), size or len(stream) + 1
    for start in range(0, len(stream), size):
        for event in events.feed(stream[start : start + size]):
            folder.feed(event)
    for event in events.end():
        folder.feed(event)
    return folder.body()


def reply_of(call: Call, body: bytes, status: int = 200, *, streamed: bool = False) -> Reply:
    headers = {"x-oneapi-request-id": "gw-1"}
    if call.expect == "file" and status == 200:
        saved = Saved("answer.bin", len(body), hashlib.sha256(body).hexdigest(), body[:4096])
        return Reply(status, headers, saved)
    return Reply(status, headers, body, streamed=streamed)


def first_step(name: str) -> Send:
    step = formats()[name].start(request_of(name))
    assert isinstance(step, Send)
    return step


def first_call(name: str) -> Call:
    return first_step(name).call


def steps_of(name: str) -> Iterator[tuple[Call, State | None]]:
    """Yield the first step, and those that the good replies lead to."""
    step: Step = first_step(name)
    yield step.call, step.state
    for _, reply in good_replies(name):
        following = formats()[name].next(request_of(name), step.state, reply)
        if not isinstance(following, Done):
            yield following.call, following.state


FAILURES = [
    ("A", 403, b'{"error":{"message":"no","type":"new_api_error","param":"","code":"x"}}'),
    ("A, no type", 500, b'{"error":{"message":"no","code":null}}'),
    ("A, a number", 500, b'{"error":{"message":"no","type":"<nil>","code":500}}'),
    ("A in a 200", 200, b'{"error":{"message":"no","type":"new_api_error","code":"x"}}'),
    ("B", 529, b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}'),
    ("B in a 200", 200, b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}'),
    ("C", 429, b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"q","details":[]}}'),
    ("D", 500, b'{"code":"do_request_failed","message":"no","data":null}'),
    ("E", 400, b'{"code":4,"description":"quota_not_enough ","type":"upstream_error"}'),
    ("F in a 200", 200, b'{"code":24,"description":"no","properties":{"bannedWord":"x"}}'),
    ("G in a 200", 200, b'{"code":1201,"message":"no","request_id":"r"}'),
    ("H", 404, b'{"error":"midjourney_task_not_found"}'),
    ("H in a 200", 200, b'{"error":"midjourney_task_not_found"}'),
    ("I in a 200", 200, b'{"success":false,"message":"no"}'),
    ("J", 500, b'{"error":{"message":"no","type":"server_error"}}'),
    ("K", 429, b""),
    ("L", 502, b"<html>Bad Gateway</html>"),
    ("L", 504, b"<html>Gateway Timeout</html>"),
    ("L", 524, b"error code: 524"),
    ("L", 413, b"<html>Request Entity Too Large</html>"),
    ("L in a 200", 200, b"<html>Welcome</html>"),
    ("nothing in a 200", 200, b""),
    ("a redirect", 301, b""),
]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**20) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


def mutated(value: Any, junk: Any, chance: random.Random) -> Any:
    """Return the JSON with one place, somewhere, replaced, removed or doubled."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.1:
        return junk
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = chance.choice(keys)
    copy = value.copy()
    if chance.random() < 0.1:
        del copy[key]
    else:
        copy[key] = mutated(value[key], junk, chance)
    return copy


def test_names_and_endpoints_are_told_apart() -> None:
    assert FORMATS
    for name, wire in formats().items():
        assert wire.name == name
        assert name.isidentifier() or "-" in name
        assert wire.endpoint.startswith("/")


@every_format
def test_a_format_brings_its_samples(name: str) -> None:
    assert requests_of(name)
    assert files(name, "200-*", "response-*")


@every_format
def test_it_claims_its_own_endpoint_and_no_other(name: str) -> None:
    wire = formats()[name]

    assert wire.claims(wire.endpoint)
    assert not wire.claims("/v1/nothing-of-that-kind")
    assert not wire.claims("")


@every_format
def test_shaping_twice_is_shaping_once(name: str) -> None:
    wire = formats()[name]
    for body in requests_of(name):
        once = wire.shape(body, ask(name))

        assert wire.shape(once.body, ask(name)) == once


@every_format
def test_a_body_that_needs_nothing_is_left_as_it_is(name: str) -> None:
    wire = formats()[name]
    for body in requests_of(name):
        shaped = wire.shape(body, ask(name, add_usage=False))

        assert shaped.body == body or shaped.model == MODEL


@every_format
def test_an_override_sets_the_model(name: str) -> None:
    wire = formats()[name]
    for body in requests_of(name):
        assert wire.shape(body, ask(name, override_model="another")).model == "another"


@every_format
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"7", b"{}", b"{}{}", b"\xff", b"[" * 5000]
)
def test_a_bad_body_is_refused_in_words(name: str, body: bytes) -> None:
    with pytest.raises(BadBody, match=r"\w+ \w+"):
        formats()[name].shape(body, ask(name))


@every_format
@quick
@given(body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_body_is_too_odd(name: str, body: bytes) -> None:
    with contextlib.suppress(BadBody):
        formats()[name].shape(body, ask(name))


@every_format
def test_a_body_can_be_built_from_a_prompt(name: str) -> None:
    wire = formats()[name]
    with contextlib.suppress(BadBody):  # some formats need more than a prompt
        body = wire.build('Say "hi".', None, None)

        assert wire.shape(body, ask(name)).model


@every_format
def test_it_begins_with_a_submit_to_the_gateway(name: str) -> None:
    wire = formats()[name]
    for index in range(len(requests_of(name))):
        request = request_of(name, index)

        step = wire.start(request)

        assert isinstance(step, Send)
        assert (step.call.kind, step.call.origin) == ("submit", "gateway")
        assert step.call.method == "POST"
        assert step.call.path.startswith("/")
        assert step.call.payload
        assert step.call.repeat == wire.repeat(request)
        assert step == wire.start(request)


@every_format
def test_it_knows_how_much_a_request_may_take(name: str) -> None:
    wire = formats()[name]
    for index in range(len(requests_of(name))):
        estimate = wire.estimate(request_of(name, index))
        bound = wire.bound(request_of(name, index))

        assert estimate.input_tokens >= 0
        assert estimate.output_tokens >= 0
        assert bound is None or all(count >= 0 for count in bound.counts.values())


@every_format
def test_a_good_reply_gives_the_next_step(name: str) -> None:
    wire = formats()[name]
    for _, reply in good_replies(name):
        step = wire.next(request_of(name), first_step(name).state, reply)

        if isinstance(step, Done):
            assert b"\n" not in step.answer.body
            assert b"\r" not in step.answer.body
            assert isinstance(json.loads(step.answer.body), dict)
            assert step.answer.usage is None or isinstance(step.answer.usage, Usage)
        else:
            assert json.loads(json.dumps(step.state)) == step.state


@every_format
def test_a_stream_gives_the_same_however_it_is_cut(name: str) -> None:
    for path in files(name, "*.txt"):
        stream = path.read_bytes()

        assert {fold(name, stream, size) for size in (1, 2, 7, 64, 1000)} == {fold(name, stream)}


@every_format
@pytest.mark.parametrize(("shape", "status", "body"), FAILURES)
def test_every_failure_is_named(name: str, shape: str, status: int, body: bytes) -> None:
    wire, request = formats()[name], request_of(name)
    for call, state in steps_of(name):
        reply = reply_of(call, body, status)

        if call.kind == "submit":
            with pytest.raises(CallFailed) as caught:
                wire.next(request, state, reply)
            assert type(caught.value) is not CallFailed
            assert caught.value.status == status
        else:
            # What a later step makes of it is its own; a crash is not among the choices.
            with contextlib.suppress(CallFailed):
                assert isinstance(wire.next(request, state, reply), Send | Wait | Done)


@every_format
@quick
@given(
    status=st.sampled_from([200, 200, 200, 201, 204, 400, 404, 429, 500, 503]),
    body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
)
def test_no_reply_is_too_odd(name: str, status: int, body: bytes) -> None:
    for call, state in steps_of(name):
        with contextlib.suppress(CallFailed):
            formats()[name].next(request_of(name), state, reply_of(call, body, status))


@every_format
@quick
@given(junk=JSON, chance=st.randoms(use_true_random=False))
def test_no_change_of_a_good_reply_is_too_odd(name: str, junk: Any, chance: random.Random) -> None:
    for call, state in steps_of(name):
        for _, good in good_replies(name):
            if isinstance(good.body, bytes):
                body = json.dumps(mutated(json.loads(good.body), junk, chance)).encode()
                with contextlib.suppress(CallFailed):
                    formats()[name].next(request_of(name), state, reply_of(call, body))


@every_format
@quick
@given(
    events=st.lists(st.binary() | JSON.map(lambda value: json.dumps(value).encode()), max_size=5)
)
def test_no_event_is_too_odd(name: str, events: list[bytes]) -> None:
    folder = formats()[name].folder(request_of(name))
    if folder is not None:
        with contextlib.suppress(CallFailed):
            for event in events:
                folder.feed(event)
            json.loads(folder.body())


@every_format
@quick
@given(junk=JSON, chance=st.randoms(use_true_random=False))
def test_no_change_of_a_good_stream_is_too_odd(name: str, junk: Any, chance: random.Random) -> None:
    for path in files(name, "*.txt"):
        events = Events()
        folder = formats()[name].folder(request_of(name))
        assert folder is not None
        with contextlib.suppress(CallFailed):
            for event in [*events.feed(path.read_bytes()), *events.end()]:
                folder.feed(json.dumps(mutated(json.loads(event), junk, chance)).encode())
            reply = reply_of(first_call(name), folder.body(), streamed=True)
            formats()[name].next(request_of(name), first_step(name).state, reply)


@every_format
@pytest.mark.parametrize("event", [b"{", b"null", b"[]", b'"x"', b"[" * 5000, b'{"a":' * 3000])
def test_an_event_that_is_no_object_breaks_nothing(name: str, event: bytes) -> None:
    folder = formats()[name].folder(request_of(name))
    if folder is not None:
        with contextlib.suppress(CallFailed):
            folder.feed(event)
            json.loads(folder.body())


@every_format
def test_a_kept_state_resumes_without_paying_again(name: str) -> None:
    wire, request = formats()[name], request_of(name)
    for call, state in steps_of(name):
        if call.kind != "submit":
            assert state is not None
            step = wire.resume(request, state)

            assert isinstance(step, Done) or step.call.kind != "submit"
