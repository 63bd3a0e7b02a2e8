from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from batch.mock.dials import Dials
from batch.mock.gateway import Gateway
from batch.mock.ledger import KEPT, Ledger, Row
from batch.usage import ALWAYS
from tests.mock.client import CHAT, Client, against, standing, until

BODY = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]})
HEAD = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()


def only(dials: Dials, **fields: Any) -> Row:
    """The row of one request."""

    async def scene(gateway: Gateway, client: Client) -> Row:
        await client.ask(**fields)
        await until(lambda: gateway.counts.in_flight == 0)
        (row,) = gateway.rows
        return row

    row: Row = against(dials, scene)
    return row


def test_an_answered_request_has_its_row() -> None:
    row = only(Dials(), prompt="x" * 300, key="sk-secret", max_tokens=5)

    assert row.n == 1
    assert row.path == CHAT
    assert row.model == "m"
    assert row.prompt == "x" * 200
    assert (row.status, row.fate, row.attempt, row.delivered) == (200, "answered", 1, True)
    assert row.billed is not None
    assert set(row.billed) == set(ALWAYS)
    assert row.billed["output_tokens"] == 5
    assert len(row.sum) == 16


def test_a_row_tells_the_time_from_the_arrival_to_the_end_with_that_in_the_queue() -> None:
    async def scene(gateway: Gateway, client: Client) -> list[tuple[int, int]]:
        await asyncio.gather(*(client.ask(str(number)) for number in range(2)))
        await until(lambda: gateway.counts.in_flight == 0)
        return sorted((row.ms, row.work_ms) for row in gateway.rows)

    first, second = against(Dials(latency_ms=300, capacity=1), scene)

    assert 300 <= first[1] <= first[0] < second[0]
    assert 300 <= second[1] <= second[0] - 150  # a busy machine lets the second one in late


# dials, status, billed, delivered
ACCOUNTS = [
    (Dials(), 200, True, True),
    (Dials(no_finish=1), 200, True, True),
    (Dials(empty_choices=1), 200, True, True),
    (Dials(slow_bytes=1, drip_ms=0), 200, True, True),
    (Dials(cut=1), 200, True, False),
    (Dials(error_200=1), 200, False, True),
    (Dials(html_200=1), 200, False, True),
    (Dials(fail_429=1), 429, False, True),
    (Dials(fail_504=1), 504, False, True),
    (Dials(reset=1), None, False, False),
    (Dials(money_tokens=1), 403, False, True),
    (Dials(unknown_models=("*",)), 503, False, True),
    (Dials(requests_per_minute=1, requests_burst=0.5), 429, False, True),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("dials", "status", "billed", "delivered"), ACCOUNTS)
def test_what_is_billed_and_what_is_delivered(
    dials: Dials, status: int | None, billed: bool, delivered: bool, stream: bool
) -> None:
    row = only(dials, stream=stream)

    assert (row.status, row.billed is not None, row.delivered) == (status, billed, delivered)


def test_a_key_is_never_in_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"

    async def scene(_: Gateway, client: Client) -> None:
        for key in ("sk-secret", "sk-secret", "sk-other", ""):
            await client.ask(key=key)

    against(Dials(), scene, ledger_path=str(path))

    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    marks = [row["key"] for row in rows]
    assert b"secret" not in path.read_bytes()
    assert marks[0] == marks[1] != marks[2]
    assert marks[3] == "none"


def test_rows_go_to_a_file_that_grows_and_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"

    async def scene(gateway: Gateway, client: Client) -> None:
        await asyncio.gather(*(client.ask(str(number)) for number in range(10)))
        assert not gateway.rows

    against(Dials(), scene, ledger_path=str(path))
    against(Dials(), scene, ledger_path=str(path))

    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert len(rows) == 20
    assert sorted(row["n"] for row in rows[10:]) == list(range(1, 11))
    assert path.stat().st_mode & 0o777 == 0o600


def test_rows_in_memory_are_bounded() -> None:
    ledger = Ledger(None)

    for number in range(KEPT + 5):
        place = {"at": 0.0, "method": "POST", "path": "", "key": ""}
        ledger.leave(Row(n=ledger.arrive(), **place, sum=str(number), attempt=1))

    assert len(ledger.rows) == KEPT
    assert ledger.counts.arrived == KEPT + 5


def test_the_counters_add_up() -> None:
    async def scene(gateway: Gateway, client: Client) -> None:
        for number in range(40):
            await client.ask(str(number))
        await until(lambda: gateway.counts.in_flight == 0)
        counts, rows = gateway.counts, gateway.rows
        bills = [row.billed for row in rows if row.billed is not None]
        assert counts.arrived == len(rows) == 40
        assert counts.accepted == len(bills) == 40 - counts.rejected
        assert counts.delivered == sum(row.delivered for row in rows)
        assert counts.billed == {name: sum(bill[name] for bill in bills) for name in ALWAYS}
        assert sum(counts.fates.values()) == 40
        assert counts.max_in_flight == 1

    against(Dials(fail_500=0.2, cut=0.2, reset=0.1, error_200=0.1), scene)


async def hang_up(gateway: Gateway, rst: bool) -> None:
    """Ask with a plain socket, and leave once the request has arrived."""
    port = int(gateway.url.rsplit(":", 1)[1])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + BODY)
    await until(lambda: gateway.counts.in_flight == 1)
    if rst:
        writer.transport.abort()
    else:
        writer.close()
        await writer.wait_closed()
    await until(lambda: gateway.counts.in_flight == 0)


@pytest.mark.parametrize("rst", [False, True])
def test_a_client_that_hangs_up_is_billed_all_the_same(rst: bool) -> None:
    async def scene(gateway: Gateway, _: Client) -> Row:
        await hang_up(gateway, rst)
        return gateway.rows[0]

    row = against(Dials(latency_ms=100), scene)

    assert row.fate == "answered"
    assert row.billed is not None
    assert not row.delivered


def test_an_answer_is_delivered_only_when_the_kernel_has_all_of_it() -> None:
    # Given sockets that hold less than the answer, though asyncio's own buffer would hold it.
    async def scene(gateway: Gateway, _: Client) -> Row:
        loop = asyncio.get_running_loop()
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", int(gateway.url.rsplit(":", 1)[1])))
        await loop.sock_sendall(client, HEAD + BODY)
        await until(lambda: gateway.counts.in_flight == 1)
        for connection in gateway._runner.server.connections:
            server = connection.transport.get_extra_info("socket")
            server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)

        # When the client reads its beginning, and goes.
        await loop.sock_recv(client, 1)
        client.close()
        await until(lambda: gateway.counts.in_flight == 0)
        return gateway.rows[0]

    row = against(Dials(answer_words=8_000, latency_ms=50), scene)

    # Then it is not delivered.
    assert (row.fate, row.delivered) == ("answered", False)


def test_a_client_that_stops_reading_has_not_been_delivered_to() -> None:
    # Given an answer larger than any socket buffer, to a client that reads none of it.
    async def scene(gateway: Gateway, client: Client) -> Row:
        body = BODY.replace(b"{", b'{"stream":true,', 1)
        response = await client.session.post(gateway.url + CHAT, data=body)
        assert gateway.counts.in_flight == 1

        # When it goes away.
        response.close()
        await until(lambda: gateway.counts.in_flight == 0)
        return gateway.rows[0]

    row = against(Dials(answer_words=60_000), scene)

    # Then it was billed, and not delivered.
    assert (row.fate, row.delivered) == ("answered", False)
    assert row.billed is not None


def test_a_gateway_that_stops_writes_the_rows_of_what_was_under_way() -> None:
    async def main() -> list[Row]:
        async with aiohttp.ClientSession() as session:
            async with standing(Dials(latency_ms=3_600_000)) as (gateway, _):
                client = Client(session, gateway.url)
                tasks = [asyncio.create_task(client.ask(str(number))) for number in range(3)]
                await until(lambda: gateway.counts.in_flight == 3)
            await asyncio.gather(*tasks)
            return list(gateway.rows)

    rows = asyncio.run(main())

    assert [row.fate for row in rows] == ["stopped"] * 3
    assert all(row.billed is None and not row.delivered for row in rows)
