"""``wbatch estimate``: what people and programs read of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from batch.cli import answer
from batch.cli.caller import Caller

SECRET = "sk-very-secret-0123456789"
PRICES = '[prices.models."gpt-4o-mini"]\ninput_per_mtok = 1\noutput_per_mtok = 4\n'


class Desk:
    """A folder with inputs, from which the command is called."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capfd = capfd
        (folder / "prices.toml").write_text(PRICES)

    def write(self, *bodies: dict[str, Any], name: str = "in.jsonl") -> None:
        lines = [json.dumps({"custom_id": f"r{n}", "body": one}) for n, one in enumerate(bodies)]
        (self.folder / name).write_text("".join(f"{line}\n" for line in lines))

    def estimate(self, *args: str, code: int = 0, **environ: str) -> str:
        """Return what was said on stdout, and on stderr of a failure."""
        told = {"OPENAI_API_KEY": SECRET, **environ}
        assert answer(["estimate", *args, "--config", "/dev/null"], Caller(environ=told)) == code
        out, err = self._capfd.readouterr()
        return out if code == 0 else err

    def document(self, *args: str) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.estimate(*args, "--json"))
        return found


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Desk:
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path, capfd)


def chat(content: str = "hello", model: str = "gpt-4o-mini", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": content}], **more}


def test_each_model_has_a_row_and_all_of_them_a_sum(desk: Desk) -> None:
    desk.write(chat(max_tokens=1000), chat(max_tokens=1000), chat(model="of-nobody", max_tokens=5))

    said = desk.estimate("in.jsonl", "--prices", "prices.toml", "-c", "4")

    rows = [" ".join(line.split()) for line in said.splitlines()]
    size = len(json.dumps(chat(max_tokens=1000)))
    read, most = 2 * (size // 3), 2 * size
    amounts = f"{(read + 4 * 512) / 1e6:.6f} {(most + 4 * 2000) / 1e6:.6f}"
    assert "3 lines to ask: about 3 requests" in rows
    (row,) = (row for row in rows if row.startswith("gpt-4o-mini"))
    assert row.startswith(
        f"gpt-4o-mini /v1/chat/completions 2 {read:,} to {most:,} 512 to 2,000 0.00001"
    )
    assert row.endswith(amounts)
    assert any(row.startswith("of-nobody /v1/chat/completions 1") for row in rows)
    assert any(row.endswith("unpriced unpriced unpriced") for row in rows)
    assert any(row.startswith("total 3") and "≥ 0.0" in row for row in rows)
    assert 'no price is known of of-nobody: write one under [prices.models."of-nobody"]' in said
    assert "prices: prices.toml" in rows


def test_lines_that_ask_for_a_tier_have_a_row_of_their_own_and_are_told_what_is_missing(
    desk: Desk,
) -> None:
    desk.write(chat(max_tokens=9), *(chat(max_tokens=9, service_tier=t) for t in ("flex", "scale")))

    said = desk.estimate("in.jsonl", "--prices", "prices.toml")
    told = json.loads(desk.estimate("in.jsonl", "--prices", "prices.toml", "--json"))

    rows = [" ".join(line.split()) for line in said.splitlines()]
    assert any(row.startswith("gpt-4o-mini /v1/chat/completions 1 ") for row in rows)
    (flex,) = (row for row in rows if row.startswith("gpt-4o-mini (flex) "))
    assert flex.endswith("unpriced unpriced unpriced")
    assert "no price is known of gpt-4o-mini at flex, scale: " in said
    assert "[prices.models." not in said
    assert "tiers = { flex = ..., scale = ... } under [prices]" in said
    assert [(one["tier"], one["unpriced_lines"]) for one in told["models"]] == [
        (None, 0),
        ("flex", 1),
        ("scale", 1),
    ]


@pytest.mark.parametrize(
    ("url", "body", "param"),
    [
        ("/v1/chat/completions", chat(), "--param max_tokens=500"),
        ("/v1/responses", {"model": "m", "input": "hello"}, "--param max_output_tokens=500"),
        (
            "/v1beta/models/m:generateContent",
            {"contents": [{"parts": [{"text": "hello"}]}]},
            "--param 'generationConfig={\"maxOutputTokens\":500}'",
        ),
    ],
)
def test_what_bounds_an_answer_is_said_as_its_endpoint_calls_it(
    desk: Desk, url: str, body: dict[str, Any], param: str
) -> None:
    line = {"custom_id": "a", "method": "POST", "url": url, "body": body}
    (desk.folder / "in.jsonl").write_text(json.dumps(line) + "\n")

    said = desk.estimate("in.jsonl")

    assert "1 line sets no bound on its output" in said
    assert param in said


def test_one_request_is_shown_whole_and_without_the_key(desk: Desk) -> None:
    desk.write(chat("first", max_tokens=7), chat("second"))

    said = desk.estimate("in.jsonl", "--base-url", "https://gateway.example")

    assert "the first request, of in.jsonl:1:" in said
    assert "POST https://gateway.example/v1/chat/completions" in said
    assert "Authorization: Bearer (key OPENAI_API_KEY)" in said
    body = said[said.index("{") :]
    assert json.loads(body) == chat("first", max_tokens=7)
    assert SECRET not in said


def test_a_request_that_is_a_form_or_an_answer_to_rows_is_shown_as_it_goes_out(desk: Desk) -> None:
    (desk.folder / "rows.csv").write_text("id,text\n7,Good value\n")
    (desk.folder / "prompt.txt").write_text("Judge: {{ text }}")

    told = desk.document(
        "rows.csv", "-p", "prompt.txt", "-m", "gpt-4o-mini", "--labels", "good,bad"
    )

    body = told["request"]["body"]
    assert body["messages"][-1]["content"] == "Judge: Good value"
    assert body["response_format"]["type"] == "json_schema"
    assert told["requests"] == {"low": 1, "likely": 1, "high": 3}


def test_nothing_of_the_inputs_steers_the_terminal(desk: Desk) -> None:
    hostile = "\x1b[2J\x07\u202e\x9b31m\x7f"
    desk.write(chat(hostile, model=f"m{hostile}"))

    said = desk.estimate("in.jsonl")

    assert all(char.isprintable() or char == "\n" for char in said)


def test_numbers_of_a_body_are_shown_as_they_are_written(desk: Desk) -> None:
    (desk.folder / "in.jsonl").write_text(
        '{"custom_id":"a","body":{"model":"m","seed":123456789012345678901234567890,'
        '"temperature":0.10,"messages":[{"role":"user","content":"x"}]}}\n'
    )

    said = desk.estimate("in.jsonl")

    assert '"seed": 123456789012345678901234567890' in said
    assert '"temperature": 0.10' in said
    told = json.loads(desk.estimate("in.jsonl", "--json"))
    assert told["request"]["body"]["seed"] == 123456789012345678901234567890


def test_programs_get_one_object(desk: Desk) -> None:
    desk.write(chat(max_tokens=100), {"messages": 7}, chat(max_tokens=100))

    told = desk.document("in.jsonl", "--prices", "prices.toml")

    assert (told["object"], told["schema"]) == ("estimate", 1)
    assert (told["lines"], told["looked_at"], told["not_sendable"]) == (3, 3, 1)
    assert told["output_tokens"] == {"low": 2, "likely": 200, "high": 200}
    size = len(json.dumps(chat(max_tokens=100)))
    likely, high = 2 * (size // 3) + 800, 2 * size + 800
    assert told["cost"]["likely"] == f"{likely / 1e6:.9f}"
    assert told["cost"]["high"] == f"{high / 1e6:.9f}"
    assert told["cost"]["is_floor"] is False
    assert told["models"][0]["price_source"] == "prices.toml"
    assert told["request"]["where"] == "in.jsonl:1"


def test_a_job_is_estimated_with_its_prices_and_flags_outrank_it(desk: Desk) -> None:
    desk.write(chat())
    (desk.folder / "jobs").mkdir()
    (desk.folder / "jobs" / "prices.toml").write_text(PRICES.replace("= 1", "= 1000"))
    (desk.folder / "jobs" / "job.toml").write_text(
        'inputs = ["../in.jsonl"]\noutput = "out.jsonl"\n[prices]\nfiles = ["prices.toml"]\n'
    )

    of_job = desk.document("jobs/job.toml")
    of_flag = desk.document("jobs/job.toml", "--prices", "prices.toml")

    assert float(of_job["cost"]["likely"]) > 10 * float(of_flag["cost"]["likely"])


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("missing.jsonl",), 66, "missing.jsonl"),
        (("in.jsonl", "--prices", "none.toml"), 78, "none.toml"),
        (("in.jsonl", "--votes", "3"), 2, "give labels or a schema too"),
        (("in.jsonl", "--base-url", "ftp://x"), 2, "no web address"),
    ],
)
def test_what_would_refuse_a_run_refuses_an_estimate(
    desk: Desk, args: tuple[str, ...], code: int, says: str
) -> None:
    desk.write(chat())

    assert says in desk.estimate(*args, code=code)


def test_a_price_file_names_no_other_price_files(desk: Desk) -> None:
    desk.write(chat())
    (desk.folder / "more.toml").write_text('[prices]\nfiles = ["prices.toml"]\n')

    assert "prices.files has no place in a price file" in desk.estimate(
        "in.jsonl", "--prices", "more.toml", code=78
    )


@pytest.mark.parametrize(("listed", "told"), [("true", True), ("false", False)])
def test_how_to_get_list_prices_is_said_where_they_would_help(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, listed: str, told: bool
) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)  # as if it were not installed
    desk.write(chat(model="of-nobody"))
    Path("own.toml").write_text(
        f'inputs = ["in.jsonl"]\noutput = "out.jsonl"\n[prices]\nlisted = {listed}\n'
    )

    said = desk.estimate("own.toml")

    assert ("pip install 'wenwen-batch[report]'" in said) == told
