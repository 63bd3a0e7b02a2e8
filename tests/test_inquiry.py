"""Lists of models, asked of the mock gateway over loopback with every key at once."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import msgspec
import pytest

from batch import runs
from batch.catalogue import Catalogue
from batch.errors import BadConfig, BadKey, Unreachable
from batch.inquiry import SECONDS, ask, hurried
from batch.mock.dials import Dials
from batch.mock.gateway import Gateway
from batch.secret import Secret
from batch.settings.tree import GatewaySettings, KeySetting, UserSettings
from batch.shares import Access
from batch.transport import TransportSettings

VALUES = {"MAIN": "sk-main-0123456789", "CLAUDE": "sk-claude-0123456789"}
DIALS = Dials(
    keys=tuple((value, name) for name, value in VALUES.items()),
    groups=(("MAIN", "gpt-*"), ("MAIN", "kling-*"), ("CLAUDE", "claude-*"), ("CLAUDE", "gpt-5")),
    latency_ms=50,
)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name, value in VALUES.items():
        monkeypatch.setenv(name, value)


def models(*places: KeySetting, dials: Dials = DIALS, **settings: Any) -> tuple[Catalogue, Gateway]:
    async def scene() -> tuple[Catalogue, Gateway]:
        async with Gateway(dials) as gateway:
            reached = GatewaySettings(base_url=gateway.url)
            return await runs.models(UserSettings(gateway=reached, **settings), places), gateway

    return asyncio.run(scene())


CONFIGURED = (
    KeySetting(match="claude-*", env="CLAUDE"),
    KeySetting(match="*", env="MAIN"),
    KeySetting(match="never", env="CLAUDE"),
)


def test_every_key_is_asked_once_for_its_list() -> None:
    catalogue, gateway = models(keys=CONFIGURED)

    assert [one.key for one in catalogue.reports] == ["CLAUDE", "MAIN"]
    assert catalogue.patterns("CLAUDE") == ["claude-*", "never"]
    claude, main = catalogue.reports
    assert claude.names == {"claude-sonnet-4-5", "claude-sonnet-4-5-thinking", "gpt-5"}
    formats = {one.model: one.formats for one in (*claude.models, *main.models)}
    assert formats["claude-sonnet-4-5"] == ("messages", "chat")
    assert formats["gpt-image-1"] == ("images", "chat")
    assert formats["kling-v1-6"] is None
    assert [(row.method, row.path) for row in gateway.rows] == [("GET", "/v1/models")] * 2


def test_all_keys_are_asked_at_once() -> None:
    one_at_a_time = msgspec.structs.replace(DIALS, capacity=1, overflow="429")

    catalogue, _ = models(keys=CONFIGURED, dials=one_at_a_time)

    failures = [one.failure for one in catalogue.reports if one.failure]
    assert [failure.status for failure in failures] == [429]
    assert catalogue.exit_code == 69


def test_suggested_keys_are_asked_and_not_those_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-0123456789")

    catalogue, _ = models(
        KeySetting(match="*", env="MAIN"), KeySetting(match="*", env="CLAUDE"), keys=CONFIGURED[:1]
    )

    assert catalogue.rearranged().order == (("claude-*", "CLAUDE"), ("*", "MAIN"))


def test_a_key_that_is_refused_leaves_the_others_their_lists(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLAUDE", "sk-unknown-0123456789")

    catalogue, _ = models(keys=CONFIGURED)

    claude, main = catalogue.reports
    assert isinstance(claude.failure, BadKey)
    assert "gpt-4o" in main.names
    assert catalogue.exit_code == 77
    assert "Put a valid one into environment variable CLAUDE" in catalogue.complaints()[0]
    assert "sk-unknown" not in str(catalogue.document()) + "".join(catalogue.complaints())


@pytest.mark.parametrize(
    ("dials", "code"),
    [(Dials(fail_503=1), 69), (Dials(html_200=1), 69), (Dials(fail_502_html=1), 69)],
)
def test_trouble_of_the_gateway_is_no_refusal(dials: Dials, code: int) -> None:
    assert models(keys=CONFIGURED, dials=dials)[0].exit_code == code


def test_a_gateway_that_is_not_there_is_named() -> None:
    settings = UserSettings(gateway=GatewaySettings(base_url="http://127.0.0.1:9"), keys=CONFIGURED)

    catalogue = asyncio.run(runs.models(settings))

    assert all(isinstance(one.failure, Unreachable) for one in catalogue.reports)
    assert catalogue.exit_code == 69
    assert catalogue.complaints()[0].startswith("keys CLAUDE, MAIN: no connection to 127.0.0.1:9")


def test_a_gateway_that_does_not_answer_is_not_waited_for_as_for_an_answer() -> None:
    async def scene() -> Catalogue:
        async with Gateway(Dials(latency_ms=60_000)) as gateway, asyncio.timeout(10):
            settings = UserSettings(gateway=GatewaySettings(timeout=0.2))
            return await ask(settings, Access(gateway.url, (("*", Secret("A", "any")),)))

    assert asyncio.run(scene()).exit_code == 69
    assert hurried(TransportSettings(base_url="https://g")).total_seconds == SECONDS


def test_without_any_key_the_ways_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAIN")

    with pytest.raises(BadConfig, match="export OPENAI_API_KEY"):
        models()
    with pytest.raises(BadConfig, match="environment variable MAIN is empty or not set"):
        models(keys=CONFIGURED)
    assert "MAIN" not in os.environ
