"""Who may read what is left, and that prompts and answers stand in results and errors alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.raw_server import Act, http
from tests.security.desk import Desk, files_in, serving
from tests.security.test_keys import STREAM, chat, delta, event

READ = Act.READ
PROMPT = "prompt-canary-0123456789"
SYSTEM = "system-canary-0123456789"
ANSWER = "answer-canary-0123456789"
WORDS = (PROMPT, SYSTEM, ANSWER)
JOB = """
inputs = ["in/{date}.jsonl"]
output = "nights/{date}/answers.jsonl"
[run]
tz = "UTC"
mock = true
[nightly]
latest = "latest"
[log]
file = "logs/nightly.jsonl"
"""


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=lambda mask: f"umask {mask:03o}")
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Have a umask for a test."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def open_to_others(folder: Path, but: set[str]) -> list[str]:
    """Return what of a folder others than its owner may read or write."""
    return [
        f"{path.relative_to(folder)} {path.stat().st_mode & 0o777:03o}"
        for path in sorted(folder.rglob("*"))
        if not path.is_symlink() and path.stat().st_mode & 0o077 and path.name not in but
    ]


@pytest.mark.usefixtures("umask")
def test_whatever_the_umask_all_that_is_left_is_for_its_owner_alone(desk: Desk) -> None:
    night = desk.folder / "in" / "2026-11-26.jsonl"
    night.parent.mkdir()
    given = {"in", night.name, "in.jsonl", "job.toml", "second.key"}
    (desk.folder / "job.toml").write_text(JOB)
    desk.lines({}, {"n": "bad"}, prompt=PROMPT)
    drawn = {"url": "/v1/images/generations", "body": {"model": "gpt-image-1", "prompt": PROMPT}}
    with (desk.folder / "in.jsonl").open("a") as inputs:
        inputs.write(json.dumps(drawn) + "\n")
    night.write_bytes((desk.folder / "in.jsonl").read_bytes())

    mocked = ("--mock", "--mock-fail", "error-200=40%", "--log-file", "new/log.txt")
    codes = [
        desk.call(*command).code
        for command in (
            ("run", "in.jsonl", "-o", "far/out.jsonl", *mocked),
            ("run", "in.jsonl", "-o", "far/out.jsonl", *mocked, "--new-run"),
            ("export", "far/out.jsonl", "-o", "table.csv"),
            ("export", "far/out.jsonl", "-o", "table.jsonl.gz"),
            ("report", "far/out.jsonl", "--html", "page.html"),
            ("report", "far/out.jsonl", "--format", "csv", "-o", "costs.csv"),
            ("run", "job.toml", "--date", "2026-11-26", "--prometheus-file", "all.prom"),
        )
    ]

    assert set(codes) <= {0, 3}
    assert list(desk.folder.rglob("*.png"))
    assert (desk.folder / "latest").is_symlink()
    # A collector is another user, and numbers are no secret.
    assert (desk.folder / "all.prom").stat().st_mode & 0o777 == 0o644
    assert open_to_others(desk.folder, given | {"all.prom"}) == []


def stands_in(folder: Path, *but: str) -> list[str]:
    """Return which files hold a word of a prompt or of an answer, beside those where it belongs."""
    return [
        f"{name}: {word}"
        for name, data in files_in(folder).items()
        for word in WORDS
        if word.encode() in data and name not in but
    ]


@pytest.mark.parametrize("makes", ["answers", "streams", "errors", "cut streams"])
def test_prompts_and_answers_stand_in_results_and_errors_alone(makes: str, desk: Desk) -> None:
    body = {"stream": "streams" in makes, "user": PROMPT, "metadata": {"a": PROMPT}}
    desk.lines(body, {}, prompt=PROMPT)
    scripts = {
        "answers": (READ, http(chat(ANSWER))),
        "streams": (READ, http(delta(ANSWER, "stop") + event("[DONE]"), STREAM)),
        "errors": (READ, http(chat(ANSWER), status="400 Bad Request")),
        "cut streams": (READ, http(delta(ANSWER), STREAM)),
    }

    with serving(scripts[makes]) as server:
        log = ("--log-file", "log.jsonl", "--log-format", "json", "-v")
        run = desk.call("run", "in.jsonl", "-o", "o.jsonl", "--base-url", server.url, *log)
        stood = desk.call("status", "o.jsonl")
        retried = desk.call("retry", "o.jsonl", "--base-url", server.url, *log)

    assert (run.code == 0) is (makes in ("answers", "streams")), run.said
    assert PROMPT in str(server.got[0].body)
    assert ANSWER in str(run.files["o.jsonl"] + run.files.get("o.run/errors.jsonl", b"")) or (
        makes == "cut streams"
    )
    assert stands_in(desk.folder, "o.jsonl", "o.run/errors.jsonl") == []
    assert not [word for word in WORDS if word in run.said + stood.said + retried.said]


def test_a_template_stands_beside_the_logs_and_nowhere_else(desk: Desk) -> None:
    (desk.folder / "p.txt").write_text(f"{SYSTEM}: {{{{ text }}}}")
    (desk.folder / "in.jsonl").write_text(json.dumps({"text": PROMPT}) + "\n")

    with serving((READ, http(chat(ANSWER)))) as server:
        flags = ("-p", "p.txt", "-m", "gpt-4o-mini", "--base-url", server.url)
        left = desk.call("run", "in.jsonl", "-o", "o.jsonl", *flags, "--log-file", "log.txt")

    assert left.code == 0, left.said
    kept = [name for name in left.files if name.startswith("o.run/prompts/")]
    assert len(kept) == 1
    assert stands_in(desk.folder, "o.jsonl", "p.txt", *kept) == []
