from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from batch.errors import BadUsage, CannotWrite
from batch.mock._errors import TurnedAway
from batch.mock.accounts import Money
from batch.mock.dials import Dials
from batch.mock.gateway import Gateway, serve
from tests.mock.client import CHAT, Client, Got, against, events, standing, until
from tests.mock.kit import Clock

HOUR_MS = 3_600_000
NAMES = ("limit", "remaining", "reset")


def first(dials: Dials, **fields: Any) -> Got:
    """What one request gets, over its own gateway."""

    async def scene(_: Gateway, client: Client) -> Got:
        return await client.ask(**fields)

    got: Got = against(dials, scene)
    return got


def test_without_any_dial_everybody_is_answered() -> None:
    got = first(Dials(), prompt="a red apple", model="whatever")

    assert got.status == 200
    assert "a red apple" in got.json()["choices"][0]["message"]["content"]
    assert got.headers["Content-Type"].startswith("application/json")
    assert got.headers["X-Oneapi-Request-Id"]


def test_a_stream_is_sent_as_events() -> None:
    got = first(Dials(), stream=True)

    assert got.headers["Content-Type"] == "text/event-stream"
    assert events(got.body)[-1] == b"[DONE]"


REFUSALS = [
    # dials, status, type, code, headers
    (Dials(fail_429=1), 429, "upstream_error", 429, {}),
    (Dials(fail_429_hint=1, hint_seconds=7), 429, "upstream_error", 429, {"Retry-After": "7"}),
    (Dials(fail_500=1), 500, "new_api_error", "do_request_failed", {}),
    (Dials(fail_503=1), 503, "new_api_error", "system_cpu_overloaded", {}),
    (Dials(fail_504=1), 504, "upstream_error", "bad_response_status_code", {}),
    (Dials(fail_529=1), 529, "overloaded_error", None, {}),
    (Dials(error_200=1), 200, "upstream_error", "empty_response", {}),
    (Dials(requests_per_minute=1, requests_burst=0.5), 429, "new_api_error", "", {}),
    (
        Dials(requests_per_minute=60, requests_burst=0.5, limit_hint="seconds"),
        *(429, "new_api_error", "", {}),
    ),
    (Dials(tokens_per_minute=60, tokens_burst=1), 429, "new_api_error", "", {}),
    (Dials(money_tokens=5), 403, "new_api_error", "insufficient_user_quota", {}),
    (Dials(unknown_models=("m*",)), 503, "new_api_error", "model_not_found", {}),
    (Dials(keys=(("k", "g"),), groups=(("g", "*"),)), 401, "new_api_error", "", {}),
]


@pytest.mark.parametrize(("dials", "status", "kind", "code", "headers"), REFUSALS)
def test_a_refusal_is_told_as_the_gateway_tells_it(
    dials: Dials, status: int, kind: str, code: Any, headers: dict[str, str]
) -> None:
    got = first(dials)

    error = got.json()["error"]
    assert (got.status, error["type"], error["code"]) == (status, kind, code)
    assert got.headers["X-Oneapi-Request-Id"].split("-")[0] in error["message"]
    hints = {
        name: got.headers[name] for name in ("Retry-After", "retry-after-ms") if name in got.headers
    }
    assert hints == headers


@pytest.mark.parametrize(
    ("dials", "status"), [(Dials(fail_502_html=1), 502), (Dials(html_200=1), 200)]
)
def test_a_page_of_a_proxy_is_no_json(dials: Dials, status: int) -> None:
    got = first(dials)

    assert got.status == status
    assert got.headers["Content-Type"] == "text/html"
    assert got.body.startswith(b"<html>")


@pytest.mark.parametrize("stream", [False, True])
def test_a_reset_comes_before_any_byte(stream: bool) -> None:
    got = first(Dials(reset=1), stream=stream)

    assert got.status is None
    assert got.failure in ("ClientOSError", "ClientConnectionResetError")


@pytest.mark.parametrize("stream", [False, True])
def test_a_cut_answer_stops_in_the_middle(stream: bool) -> None:
    whole = first(Dials(), stream=stream)

    got = first(Dials(cut=1), stream=stream)

    assert got.status == 200
    assert got.failure == "ClientPayloadError"
    assert 0 < len(got.body) < len(whole.body)
    assert whole.body.startswith(got.body)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dials", [Dials(slow_bytes=1, drip_ms=0), Dials(latency_chunk_ms=0.01)])
def test_a_slow_answer_is_the_same_answer(dials: Dials, stream: bool) -> None:
    assert first(dials, stream=stream).body == first(Dials(), stream=stream).body


@pytest.mark.parametrize("dials", [Dials(no_finish=1), Dials(empty_choices=1)])
def test_a_flawed_answer_comes_with_status_200(dials: Dials) -> None:
    got = first(dials)

    assert got.status == 200
    assert all(choice["finish_reason"] is None for choice in got.json()["choices"])


def test_a_latency_passes_before_the_first_byte() -> None:
    async def scene(_: Gateway, client: Client) -> float:
        start = asyncio.get_running_loop().time()
        await client.ask()
        return asyncio.get_running_loop().time() - start

    assert against(Dials(latency_ms=30), scene) >= 0.03


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [(b"{", 400, "bad_request_body"), (b'{"model":"m"}', 500, "invalid_request")],
)
def test_a_bad_body_is_told_by_its_code(raw: bytes, status: int, code: str) -> None:
    async def scene(_: Gateway, client: Client) -> Got:
        return await client.post(raw)

    got = against(Dials(), scene)

    assert (got.status, got.code()) == (status, code)


def test_a_large_body_is_read() -> None:
    got = first(Dials(), prompt="x" * (3 << 20))

    assert got.status == 200


KEYS = Dials(
    keys=(("sk-a", "openai"), ("sk-b", "claude")),
    groups=(("openai", "gpt-*"), ("claude", "claude-*"), ("claude", "gpt-4o")),
    models=("gpt-4o", "gpt-5", "claude-x"),
    unknown_models=("gpt-5",),
)


@pytest.mark.parametrize(
    ("key", "model", "status", "code"),
    [
        ("sk-a", "gpt-4o", 200, None),
        ("sk-b", "gpt-4o", 200, None),
        ("sk-b", "claude-x", 200, None),
        ("sk-a", "claude-x", 503, "model_not_found"),
        ("sk-a", "gpt-5", 503, "model_not_found"),
        ("sk-c", "gpt-4o", 401, ""),
        ("", "gpt-4o", 401, ""),
    ],
)
def test_a_key_may_call_what_its_group_may(
    key: str, model: str, status: int, code: str | None
) -> None:
    got = first(KEYS, key=key, model=model)

    assert got.status == status
    assert code is None or got.code() == code


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/messages", {"x-api-key": "sk-b"}, 200),
        ("/v1/messages", {"Authorization": "Bearer sk-b"}, 200),
        ("/v1/messages", {"x-goog-api-key": "sk-b"}, 401),
        ("/v1beta/models/claude-x:generateContent", {"x-goog-api-key": "sk-b"}, 200),
        ("/v1/models/claude-x:generateContent", {"Authorization": "Bearer sk-b"}, 200),
        ("/v1beta/models/claude-x:generateContent?key=sk-b", {}, 200),
        ("/v1beta/models/claude-x:generateContent", {"x-api-key": "sk-b"}, 401),
        (CHAT, {"x-api-key": "sk-b"}, 401),
    ],
)
def test_a_key_may_stand_where_the_clients_of_the_vendor_put_it(
    path: str, headers: dict[str, str], status: int
) -> None:
    said = {"messages": [{"role": "user", "content": "hi"}], "contents": [{"parts": []}]}
    body = {"model": "claude-x", "max_tokens": 9, **said}

    async def scene(gateway: Gateway, client: Client) -> int:
        async with client.session.post(gateway.url + path, json=body, headers=headers) as got:
            return got.status

    assert against(KEYS, scene) == status


@pytest.mark.parametrize(
    ("key", "names"), [("sk-a", ["gpt-4o"]), ("sk-b", ["gpt-4o", "claude-x"]), ("sk-c", None)]
)
def test_the_list_of_models_is_that_of_the_key(key: str, names: list[str] | None) -> None:
    async def scene(_: Gateway, client: Client) -> Got:
        return await client.get("/v1/models", key)

    got = against(KEYS, scene)

    if names is None:
        assert got.status == 401
    else:
        assert got.json()["success"] is True
        assert [model["id"] for model in got.json()["data"]] == names


def test_keys_expire_after_so_many_requests() -> None:
    async def scene(_: Gateway, client: Client) -> list[int]:
        return [(await client.get("/v1/models", "sk-a")).status for _ in range(3)]

    dials = Dials(keys=(("sk-a", "x"),), groups=(("x", "*"),), key_requests=2)

    assert against(dials, scene) == [200, 200, 401]


@pytest.mark.parametrize("path", ["/v1/nothing", "/", CHAT + "/more"])
def test_another_path_is_no_url_here(path: str) -> None:
    async def scene(_: Gateway, client: Client) -> Got:
        return await client.post(b"{}", path=path)

    got = against(Dials(), scene)

    assert got.status == 404
    assert got.json()["error"]["type"] == "invalid_request_error"


def test_the_fate_of_a_request_hangs_on_no_order() -> None:
    dials = Dials(seed=5, fail_429=0.2, fail_500=0.2, no_finish=0.2, cut=0.1, reset=0.1)
    prompts = [f"prompt {number}" for number in range(40)]

    async def scene(gateway: Gateway, client: Client) -> Any:
        for _ in range(2):
            await asyncio.gather(*(client.ask(prompt) for prompt in prompts))
            prompts.reverse()
        await until(lambda: gateway.counts.in_flight == 0)
        return {(row.sum, row.attempt): (row.fate, row.status, row.billed) for row in gateway.rows}

    there = against(dials, scene)
    prompts = prompts[20:] + prompts[:20]
    again = against(dials, scene)

    assert there == again
    assert len(there) == 80
    assert len({fate for fate, _, _ in there.values()}) == 6


def test_another_seed_gives_other_fates_and_other_answers() -> None:
    async def scene(gateway: Gateway, client: Client) -> Any:
        bodies = [(await client.ask(str(number))).body for number in range(20)]
        return bodies, [row.fate for row in gateway.rows]

    bodies, fates = against(Dials(seed=1, fail_500=0.5), scene)
    others, other_fates = against(Dials(seed=2, fail_500=0.5), scene)

    assert fates != other_fates
    assert bodies != others


def test_a_request_that_failed_may_succeed_when_it_comes_again() -> None:
    async def scene(_: Gateway, client: Client) -> list[int | None]:
        return [(await client.ask()).status for _ in range(20)]

    statuses = against(Dials(fail_503=0.5), scene)

    assert set(statuses) == {200, 503}


def test_over_the_wire_a_limit_admits_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    dials = Dials(requests_per_minute=60, requests_burst=3, limit_hint="ms")

    async def scene(gateway: Gateway, client: Client) -> list[list[int]]:
        rounds = []
        for _ in range(3):
            gots = await asyncio.gather(*(client.ask(str(number)) for number in range(5)))
            rounds.append(sorted(got.status or 0 for got in gots))
            clock.now += 2
        assert gateway.counts.fates == {"answered": 7, "requests_per_minute": 8}
        return rounds

    rounds = against(dials, scene, clock=clock)

    assert rounds == [
        [200, 200, 200, 429, 429],
        [200, 200, 429, 429, 429],
        [200, 200, 429, 429, 429],
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_headers_of_a_limit_stand_on_answers_and_refusals(stream: bool) -> None:
    dials = Dials(requests_per_minute=60, requests_burst=1, limit_headers=1)

    async def scene(_: Gateway, client: Client) -> list[tuple[Any, ...]]:
        gots = [await client.ask(stream=stream) for _ in range(2)]
        return [
            (got.status, *(got.headers[f"x-ratelimit-{name}-requests"] for name in NAMES))
            for got in gots
        ]

    told = against(dials, scene, clock=Clock())

    assert told == [(200, "60", "0", "1s"), (429, "60", "0", "1s")]


def test_in_a_pause_the_gateway_speaks_for_the_account() -> None:
    async def scene(_: Gateway, client: Client) -> list[Any]:
        before = await client.ask()
        clock.now += 20
        got = await client.ask()
        return [before.status, got.status, got.json()["error"]["type"], got.headers["Retry-After"]]

    clock = Clock()

    told = against(Dials(pause_after=15), scene, clock=clock)

    assert told == [200, 429, "new_api_error", "55"]


def test_tokens_a_minute_are_the_tokens_that_answers_report() -> None:
    async def scene(gateway: Gateway, client: Client) -> int:
        for number in range(30):
            await client.ask(f"prompt {number:2}")
        billed = gateway.counts.billed
        return billed["input_tokens"] + billed["output_tokens"]

    total = against(Dials(tokens_per_minute=300, tokens_burst=300), scene, clock=Clock())

    assert 250 < total <= 300


def test_beyond_the_capacity_requests_wait_and_are_all_answered() -> None:
    async def scene(gateway: Gateway, client: Client) -> None:
        await asyncio.gather(*(client.ask(str(number)) for number in range(6)))
        assert gateway.counts.fates == {"answered": 6}

    against(Dials(capacity=2, latency_ms=1), scene)


@pytest.mark.parametrize(
    ("dials", "status", "failures"),
    [
        (Dials(capacity=2, latency_ms=HOUR_MS, overflow="429"), 429, {None}),
        (Dials(capacity=2, latency_ms=HOUR_MS, overflow="reset"), None, {"ClientOSError"}),
    ],
)
def test_beyond_the_capacity_requests_are_turned_away_if_the_dial_says_so(
    dials: Dials, status: int | None, failures: set[str | None]
) -> None:
    async def main() -> list[Got]:
        async with aiohttp.ClientSession() as session:
            async with standing(dials) as (gateway, _):
                client = Client(session, gateway.url)
                tasks = [asyncio.create_task(client.ask(str(number))) for number in range(6)]
                await until(lambda: gateway.counts.fates == {"capacity": 4})
                await until(lambda: sum(task.done() for task in tasks) == 4)
                gots = [task.result() for task in tasks if task.done()]
            await asyncio.gather(*tasks)
            return gots

    gots = asyncio.run(main())

    assert {got.status for got in gots} == {status}
    assert {got.failure for got in gots} <= failures


def test_money_ends_and_every_later_request_is_refused() -> None:
    async def scene(gateway: Gateway, client: Client) -> list[int | None]:
        statuses = [(await client.ask(str(n), max_tokens=20)).status for n in range(12)]
        spent = gateway.counts.billed
        assert spent["input_tokens"] + spent["output_tokens"] <= 150
        return statuses

    statuses = against(Dials(money_tokens=150), scene)

    assert statuses == sorted(statuses, key=lambda status: status or 0)
    assert set(statuses) == {200, 403}


def test_money_that_is_held_back_for_one_is_refused_to_others() -> None:
    async def main() -> int | None:
        async with aiohttp.ClientSession() as session:
            async with standing(Dials(money_tokens=120, latency_ms=HOUR_MS)) as (gateway, _):
                client = Client(session, gateway.url)
                slow = asyncio.create_task(client.ask("a", max_tokens=80))
                await until(lambda: gateway.counts.in_flight == 1)
                meanwhile = await client.ask("b", max_tokens=80)
            await slow
            return meanwhile.status

    assert asyncio.run(main()) == 403


def test_money_that_was_held_back_and_not_billed_is_free_again() -> None:
    money = Money(Dials(money_tokens=100))

    money.hold(80)
    with pytest.raises(TurnedAway):
        money.hold(30)
    money.settle(80, 40)
    money.hold(60)
    with pytest.raises(TurnedAway):
        money.hold(1)


def test_the_ledger_s_counters_can_be_asked_for() -> None:
    async def scene(_: Gateway, client: Client) -> Any:
        await client.ask()
        return (await client.get("/mock/ledger")).json()

    counts = against(Dials(), scene)

    assert counts["arrived"] == counts["accepted"] == counts["delivered"] == 1
    assert counts["in_flight"] == 0
    assert counts["fates"] == {"answered": 1}


def test_a_connection_is_used_again() -> None:
    async def scene(gateway: Gateway, _: Client) -> int:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
            client = Client(session, gateway.url)
            for stream in (False, True, False):
                assert (await client.ask(stream=stream)).status == 200
            connector = session.connector
            assert connector is not None
            return sum(len(idle) for idle in connector._conns.values())

    assert against(Dials(), scene) == 1


def test_serve_runs_until_it_is_cancelled() -> None:
    async def main() -> None:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        server = asyncio.create_task(serve(Dials(), "127.0.0.1", 0, None, ready.set_result))
        async with aiohttp.ClientSession() as session:
            assert (await Client(session, await ready).ask()).status == 200
            server.cancel()
            with pytest.raises(asyncio.CancelledError):
                await server
            assert (await Client(session, ready.result()).ask()).status is None

    asyncio.run(main())


def test_a_port_that_is_taken_is_a_usage_error() -> None:
    async def scene(gateway: Gateway, _: Client) -> None:
        port = int(gateway.url.rsplit(":", 1)[1])
        with pytest.raises(BadUsage, match=str(port)):
            await Gateway(Dials(), port=port).__aenter__()

    against(Dials(), scene)


def test_a_ledger_that_cannot_be_written_is_said_at_once() -> None:
    with pytest.raises(CannotWrite):
        Gateway(Dials(), ledger_path="/nowhere/ledger.jsonl")


def test_a_group_without_models_is_refused() -> None:
    with pytest.raises(BadUsage, match="lonely"):
        Gateway(Dials(keys=(("k", "lonely"),)))


def test_the_same_form_meets_the_same_fate_whatever_its_boundary() -> None:
    async def scene(gateway: Gateway, client: Client) -> list[tuple[str, int]]:
        for mark in ("one", "another"):
            form = f'--{mark}\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--{mark}--'
            kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
            await client.session.post(client.url + CHAT, data=form.encode(), headers=kind)
        return [(row.sum, row.attempt) for row in gateway.rows]

    (first, _), (second, attempt) = against(Dials(), scene)

    assert (first, attempt) == (second, 2)


def test_files_that_answers_name_are_at_another_host_and_always_the_same() -> None:
    async def scene(gateway: Gateway, client: Client) -> Any:
        address = gateway.link("png", 7)
        async with client.session.get(address) as one, client.session.get(address) as other:
            bodies = [await one.read(), await other.read()]
        async with client.session.get(address.replace("7.png", "7.exe")) as unknown:
            return address, bodies, unknown.status, list(gateway.rows), gateway.url

    address, bodies, unknown, rows, url = against(Dials(), scene)

    assert not address.startswith(url)
    assert bodies[0] == bodies[1]
    assert bodies[0].startswith(b"\x89PNG")
    assert unknown == 404
    assert [(row.fate, row.key, row.billed) for row in rows[:2]] == [("file", "none", None)] * 2


def test_a_files_host_has_faults_too() -> None:
    async def scene(gateway: Gateway, client: Client) -> Any:
        async with client.session.get(gateway.link("mp4", 1)) as answer:
            return answer.status

    assert against(Dials(fail_500=1.0), scene) == 500


def test_who_goes_before_a_request_is_whole_is_let_go(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(gateway: Gateway, client: Client) -> Any:
        host, port = gateway.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = f"POST {CHAT} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\n"
        writer.write(head.encode() + b'{"model":')
        await client.ask()  # when this is answered, the other one is waited for
        writer.transport.abort()
        await client.ask()
        return (await client.get("/mock/ledger")).json()

    counts = against(Dials(), scene)

    assert (counts["arrived"], counts["accepted"]) == (2, 2)
    assert caplog.text == ""


def test_another_hour_turns_the_dials_and_keeps_the_books() -> None:
    async def scene(gateway: Gateway, client: Client) -> tuple[list[int | None], int]:
        statuses = []
        for dials in (Dials(fail_500=1), Dials(capacity=1), Dials(key_requests=0)):
            gateway.turn(dials)
            statuses.append((await client.ask()).status)
        return statuses, gateway.counts.arrived

    assert against(Dials(), scene) == ([500, 200, 401], 3)


def test_dials_that_cannot_be_are_refused_and_the_hour_goes_on() -> None:
    async def scene(gateway: Gateway, client: Client) -> int | None:
        with pytest.raises(BadUsage):
            gateway.turn(Dials(fail_500=1, capacity=0))
        return (await client.ask()).status

    assert against(Dials(), scene) == 200
