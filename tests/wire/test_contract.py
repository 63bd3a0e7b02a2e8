"""What every wire format promises, whichever it is.

A format brings its samples in ``samples/<name>/``:

    request*.json   a body that it takes, or a line with ``url``, perhaps ``method``, and ``body``
    200-*.json      a good reply to the first call of ``request*.json``, or of the request that it
                    names: ``200-edit+more.json`` answers ``request-edit.json``
    *.txt           the same as events; *.bin, *.text: the same as bytes that are no JSON
    poll-*.json     a reply to the second call, where the first one begins a task

``response-*`` are replies as the vendor's own pages show them.
"""

import contextlib
import hashlib
import json
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch.errors import BadBody, CallFailed
from batch.records import Call, Done, Reply, Request, Saved, Send, State, Wait
from batch.usage import Usage
from batch.wire import Ask, Shaped, WireFormat, formats
from batch.wire._media import sniff
from batch.wire._sse import Events

SAMPLES = Path(__file__).parent / "samples"
FORMATS = sorted(formats())
MODEL = "the-model-of-the-ask"
NO_MODELS = ("midjourney", "models")

every_format = pytest.mark.parametrize("name", FORMATS)
quick = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


class Sample(msgspec.Struct, frozen=True):
    """A line that a format takes."""

    label: str
    method: str
    url: str | None
    body: bytes


def files(name: str, *patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in (SAMPLES / name).glob(pattern))


@cache
def samples_of(name: str) -> tuple[Sample, ...]:
    found = []
    for path in files(name, "request*.json"):
        raw = path.read_bytes()
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        label = path.stem.removeprefix("request").lstrip("-")
        if "url" in fields and "body" in fields:
            told = json.loads(raw)
            method = told.get("method", "POST")
            found.append(Sample(label, method, told["url"], bytes(fields["body"])))
        else:
            found.append(Sample(label, "POST", None, raw))
    return tuple(found)


def ask(sample: Sample, **more: Any) -> Ask:
    return Ask(**({"method": sample.method, "url": sample.url, "model": MODEL} | more))


@cache
def request_of(name: str, label: str | None = None) -> Request:
    samples = samples_of(name)
    sample = next((one for one in samples if one.label == label), samples[0])
    return a_request(name, formats()[name].shape(sample.body, ask(sample)))


def a_request(name: str, shaped: Shaped) -> Request:
    return Request(
        ordinals=(1,),
        custom_ids=("line-1",),
        format=name,
        model=shaped.model,
        body=shaped.body,
        method=shaped.method,
        path=shaped.path,
        makes=shaped.makes,
        stem="00000001-0123456789abcdef",
    )


class Good(msgspec.Struct, frozen=True):
    """A good reply, to which request, and what the step before it was."""

    name: str
    request: Request
    call: Call
    state: State | None
    reply: Reply


def first_replies(name: str) -> Iterator[Good]:
    for path in files(name, "200-*", "response-*"):
        request = request_of(name, asked_by(name, path))
        step = formats()[name].start(request)
        assert isinstance(step, Send)
        yield Good(path.name, request, step.call, step.state, read(name, path, request, step.call))


def good_replies(name: str) -> Iterator[Good]:
    wire = formats()[name]
    yield from first_replies(name)
    for path in files(name, "poll-*"):
        label = asked_by(name, path)
        asked = request_of(name, label)
        first = next(good for good in first_replies(name) if good.request == asked)
        step = wire.next(first.request, first.state, first.reply)
        assert isinstance(step, Send | Wait)
        reply = read(name, path, first.request, step.call)
        yield Good(path.name, first.request, step.call, step.state, reply)


def asked_by(name: str, path: Path) -> str | None:
    """Return the label of the request that a reply names, if it names one."""
    said = path.stem.partition("-")[2].partition("+")[0]
    return said if any(one.label == said for one in samples_of(name)) else None


def read(name: str, path: Path, request: Request, call: Call) -> Reply:
    body = path.read_bytes()
    if path.suffix == ".txt":
        return reply_of(call, fold(name, body, request), streamed=True)
    return reply_of(call, body)


def fold(name: str, stream: bytes, request: Request) -> bytes:
    folder, events = formats()[name].folder(request), Events()
    assert folder is not None
    for event in events.feed(stream):
        folder.feed(event)
    for event in events.end():
        folder.feed(event)
    return folder.body()


def reply_of(call: Call, body: bytes, status: int = 200, *, streamed: bool = False) -> Reply:
    headers = {"x-oneapi-request-id": "gw-1"}
    if call.expect == "file" and status == 200 and body and not body.startswith((b"{", b"<")):
        kind = sniff(body, "")
        name = f"{call.save_as}{kind.extension}"
        sha256 = hashlib.sha256(body).hexdigest()
        return Reply(status, headers, Saved(name, len(body), sha256, kind.content_type))
    return Reply(status, headers, body, streamed=streamed)


def steps_of(name: str) -> Iterator[tuple[Request, Call, State | None]]:
    """Yield the first step of each sample, and those that the good replies lead to."""
    wire = formats()[name]
    for sample in samples_of(name):
        request = request_of(name, sample.label)
        step = wire.start(request)
        assert isinstance(step, Send)
        yield request, step.call, step.state
    for good in good_replies(name):
        following = wire.next(good.request, good.state, good.reply)
        if not isinstance(following, Done):
            yield good.request, following.call, following.state


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


def test_names_and_paths_are_told_apart() -> None:
    routes = [(r.method, r.template) for wire in formats().values() for r in wire.routes]

    assert FORMATS
    assert len(set(routes)) == len(routes)
    for name, wire in formats().items():
        assert wire.name == name
        assert name.isidentifier() or "-" in name
        assert all(route.template.startswith("/") for route in wire.routes)


@every_format
def test_a_format_brings_its_samples(name: str) -> None:
    assert samples_of(name)
    assert files(name, "200-*", "response-*")


@every_format
def test_it_brings_a_sample_for_each_of_its_paths(name: str) -> None:
    wire = formats()[name]
    asked = {
        shaped.endpoint for one in samples_of(name) for shaped in [wire.shape(one.body, ask(one))]
    }

    assert {route.template for route in wire.routes} - asked == set()


@every_format
def test_it_claims_its_own_paths_and_no_others(name: str) -> None:
    wire = formats()[name]
    for other in formats().values():
        for route in other.routes:
            path = route.template.replace("{", "a-").replace("}", "-b")

            assert wire.claims(route.method, path) == (other is wire)
    assert not wire.claims("POST", "/v1/nothing-of-that-kind")
    assert not wire.claims("POST", "")


@every_format
def test_a_body_that_tells_its_format_tells_no_other(name: str) -> None:
    for sample in samples_of(name):
        body = json.loads(sample.body)
        mine = [one.name for one in formats().values() if one.mine(body)]

        assert mine in ([], [name]), (sample.label, mine)


@every_format
def test_shaping_twice_is_shaping_once(name: str) -> None:
    wire = formats()[name]
    for sample in samples_of(name):
        once = wire.shape(sample.body, ask(sample))

        assert sample.method == "GET" or wire.shape(once.body, ask(sample)) == once


@every_format
def test_a_body_that_needs_nothing_is_left_as_it_is(name: str) -> None:
    wire = formats()[name]
    for sample in samples_of(name):
        shaped = wire.shape(sample.body, ask(sample, add_usage=False))

        assert shaped.body in (sample.body, b"") or shaped.model == MODEL


@every_format
def test_an_override_sets_the_model(name: str) -> None:
    wire = formats()[name]
    for sample in samples_of(name):
        own = wire.shape(sample.body, ask(sample)).model
        shaped = wire.shape(sample.body, ask(sample, override_model="another"))

        # A line whose endpoint takes no model is not named after others' models.
        assert shaped.model == "another" or (name in NO_MODELS or sample.method == "GET")
        assert shaped.model in ("another", own)


@every_format
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"7", b"{}", b"{}{}", b"\xff", b"[" * 5000]
)
def test_a_bad_body_is_refused_in_words(name: str, body: bytes) -> None:
    for sample in samples_of(name):
        if sample.method == "POST" or body != b"{}":
            with pytest.raises(BadBody, match=r"\w+ \w+"):
                formats()[name].shape(body, ask(sample))


@every_format
@quick
@given(body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_body_is_too_odd(name: str, body: bytes) -> None:
    for sample in samples_of(name):
        with contextlib.suppress(BadBody):
            formats()[name].shape(body, ask(sample))


@every_format
def test_a_body_can_be_built_from_a_prompt(name: str) -> None:
    wire = formats()[name]
    with contextlib.suppress(BadBody):  # some formats need more than a prompt
        body = wire.build('Say "hi".', None, None)

        assert wire.shape(body, Ask(model=MODEL)).model


@every_format
def test_it_begins_with_a_submit_to_the_gateway(name: str) -> None:
    wire = formats()[name]
    for sample in samples_of(name):
        request = request_of(name, sample.label)

        step = wire.start(request)

        assert isinstance(step, Send)
        assert (step.call.kind, step.call.origin) == ("submit", "gateway")
        assert step.call.method == sample.method
        assert step.call.path.startswith("/")
        assert step.call.payload or sample.method == "GET"
        assert step.call.repeat == wire.repeat(request)
        assert step == wire.start(request)


@every_format
def test_what_is_dear_is_not_made_twice(name: str) -> None:
    wire = formats()[name]
    for sample in samples_of(name):
        request = request_of(name, sample.label)

        if request.makes in ("image", "video"):
            assert wire.repeat(request) == "once"


@every_format
def test_it_knows_how_much_a_request_may_take(name: str) -> None:
    wire = formats()[name]
    for sample in samples_of(name):
        estimate = wire.estimate(request_of(name, sample.label))
        bound = wire.bound(request_of(name, sample.label))

        assert estimate.input_tokens >= 0
        assert estimate.output_tokens >= 0
        assert bound is None or all(count >= 0 for count in bound.counts.values())


@every_format
def test_a_good_reply_gives_the_next_step(name: str) -> None:
    wire = formats()[name]
    for good in good_replies(name):
        step = wire.next(good.request, good.state, good.reply)

        if isinstance(step, Done):
            assert b"\n" not in step.answer.body
            assert b"\r" not in step.answer.body
            assert isinstance(json.loads(step.answer.body), dict)
            assert step.answer.usage is None or isinstance(step.answer.usage, Usage)
            assert all(blob.text.encode() in step.answer.body for blob in step.answer.blobs)
        else:
            assert json.loads(json.dumps(step.state)) == step.state


def streams_of(name: str) -> Iterator[tuple[Request, bytes]]:
    for path in files(name, "*.txt"):
        yield request_of(name, asked_by(name, path)), path.read_bytes()


@every_format
@quick
@given(data=st.data())
def test_a_stream_gives_the_same_however_it_is_cut(name: str, data: st.DataObject) -> None:
    for request, stream in streams_of(name):
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
        folder, events = formats()[name].folder(request), Events()
        assert folder is not None
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            for event in events.feed(stream[start:end]):
                folder.feed(event)
        for event in events.end():
            folder.feed(event)

        assert folder.body() == fold(name, stream, request)


@every_format
@quick
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_stream_that_is_cut_short_is_no_answer(name: str, share: float) -> None:
    wire = formats()[name]
    for request, stream in streams_of(name):
        whole = wire.next(request, None, streamed(wire, request, stream))
        part = stream[: int(len(stream) * share)]
        try:
            step = wire.next(request, None, streamed(wire, request, part))
        except CallFailed:
            continue
        # Only what stands after the end of the answer itself may be missing.
        assert isinstance(step, Done)
        assert isinstance(whole, Done)
        assert step.answer.content == whole.answer.content
        assert step.answer.finish == whole.answer.finish


def streamed(wire: WireFormat, request: Request, stream: bytes) -> Reply:
    step = wire.start(request)
    assert isinstance(step, Send)
    return reply_of(step.call, fold(wire.name, stream, request), streamed=True)


@every_format
@pytest.mark.parametrize(("shape", "status", "body"), FAILURES)
def test_every_failure_is_named(name: str, shape: str, status: int, body: bytes) -> None:
    wire = formats()[name]
    for request, call, state in steps_of(name):
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
    for request, call, state in steps_of(name):
        with contextlib.suppress(CallFailed):
            formats()[name].next(request, state, reply_of(call, body, status))


@every_format
@quick
@given(junk=JSON, chance=st.randoms(use_true_random=False))
def test_no_change_of_a_good_reply_is_too_odd(name: str, junk: Any, chance: random.Random) -> None:
    for good in good_replies(name):
        body = good.reply.body
        if isinstance(body, bytes) and body.lstrip().startswith(b"{"):
            changed = json.dumps(mutated(json.loads(body), junk, chance)).encode()
            with contextlib.suppress(CallFailed):
                formats()[name].next(good.request, good.state, reply_of(good.call, changed))


@every_format
@quick
@given(
    events=st.lists(st.binary() | JSON.map(lambda value: json.dumps(value).encode()), max_size=5)
)
def test_no_event_is_too_odd(name: str, events: list[bytes]) -> None:
    for sample in samples_of(name):
        folder = formats()[name].folder(request_of(name, sample.label))
        if folder is None:
            continue
        with contextlib.suppress(CallFailed):
            for event in events:
                folder.feed(event)
            json.loads(folder.body())


@every_format
@quick
@given(junk=JSON, chance=st.randoms(use_true_random=False))
def test_no_change_of_a_good_stream_is_too_odd(name: str, junk: Any, chance: random.Random) -> None:
    wire = formats()[name]
    for request, stream in streams_of(name):
        events = Events()
        folder, step = wire.folder(request), wire.start(request)
        assert folder is not None
        assert isinstance(step, Send)
        with contextlib.suppress(CallFailed):
            for event in [*events.feed(stream), *events.end()]:
                folder.feed(json.dumps(mutated(json.loads(event), junk, chance)).encode())
            wire.next(request, step.state, reply_of(step.call, folder.body(), streamed=True))


@every_format
@pytest.mark.parametrize("event", [b"{", b"null", b"[]", b'"x"', b"[" * 5000, b'{"a":' * 3000])
def test_an_event_that_is_no_object_breaks_nothing(name: str, event: bytes) -> None:
    for sample in samples_of(name):
        folder = formats()[name].folder(request_of(name, sample.label))
        if folder is None:
            continue
        with contextlib.suppress(CallFailed):
            folder.feed(event)
            json.loads(folder.body())


@every_format
def test_a_kept_state_resumes_without_paying_again(name: str) -> None:
    wire = formats()[name]
    for request, call, state in steps_of(name):
        if call.kind != "submit":
            assert state is not None
            step = wire.resume(request, state)

            assert isinstance(step, Done) or step.call.kind != "submit"
