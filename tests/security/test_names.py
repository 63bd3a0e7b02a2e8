"""Names that others chose steer no path: those of lines, of files, of records from elsewhere."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from batch.api.result import result_of
from batch.ledger.entries import encode_result
from tests.raw_server import Act, http
from tests.results.desk import RUN, answer
from tests.security.desk import Desk, files_in, serving
from tests.security.test_hosts import DRAWN, IMAGES, PNG, named, several

READ = Act.READ
CANARY = "local-canary-0123456789"
IDS = [
    "../../escaped", "/tmp/escaped", "..", ".", "", "a/b/c", "~", "~root", "-rf", "--force",
    "a\0b", "a\nb", "a\rb", "a\x1b[2Jb", "a\u202eb", "a\u2028b", "con", "NUL", "aux.txt", "COM1",
    "$(touch escaped)", "`touch escaped`", "%2e%2e%2fescaped", "\\\\host\\share", "C:\\escaped",
    "file:///etc/passwd", "out.run", "journal.jsonl", ".part", "\ud83d\ude00", "x" * 300,
]  # fmt: skip
PLAIN_NAME = re.compile(r"[0-9a-z][0-9a-z._-]{0,80}")


def pictures(*ids: str) -> str:
    return "".join(
        json.dumps({"custom_id": one, "url": IMAGES, "body": DRAWN}) + "\n" for one in ids
    )


def test_no_name_of_a_line_becomes_a_name_of_a_file(desk: Desk) -> None:
    inner = desk.folder / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "in.jsonl").write_text(pictures(*IDS))
    before = set(files_in(desk.folder))

    left = desk.call("run", "a/b/in.jsonl", "-o", "a/b/out.jsonl", "--mock", "--mock-latency", 0)
    exported = desk.call("export", "a/b/out.jsonl", "-o", "a/b/table.csv")

    assert left.code in (0, 3), left.said
    assert exported.code == 0, exported.said
    made = set(exported.files) - before
    inside = {name for name in made if name.startswith("a/b/out.run/files/")}
    assert len(inside) == left.files["a/b/out.jsonl"].count(b"\n") >= len(IDS) - 1
    assert all(PLAIN_NAME.fullmatch(Path(name).name) for name in inside)
    assert {name.split("/")[2] for name in made} == {"out.jsonl", "out.run", "table.csv"}
    assert not any(ord(char) < 32 for name in made for char in name)


def test_a_name_of_a_megabyte_is_a_name_and_nothing_else(desk: Desk) -> None:
    (desk.folder / "in.jsonl").write_text(pictures("../" * 333_333))

    left = desk.call("run", "in.jsonl", "-o", "out.jsonl", "--mock", "--mock-latency", 0)

    assert left.code in (0, 3), left.said
    assert len(left.said) < 10_000
    assert all(len(name) < 200 for name in left.files)


OFFERED = [
    "attachment; filename=../../escaped.png", 'attachment; filename="/tmp/escaped"',
    "attachment; filename*=UTF-8''..%2F..%2Fescaped", "inline; filename=.bashrc",
    'attachment; filename="a\\"; b=\\"c"', "attachment; filename=" + "x" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("offer", OFFERED, ids=lambda offer: offer[:40])
def test_no_name_that_a_host_offers_is_taken(offer: str, desk: Desk) -> None:
    desk.lines(DRAWN, url=IMAGES)
    offered = http(PNG, "Content-Type: image/png", f"Content-Disposition: {offer}")
    with several(((READ, offered),), ()) as (host, gateway):
        gateway.answer((READ, named(f"{host.url}/..%2f..%2fescaped/%00.sh?a=/../b")))
        left = desk.call("run", "in.jsonl", "-o", "out.jsonl", "--base-url", gateway.url)

    assert left.code == 0, left.said
    (name,) = (name for name in left.files if name.startswith("out.run/files/"))
    assert PLAIN_NAME.fullmatch(Path(name).name)
    assert name.endswith(".png")
    assert not [name for name in left.files if "escaped" in name]


LOCAL = [
    "file:../secret.png", "file:/etc/passwd", "file:{folder}/secret.png", "file:link.png",
    "file:inner/../../secret.png", "file:///etc/passwd", "file:linked/secret.png",
    "file:%2e%2e/secret.png", "file:..\\secret.png", "file:secret.png\0.png", "file:.", "file:",
    "file:pipe.png", "file:/dev/zero", "file:/proc/self/environ", "file://localhost/etc/passwd",
    "FILE:../secret.png", "file:~/secret.png",
]  # fmt: skip


@pytest.fixture
def allowed(desk: Desk) -> Path:
    """A folder from which files may come, beside one that nobody may read."""
    folder = desk.folder / "allowed"
    (folder / "inner").mkdir(parents=True)
    (desk.folder / "secret.png").write_bytes(PNG + CANARY.encode())
    (folder / "link.png").symlink_to(desk.folder / "secret.png")
    (folder / "linked").symlink_to(desk.folder)
    return folder


def test_files_of_lines_come_from_the_allowed_folder_alone(desk: Desk, allowed: Path) -> None:
    os.mkfifo(allowed / "pipe.png")
    sources = [one.format(folder=desk.folder) for one in LOCAL]
    parts = [
        [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": one}}]
        for one in sources
    ]
    desk.lines(*({"messages": [{"role": "user", "content": one}]} for one in parts))
    refusal = http(b'{"error":{"message":"no"}}', status="400 Bad Request")

    with serving((READ, refusal)) as gateway:
        flags = ("--allow-files", "allowed", "--base-url", gateway.url)
        left = desk.call("run", "in.jsonl", "-o", "out.jsonl", *flags)
        sent = b"".join(got.body for got in gateway.got)

    errors = [json.loads(line) for line in left.files["out.run/errors.jsonl"].splitlines()]
    classes = {one["custom_id"]: one["x_run"]["class"] for one in errors}
    refused = [name for name, kind in classes.items() if kind == "bad_file"]
    assert len(classes) == len(LOCAL)
    assert CANARY.encode() not in sent
    assert b"root:" not in sent
    # What is no "file:" at all goes to the gateway as it is, which knows nothing of this machine.
    assert set(classes) - set(refused) <= {f"row-{LOCAL.index('FILE:../secret.png') + 1}"}


@pytest.mark.parametrize(
    "path", ["../../secret.png", "/etc/passwd", "..", "a/../../b", "wbatch-file:../x", ""]
)
def test_a_record_from_elsewhere_names_no_file_outside_of_its_run(path: str) -> None:
    record = json.loads(encode_result(answer(1), RUN, 0))
    record["x_run"]["files"] = [{"path": path, "bytes": 1, "type": "image/png"}]

    (file,) = result_of(json.dumps(record).encode(), "/runs/out.run").files

    assert Path(file).parent == Path("/runs/out.run/files") or file in (
        "/runs/out.run/files/..",
        "/runs/out.run/files/",
    )


def test_an_export_of_hostile_records_opens_none_of_the_files_they_name(desk: Desk) -> None:
    (desk.folder / "secret.png").write_bytes(PNG + CANARY.encode())
    desk.lines({})
    left = desk.call("run", "in.jsonl", "-o", "out.jsonl", "--mock", "--mock-latency", 0)
    record = json.loads(left.files["out.jsonl"])
    record["x_run"]["files"] = [{"path": "../../secret.png", "bytes": 1, "type": "image/png"}]
    said = {"role": "assistant", "content": "wbatch-file:../../secret.png"}
    record["response"]["body"]["choices"][0]["message"] = said
    (desk.folder / "out.jsonl").write_text(json.dumps(record, separators=(",", ":")) + "\n")

    after = [
        desk.call(*command)
        for command in (
            ("export", "out.jsonl", "-o", "table.csv"),
            ("export", "out.jsonl", "-o", "strict.jsonl", "--strict"),
            ("show", "out.jsonl", "--full"),
        )
    ]

    assert not [one for one in after if CANARY in one.said]
    holding = [name for name, data in after[-1].files.items() if CANARY.encode() in data]
    assert holding == ["secret.png"]
