"""What stands in ``out.jsonl`` is of the vendors' types, strictly; what came as a stream too."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from openai.types import Video

from tests.compat.asks import ASKS, FILM, STREAMS, Ask, rows
from tests.compat.conftest import KEY
from tests.compat.judge import strictly

FILE = "wbatch-file:"
ROOT = Path(__file__).parents[2]


def name_of(ask: Ask, *, streamed: bool) -> str:
    return f"{ask.name}, streamed" if streamed else ask.name


def line_of(ask: Ask, *, streamed: bool) -> dict[str, Any]:
    return ask.endpoint.line(name_of(ask, streamed=streamed), ask.body, streamed=streamed)


class Run(NamedTuple):
    """A finished run: its folder, its records by name, and what it said."""

    folder: Path
    records: Mapping[str, dict[str, Any]]
    said: str


@pytest.fixture(scope="module")
def finished(gateway: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run every ask, plain and streamed."""
    folder = tmp_path_factory.mktemp("run")
    lines = [line_of(ask, streamed=False) for ask in ASKS]
    lines += [line_of(ask, streamed=True) for ask in STREAMS]
    lines.append({"custom_id": "film", "method": "POST", "url": "/v1/videos", "body": FILM})
    (folder / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = [sys.executable, "-m", "batch", "run", "in.jsonl", "-o", "out.jsonl"]
    done = subprocess.run(
        [*command, "--base-url", gateway, "--max-attempts", "1"],
        env={**os.environ, "OPENAI_API_KEY": KEY, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        check=False,  # what failed is told line by line
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    logs = [folder / "out.jsonl", folder / "out.run" / "errors.jsonl"]
    found = [
        json.loads(line) for log in logs if log.exists() for line in log.read_bytes().splitlines()
    ]
    return Run(folder, {record["custom_id"]: record for record in found}, done.stderr)


def put_back(value: Any, files: Path) -> Any:
    """Return a body with the media that were taken out of it."""
    if isinstance(value, dict):
        return {key: put_back(inner, files) for key, inner in value.items()}
    if isinstance(value, list):
        return [put_back(inner, files) for inner in value]
    if isinstance(value, str) and value.startswith(FILE):
        return base64.b64encode((files / value.removeprefix(FILE)).read_bytes()).decode()
    return value


def body_of(finished: Run, name: str) -> str:
    record = finished.records.get(name)
    assert record, finished.said
    assert "class" not in record["x_run"], record
    return json.dumps(put_back(record["response"]["body"], finished.folder / "out.run" / "files"))


@pytest.mark.parametrize("ask", rows(ASKS))
def test_a_recorded_body_is_of_its_type(finished: Run, ask: Ask) -> None:
    body = body_of(finished, name_of(ask, streamed=False))

    assert ask.shows(strictly(ask.type or ask.endpoint.type, body))


@pytest.mark.parametrize("ask", rows(STREAMS))
def test_a_folded_body_is_of_its_type(finished: Run, ask: Ask) -> None:
    body = body_of(finished, name_of(ask, streamed=True))

    assert ask.shows(strictly(ask.type or ask.endpoint.type, body))


def test_a_recorded_film_is_of_its_type(finished: Run) -> None:
    film = strictly(Video, body_of(finished, "film"))

    assert film.status == "completed"


@pytest.fixture(scope="module")
def exported(finished: Run) -> Mapping[str, dict[str, Any]]:
    """Export the same run in OpenAI's own shape; return its lines by name."""
    command = [sys.executable, "-m", "batch", "export", "out.jsonl", "--strict", "--errors"]
    subprocess.run(
        [*command, "-o", "strict.jsonl", "--force"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=finished.folder,
        check=True,
        timeout=60,
    )
    lines = (finished.folder / "strict.jsonl").read_bytes().splitlines()
    return {line["custom_id"]: line for line in map(json.loads, lines)}


def test_a_strict_export_has_the_keys_of_an_openai_batch_line(
    finished: Run, exported: Mapping[str, dict[str, Any]]
) -> None:
    assert exported.keys() == finished.records.keys()
    for line in exported.values():
        assert list(line) == ["id", "custom_id", "response", "error"]
        assert (line["response"] is None) != (line["error"] is None)
        if line["response"] is not None:
            assert list(line["response"]) == ["status_code", "request_id", "body"]
            assert isinstance(line["response"]["request_id"], str)


@pytest.mark.parametrize("ask", rows(ASKS))
def test_a_body_of_a_strict_export_is_of_its_type(
    finished: Run, exported: Mapping[str, dict[str, Any]], ask: Ask
) -> None:
    body = exported[name_of(ask, streamed=False)]["response"]["body"]
    files = finished.folder / "out.run" / "files"

    assert ask.shows(strictly(ask.type or ask.endpoint.type, json.dumps(put_back(body, files))))
