"""docs/gateway-wenwen.md says what the code makes of the gateway's errors, and its commands run."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch.errors import CallFailed, Interrupted, OutcomeUnknown, ServerTrouble
from batch.records import Reply
from batch.settings.config import USER, read_file
from batch.settings.tree import UserSettings, build
from batch.wire._failures import Said, classify
from batch.wire.midjourney.reply import read
from tests.pages import Step, page, run, section, serving, shown, steps, surroundings, table

PAGE = page("gateway-wenwen.md")
ERRORS = table(section(PAGE, "What its errors mean"))
MIDJOURNEY = table(section(PAGE, "Midjourney's codes"))
OPENAI, CLAUDE = "sk-openai-0123456789", "sk-claude-0123456789"
LINES = [
    {"id": "a", "prompt": "What is a mutex?", "model": "gpt-4o-mini"},
    {"id": "b", "prompt": "What is a semaphore?", "model": "claude-sonnet-4-5"},
]


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: " ".join(row[:3]))
def test_an_error_of_the_gateway_is_of_the_class_that_the_page_says(row: list[str]) -> None:
    status, code, kind, class_ = (cell.strip("`") for cell in row[:4])

    found = classify(int(status), Said(code=code, kind=kind))

    assert found.code == class_


def test_the_gateway_s_own_limit_is_told_from_an_upstream_s() -> None:
    rows = {row[2].strip("`"): row[4] for row in ERRORS if row[0] == "429"}

    assert classify(429, Said(kind="new_api_error")).scope == "account"
    assert "the whole account waits" in rows["new_api_error"]
    assert classify(429, Said(kind="rate_limit_error")).scope == "lane"
    assert "only this key and its models" in rows["rate_limit_error"]


@pytest.mark.parametrize(
    ("code", "class_"),
    [(code, row[2]) for row in MIDJOURNEY for code in row[0].split(", ")],
)
def test_a_code_of_midjourney_s_is_what_the_page_says(code: str, class_: str) -> None:
    body = json.dumps({"code": int(code), "description": "said", "result": "1"}).encode()
    reply = Reply(200, {}, body)

    if class_.startswith("no failure"):
        assert read(reply)["result"] == "1"
        return
    with pytest.raises(CallFailed) as failed:
        read(reply)

    unsure = isinstance(failed.value, Interrupted | ServerTrouble)
    assert class_.startswith(f"`{OutcomeUnknown.code if unsure else failed.value.code}`")


@pytest.mark.parametrize("block", steps(PAGE, "toml"), ids=["suggested", "limits"])
def test_settings_that_are_shown_are_taken(block: Step, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(block.text)

    assert build(read_file(str(config), USER, required=True), UserSettings).keys


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    """Serve a gateway whose tokens are of two groups."""
    with serving(f"--key={OPENAI}=gpt-*", f"--key={CLAUDE}=claude-*") as url:
        yield url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prompts.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in LINES))
    (tmp_path / ".config" / "wbatch").mkdir(parents=True)
    return tmp_path


def asked(
    command: str, folder: Path, gateway: str, *, config: bool
) -> subprocess.CompletedProcess[str]:
    suggested, _ = steps(PAGE, "toml")
    if config:
        (folder / ".config" / "wbatch" / "config.toml").write_text(suggested.text)
    keys = {"OPENAI_API_KEY": OPENAI, "CLAUDE_KEY": CLAUDE, "OPENAI_BASE_URL": gateway}
    environ = surroundings(folder, **keys)
    del environ["WBATCH_MOCK"]
    return run(Step("sh", command), folder, environ)


@pytest.mark.parametrize("command", [one for one in shown(PAGE) if "report" not in one])
def test_a_command_about_keys_runs(command: str, folder: Path, gateway: str) -> None:
    done = asked(command, folder, gateway, config="--suggest-keys" not in command)

    assert done.returncode == 0, done.stderr


def test_what_is_suggested_is_what_the_page_shows(folder: Path, gateway: str) -> None:
    (command,) = (one for one in shown(PAGE) if "--suggest-keys" in one)

    done = asked(command, folder, gateway, config=False)

    assert done.stdout == steps(PAGE, "toml")[0].text


def test_a_key_of_the_wrong_group_leaves_its_lines_pending_as_the_page_says(
    folder: Path, gateway: str
) -> None:
    done = asked("wbatch run prompts.jsonl -o out.jsonl", folder, gateway, config=False)

    assert done.returncode == 77
    assert "[[keys]]" in done.stderr
    assert len((folder / "out.jsonl").read_text().splitlines()) == 1


def test_ratios_become_prices_by_which_a_report_counts(tmp_path: Path) -> None:
    listed = {
        "group_ratio": {"default": 0.5},
        "data": [
            {"model_name": "gpt-4o", "quota_type": 0, "model_ratio": 1.25, "completion_ratio": 4}
            | {"cache_ratio": 0.5},
            {"model_name": "mj_imagine", "quota_type": 1, "model_ratio": 0, "completion_ratio": 0}
            | {"model_price": 0.1},
            {"model_name": "tiers", "billing_mode": "tiered_expr"},
        ],
    }
    (tmp_path / "pricing.json").write_text(json.dumps(listed))
    (tmp_path / "in.jsonl").write_text('{"prompt": "Say A.", "model": "gpt-4o"}\n')
    (script,) = steps(PAGE, "python")
    (report,) = (one for one in shown(PAGE) if "report" in one)
    environ = surroundings(tmp_path)
    for step in (Step("sh", "wbatch -q run in.jsonl -o out.jsonl"), script):
        done = run(step, tmp_path, environ)
        assert done.returncode == 0, done.stderr

    prices = tomllib.loads((tmp_path / "prices.toml").read_text())["prices"]["models"]
    done = run(Step("sh", f"{report} --mock"), tmp_path, environ)

    assert prices["gpt-4o"]["input_per_mtok"] == 1.25
    assert prices["gpt-4o"]["cached_input_per_mtok"] == 0.625
    assert prices["gpt-4o"]["cache_write_per_mtok"] == 1.25
    assert prices["gpt-4o"]["cache_write_1h_per_mtok"] == 2.0
    assert prices["gpt-4o"]["output_per_mtok"] == 5.0
    assert prices["mj_imagine"] == {"per_request": 0.05}
    assert "tiers" not in prices
    assert done.returncode == 0, done.stderr
