"""A line for every page of the gateway's documentation, in one file, each through its own key."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from batch.mock.accounts import mark
from batch.wire import formats
from tests.proofs.processes import finish, gateway, lines_of, wait_until, wbatch

ROOT = Path(__file__).parents[2]
LINES = ROOT / "sample_inputs" / "endpoints.jsonl"
FILES = ROOT / "sample_inputs" / "files"
SAMPLES = ROOT / "tests" / "wire" / "samples"
PAGES = ROOT / "docs" / "endpoints.md"
KEYS = {
    "claude-*": "sk-of-claude",
    "gemini-*": "sk-of-gemini",
    "mj_*": "sk-of-midjourney",
    "swap_face": "sk-of-midjourney",
    "*": "sk-of-the-rest",
}
VARIABLES = {
    "sk-of-claude": "CLAUDE_KEY",
    "sk-of-gemini": "GEMINI_KEY",
    "sk-of-midjourney": "MJ_KEY",
    "sk-of-the-rest": "REST_KEY",
}
OWN = {"/v1/messages": "sk-of-claude", "/v1beta/": "sk-of-gemini", "/mj": "sk-of-midjourney"}


def test_one_file_of_all_endpoints_runs_to_its_end_through_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, name in VARIABLES.items():
        monkeypatch.setenv(name, value)
    allowed = [word for models, value in KEYS.items() for word in ("--key", f"{value}={models}")]
    keys = [
        word
        for models, value in KEYS.items()
        for word in ("--key", f"{models}=env:{VARIABLES[value]}")
    ]
    with gateway(tmp_path, "--latency", 80, "--task", 800, *allowed) as mock:
        at = ("-o", "out.jsonl", "-c", 6, "--base-url", mock.url, "--allow-files", FILES, *keys)
        command = ("run", LINES, *at)

        # Given a run that is killed half-way
        with wbatch(tmp_path, *command) as process:
            results = tmp_path / "out.jsonl"
            wait_until(
                lambda: results.exists() and results.read_bytes().count(b"\n") >= 15, "some answers"
            )
            process.send_signal(signal.SIGKILL)
        before = len(lines_of(results))

        # When it is carried on with
        code, said = finish(tmp_path, *command)
        rows = mock.rows()

    # Then every line has its answer, or is one that the kill caught on its way to be paid
    answered = {record["custom_id"]: record for record in lines_of(results)}
    errors = lines_of(tmp_path / "out.run" / "errors.jsonl")
    asked = lines_of(LINES)
    assert before < len(asked)
    assert code == (3 if errors else 0), said
    assert len(answered) + len(errors) == len(asked)
    assert {record["x_run"]["class"] for record in errors} <= {"outcome_unknown"}
    assert len(errors) <= 6
    # And nothing dear was asked for twice
    dear = [row["sum"] for row in rows if row["billed"] and row["billed"].get("images")]
    assert max(Counter(dear).values()) == 1
    # And each was asked with the key of its family, and files with none
    for row in rows:
        own = next((key for path, key in OWN.items() if row["path"].startswith(path)), None)
        key = "none" if row["path"].startswith("/files/") else mark(own or "sk-of-the-rest")
        assert row["key"] == key, row["path"]
    # And what was made is in files, whose names the bodies give
    for record in answered.values():
        for file in record["x_run"].get("files", []):
            path = tmp_path / "out.run" / "files" / file["path"]
            assert path.stat().st_size == file["bytes"]
            assert path.stat().st_mode & 0o777 == 0o600
        assert ";base64," not in str(record["response"]["body"])
    assert os.listdir(tmp_path / "out.run" / "files")


def test_every_line_is_of_one_format() -> None:
    for line in lines_of(LINES):
        method = line.get("method", "POST")
        mine = [one.name for one in formats().values() if one.claims(method, line["url"])]

        assert len(mine) == 1, line["custom_id"]


def sample_lines() -> list[bytes]:
    """Return a line for each sample of the formats, with files of ours where it names others."""
    lines = []
    for path in sorted(SAMPLES.glob("*/request*.json")):
        raw = re.sub(rb'"(?:file:|https?://)[^"]*"', b'"file:cat.png"', path.read_bytes())
        name = path.parent.name
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        if "url" not in fields or "body" not in fields:
            url = formats()[name].routes[0].template.replace("{model}", "a-model")
            fields = {"url": url, "body": msgspec.Raw(raw)}
        fields["custom_id"] = msgspec.Raw(msgspec.json.encode(f"{name}/{path.stem}"))
        lines.append(re.sub(rb"[\r\n]", b"", msgspec.json.encode(fields)))
    return lines


def test_every_sample_of_every_format_is_answered_by_the_mock_gateway(tmp_path: Path) -> None:
    lines = sample_lines()
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    command = ("run", "in.jsonl", "-o", "out.jsonl", "-m", "a-model", "--mock")

    code, said = finish(tmp_path, *command, "--allow-files", FILES, "--quiet")

    errors = lines_of(tmp_path / "out.run" / "errors.jsonl")
    assert code == 0, (said, [error["custom_id"] for error in errors])
    assert len(lines_of(tmp_path / "out.jsonl")) == len(lines)


def pages() -> list[list[str]]:
    """Return the rows of the documentation's table: cells without their padding."""
    rows = [line for line in PAGES.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    table = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    return [row for row in table if row[0].isdecimal()]


def test_the_documentation_shows_the_lines_as_they_are() -> None:
    assert LINES.read_text(encoding="utf-8") in PAGES.read_text(encoding="utf-8")


def test_every_page_of_the_documentation_has_its_row() -> None:
    assert [int(row[0]) for row in pages()] == list(range(1, 54))


@pytest.mark.parametrize("row", pages(), ids=lambda row: row[0])
def test_a_row_names_a_line_that_is_there_and_a_test_that_is_there(row: list[str]) -> None:
    _, page, line, proof, _ = row
    ids = {one["custom_id"] for one in lines_of(LINES)}

    assert page
    named = re.findall(r"`(\d\d-[a-z-]+)`", line)
    assert set(named) <= ids
    assert named or line.startswith("none")
    for path, test in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", proof):
        source = (ROOT / path).read_text(encoding="utf-8")
        assert not test or f"def {test}(" in source
    assert named == [] or "`tests/" in proof
