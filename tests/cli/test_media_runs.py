"""Runs whose answers are pictures, films and speech, each run a process of its own."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from tests.proofs.processes import KEY, finish, gateway, lines_of

VOICE = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
BARE = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}}
# Of so many pictures some are held in their answers, and some are linked; the dice always fall so.
PICTURES = 8
ASKED: dict[str, dict[str, Any]] = {
    **{f"picture-{n}": {"model": "gpt-4o-image"} for n in range(PICTURES - 2)},
    **{f"drawn-{n}": {"model": "gpt-4o-image", "stream": True} for n in range(2)},
    "film": {"model": "sora_video2"},
    "film in progress": {"model": "veo-3.1", "stream": True},
    "speech": {"model": "gpt-4o-audio-preview", **VOICE},
    "speech in pieces": {"model": "gpt-4o-audio-preview", "stream": True, **BARE},
    "text": {"model": "gpt-4o"},
}
STARTS = {
    ".png": b"\x89PNG\r\n\x1a\n",
    ".mp4": b"\0\0\0\x18ftyp",
    ".wav": b"RIFF",
    ".pcm": b"\0\0\0\0",
}
KINDS = {".png": PICTURES, ".mp4": 2, ".wav": 1, ".pcm": 1}
BASE64 = re.compile(rb"[A-Za-z0-9+/]{200}")


def write_lines(path: Path) -> None:
    with path.open("wb") as file:
        for custom_id, fields in ASKED.items():
            messages = [{"role": "user", "content": f"Make a {custom_id}"}]
            body = {**fields, "messages": messages}
            line = {"custom_id": custom_id, "url": "/v1/chat/completions", "body": body}
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def run(folder: Path, *flags: object) -> dict[str, dict[str, Any]]:
    """Run the lines, and return their records; all of them are answered."""
    write_lines(folder / "in.jsonl")
    code, said = finish(folder, "run", "in.jsonl", "-o", "out.jsonl", *flags)
    assert code == 0, said
    assert KEY not in said
    records = {record["custom_id"]: record for record in lines_of(folder / "out.jsonl")}
    assert set(records) == set(ASKED)
    return records


def files_of(record: dict[str, Any]) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = record["x_run"].get("files", [])
    return files


def body_of(record: dict[str, Any]) -> bytes:
    return orjson.dumps(record["response"]["body"])


class Finished(NamedTuple):
    """A run that ended, and what the gateway saw of it."""

    folder: Path
    records: dict[str, dict[str, Any]]
    rows: list[dict[str, Any]]
    billed: dict[str, int]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("media")
    with gateway(folder) as mock:
        records = run(folder, "--base-url", mock.url)
        again = run(folder, "--base-url", mock.url)
        assert again == records
        return Finished(folder, records, mock.rows(), mock.counts()["billed"])


def assert_media_became_files(folder: Path, records: dict[str, dict[str, Any]]) -> None:
    files = folder / "out.run" / "files"
    named = [file for record in records.values() for file in files_of(record)]
    assert sorted(file["path"] for file in named) == sorted(p.name for p in files.iterdir())
    for file in named:
        path = files / file["path"]
        data = path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
        assert data.startswith(STARTS[path.suffix])
    made = {kind: sum(file["path"].endswith(kind) for file in named) for kind in KINDS}
    assert made == KINDS
    for custom_id, record in records.items():
        assert len(files_of(record)) == (custom_id != "text")
        for file in files_of(record):
            assert f"wbatch-file:{file['path']}".encode() in body_of(record)
        assert not BASE64.search(body_of(record))
        assert b"http://" not in body_of(record)


def test_media_become_files_beside_the_answers(finished: Finished) -> None:
    assert_media_became_files(finished.folder, finished.records)


def test_media_of_a_rehearsal_become_files_too(tmp_path: Path) -> None:
    assert_media_became_files(tmp_path, run(tmp_path, "--mock"))


def test_pictures_are_counted(finished: Finished) -> None:
    told = {custom_id: one["x_run"]["usage"] for custom_id, one in finished.records.items()}
    assert [told[f"picture-{n}"]["images"] for n in range(PICTURES - 2)] == [1] * (PICTURES - 2)
    assert not [one for one in ("film", "speech", "text") if "images" in told[one]]
    totals = lines_of(finished.folder / "out.run" / "usage.jsonl")
    for name in ("images", "input_tokens", "output_tokens"):
        assert sum(total.get(name, 0) for total in totals) == finished.billed[name]


def test_each_line_is_asked_once_and_each_file_fetched_once(finished: Finished) -> None:
    # The fixture gave the command a second time.
    asked = [row["path"] for row in finished.rows if row["method"] == "POST"]
    fetched = [row["path"] for row in finished.rows if row["method"] == "GET"]

    assert asked == ["/v1/chat/completions"] * len(ASKED)
    assert len(set(fetched)) == len(fetched)
    suffixes = [Path(path).suffix for path in fetched]
    assert suffixes.count(".mp4") == 2
    assert 0 < suffixes.count(".png") < PICTURES


def test_the_key_is_not_sent_to_the_host_of_the_files(finished: Finished) -> None:
    fetched = [row for row in finished.rows if row["path"].startswith("/files/")]
    asked = [row for row in finished.rows if not row["path"].startswith("/files/")]

    assert fetched
    assert {row["key"] for row in fetched} == {"none"}
    assert len({row["key"] for row in asked} - {"none"}) == 1
    kept = [path for path in finished.folder.rglob("*") if path.is_file()]
    assert not [path for path in kept if KEY.encode() in path.read_bytes()]


def test_media_that_are_to_stay_in_the_answers_stay_there(tmp_path: Path) -> None:
    with gateway(tmp_path) as mock:
        records = run(tmp_path, "--base-url", mock.url, "--inline-media")
        fetched = [row for row in mock.rows() if row["path"].startswith("/files/")]

    audio = records["speech"]["response"]["body"]["choices"][0]["message"]["audio"]
    assert b64decode(audio["data"]).startswith(b"RIFF")
    held = [one for one in records.values() if b"data:image/png;base64," in body_of(one)]
    assert len(held) == PICTURES - sum(row["path"].endswith(".png") for row in fetched)
    assert held
    assert not [one for one in (*held, records["speech"]) if files_of(one)]
    # What an answer only links to would be gone tomorrow.
    folder = tmp_path / "out.run" / "files"
    assert len(list(folder.iterdir())) == len(fetched) > 0
    journal = (tmp_path / "out.run" / "journal.jsonl").read_bytes()
    assert audio["data"].encode() not in journal
