"""What docs/nightly.md says of notices and the log is what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import fields

from batch.cli import answer
from batch.cli.caller import Caller
from batch.fill import Values
from batch.notices.ended import TOKENS
from batch.notices.prometheus import METRICS
from batch.notices.texts import document
from batch.session.runlog import RunLog
from batch.settings.config import JOB, read_layer
from batch.settings.tree import LogSettings, NotifySettings, Settings, build
from tests.notices.ends import ended
from tests.session.test_progress import snapshot
from tests.session.test_runlog import Sheet

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "nightly.md").read_text(encoding="utf-8").partition("## When it fails")[2]
PROSE = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
NAMED = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]+)`", PROSE))))


def test_the_sections_that_are_shown_are_taken_and_show_every_setting(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    job = tmp_path / "job.toml"
    job.write_text(text, encoding="utf-8")
    urls = {"HEALTH_URL": "https://a.example/1", "WEBHOOK_URL": "https://b.example/2"}

    layer = read_layer(str(job), JOB, lambda _: Values(urls, str), required=True)
    settings = build({"output": "out.jsonl", **layer.tree}, Settings)

    assert settings.notify.health_url == "https://a.example/1"
    names = [*fields(NotifySettings), *fields(LogSettings)]
    assert all(f"\n{one.name} = " in text for one in names)


def test_every_field_of_the_webhooks_object_and_every_metric_is_described() -> None:
    assert set(document(ended(3))) <= NAMED
    assert set(METRICS) <= NAMED
    assert set(TOKENS.values()) | {"ok", "failed", "pending"} <= NAMED


def test_every_field_that_a_log_has_is_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
    (tmp_path / "in.jsonl").write_text(9 * (json.dumps(chat) + "\n") + "bad\n")
    monkeypatch.chdir(tmp_path)
    flags = ["--mock", "--mock-fail", "500=40%", "--mock-seed", "1", "-q"]
    log = ["--log-file", "log", "--log-format", "json"]
    answer(["run", "in.jsonl", "-o", "out.jsonl", *flags, *log], Caller())
    answer(["run", "none.jsonl", "-o", "b.jsonl", *flags, *log], Caller())
    sheet = Sheet()
    RunLog(sheet, "json", lambda: 0.0).tick(snapshot(seconds=60.0))

    events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    events += sheet.events

    kinds = {"run_started", "retry", "said", "run_ended", "refused", "progress"}
    assert {one["event"] for one in events} == kinds
    assert kinds | {"closed", "opened", "paused", "resumed", "not_told"} <= NAMED
    assert {name for one in events for name in one} <= NAMED


def test_the_line_that_is_shown_has_the_fields_that_are_described() -> None:
    (line,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)

    assert set(json.loads(line)) <= NAMED
