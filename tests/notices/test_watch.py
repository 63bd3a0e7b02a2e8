"""The log of a whole run, against a gateway that is in trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from batch import runs
from batch.session.runlog import RunLog
from batch.session.summary import Outcome
from batch.settings.tree import BudgetSettings, GatewaySettings, Limits, Settings
from tests.session.test_runlog import Sheet, log

KEY = "sk-0123456789abcdef0123456789"
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "the prompt of a line"}]}
FREE = BudgetSettings()
Answer = Callable[[web.Request], Awaitable[web.Response]]


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    path = tmp_path / "in.jsonl"
    path.write_bytes(3 * (orjson.dumps(CHAT) + b"\n"))
    return path


async def answered(
    lines: Path, watch: RunLog, answer: Answer, attempts: int = 6, budget: BudgetSettings = FREE
) -> Outcome:
    """Run all lines against a server that answers so."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    async with TestServer(app) as server:
        settings = Settings(
            inputs=(str(lines),),
            output=str(lines.with_name("out.jsonl")),
            gateway=GatewaySettings(base_url=str(server.make_url("/"))),
            limits=Limits(max_attempts=attempts),
            budget=budget,
        )
        return await runs.run(settings, watch)


def error(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status)


def test_a_key_that_is_refused_is_closed_once_and_stands_nowhere(lines: Path) -> None:
    sheet = Sheet()

    async def refuse(request: web.Request) -> web.Response:
        return error(401, f"Incorrect API key provided: {request.headers['Authorization']}")

    outcome = asyncio.run(answered(lines, log(sheet), refuse))

    assert outcome.exit_code == 77
    (closed,) = [one for one in sheet.events if one["event"] == "closed"]
    assert closed["code"] == "bad_key"
    assert closed["level"] == "warning"
    assert closed["run_id"] == outcome.summary["id"]
    assert "Incorrect API key provided" in closed["message"]
    assert KEY.encode() not in sheet.data
    assert b"the prompt of a line" not in sheet.data


def test_each_retry_is_told_with_its_line_attempt_and_cause(lines: Path) -> None:
    sheet, asked = Sheet(), 0

    async def limit(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        if asked <= 3:
            return error(503, f"try later\r\n{KEY}\x1b[2J")
        content = {"role": "assistant", "content": "the answer to a line"}
        choice = {"index": 0, "message": content, "finish_reason": "stop"}
        return web.json_response({"id": "1", "object": "chat.completion", "choices": [choice]})

    outcome = asyncio.run(answered(lines, log(sheet), limit))

    assert outcome.exit_code == 0
    retries = [one for one in sheet.events if one["event"] == "retry"]
    assert sorted(one["line"] for one in retries) == [1, 2, 3]
    assert {(one["attempt"], one["status"]) for one in retries} == {(1, 503)}
    assert all(one["wait_s"] >= 0 and one["code"] for one in retries)
    assert KEY.encode() not in sheet.data
    assert b"the answer to a line" not in sheet.data
    assert all(line.decode().isprintable() for line in sheet.data.splitlines())


def test_a_gateway_that_is_silent_to_the_end_did_not_answer_because_the_run_is_over(
    lines: Path,
) -> None:
    sheet = Sheet()

    async def down(_: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>", content_type="text/html")

    budget = BudgetSettings(max_duration=2.5)
    outcome = asyncio.run(answered(lines, log(sheet), down, budget=budget))

    assert outcome.exit_code == 4
    events = [one["event"] for one in sheet.events]
    assert "paused" in events
    assert "resumed" not in events
