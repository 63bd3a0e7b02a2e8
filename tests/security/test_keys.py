"""A key stands nowhere but in the place it was given in, and in the header of a call.

Where each item of what a security review asks is attacked:

- keys in what failing runs leave: here, and ``test_processes.py`` for what only a process leaves;
  ``test_secret.py``, ``transport/test_send.py``, ``settings/test_keyring.py``
- keys and other hosts, redirects, TLS, cookies, .netrc: ``test_hosts.py``; ``test_networks.py``,
  ``transport/test_outside.py``, ``test_trust.py``, ``test_proxy.py``, ``test_tunnel.py``
- names that others chose: ``test_names.py``; ``transport/test_attach.py``, ``test_saving.py``,
  ``test_media.py``, ``test_files.py``
- templates: ``test_templates.py``; ``test_template.py``
- what spreadsheets, browsers and collectors would obey: ``test_readers.py``;
  ``results/test_export.py``, ``report/test_page.py``, ``labeling/test_score.py``,
  ``notices/test_prometheus.py``
- what a terminal would obey: ``cli/test_terminal.py``, ``session/test_runlog.py``
- who may read what is left, and prompts and answers in it: ``test_private.py``
- what the source must not use: ``test_source.py``
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

import pytest

from batch.cli import answer
from batch.cli.caller import Caller
from batch.secret import MASK, Secret
from tests.cli.fake_engine import FakeEngine
from tests.raw_server import Act, Script, chunk, head, http
from tests.security.desk import (
    CHAT,
    KEY,
    OTHER,
    PASSWORD,
    TOKEN,
    Desk,
    all_traces,
    serving,
    traces,
)

READ = Act.READ
JSON = "Content-Type: application/json"
STREAM = "Content-Type: text/event-stream"
SPEECH = "/v1/audio/speech"
IMAGES = "/v1/images/generations"
MIDJOURNEY = "/mj/submit/imagine"
HALF = len(KEY) // 2
ESCAPED = "".join(f"\\u{ord(char):04x}" for char in KEY)
SLASHED = KEY.replace("/", "\\/")
QUOTED = quote(KEY, safe="")
IN_64 = b64encode(f"Bearer {KEY}".encode()).decode()
ENTITIES = "".join(f"&#{ord(char)};" for char in KEY)


def says(text: str, status: str = "400 Bad Request", code: str = "x") -> Script:
    """Return an error that repeats something; the text stands in its JSON as it is."""
    body = f'{{"error":{{"message":"no: {text}","type":"new_api_error","code":"{code}"}}}}'
    return READ, http(body.encode(), JSON, status=status)


def chat(text: str, **more: str) -> bytes:
    """Return an answer that repeats something."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    told = {"id": "a", "model": "m", "choices": [choice], "usage": usage, **more}
    return json.dumps(told).encode()


def event(data: str) -> bytes:
    return f"data: {data}\n\n".encode()


def delta(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return event(json.dumps({"id": "a", "model": "m", "choices": [choice]}))


def streamed(*events: bytes) -> Script:
    """Return events, each sent by itself."""
    return READ, head(STREAM, "Transfer-Encoding: chunked"), *map(chunk, events), chunk(b"")


def moved(status: str, location: str) -> Script:
    return READ, http(b"", f"Location: {location}", status=status)


PLAIN: Mapping[str, object] = {"stream": False}


class Row(NamedTuple):
    """A gateway that repeats the key in one way, what it is asked, and how the run ends."""

    name: str
    script: Script
    code: int
    url: str = CHAT
    body: Mapping[str, object] = PLAIN


STREAMED: Mapping[str, object] = {"stream": True}
SPOKEN: Mapping[str, object] = {"model": "tts-1", "input": "hello", "voice": "alloy"}
DRAWN: Mapping[str, object] = {"model": "gpt-image-1", "prompt": "a buoy"}

ROWS = [
    Row("a bad key that is repeated", says(f"Bearer {KEY}", "401 Unauthorized"), 77),
    Row("an unknown model", says(KEY, "404 Not Found", "model_not_found"), 77),
    Row("no money", says(KEY, "403 Forbidden", "insufficient_user_quota"), 77),
    Row("an error", says(KEY), 3),
    Row("an error in escapes", says(ESCAPED), 3),
    Row("an error with escaped slashes", says(SLASHED), 3),
    Row("an error, quoted for an address", says(QUOTED), 3),
    Row("an error, quoted in small letters", says(QUOTED.lower()), 3),
    Row("an error in base64", says(IN_64), 3),
    Row("an error in the code", says("x", code=KEY), 3),
    Row("an error that is a text", (READ, http(KEY.encode(), status="400 Bad")), 3),
    Row("an error beside a byte that is no text",
        (READ, http(b'{"error":{"message":"\xff%b"}}' % KEY.encode(), JSON, status="400 Bad")), 3),
    Row("an error in entities", says(ENTITIES), 3),
    Row("an error whose slash is one", says(KEY.replace("/", "&#x2F;")), 3),
    Row("a header that is none", (READ, head(f"X-A: {KEY}\x01"), Act.CLOSE), 3),
    Row("a line far too long, which a key ends",
        (READ, head(f"X-A: {'a' * 70_000}{KEY}"), Act.CLOSE), 3),
    Row("a name far too long, cut within the key",
        (READ, head(f"{'a' * 60}{KEY}{'a' * 70_000}: b"), Act.CLOSE), 3),
    Row("a reason far too long", (READ, http(b"", status=f"400 {'a' * 60}{KEY}{'a' * 70_000}")), 3),
    Row("an error in UTF-16", (READ, http(KEY.encode("utf-16"), JSON, status="400 Bad")), 3),
    Row("a name in an object", (READ, http(b'{"%b":1}' % KEY.encode(), status="400 Bad")), 3),
    Row("an error under a good status",
        (READ, http(b'{"error":{"message":"%b"}}' % KEY.encode(), JSON)), 3),
    Row("the reason beside a status", (READ, http(b"{}", status=f"400 {KEY}")), 3),
    Row("a line that is no status", (READ, f"HTTP/9 {KEY}\r\n\r\n".encode(), Act.CLOSE), 3),
    # Of what is shortened a first half could be left.
    *(Row(f"a long line that is no status, {ahead}",
          (READ, f"HTTP/9 {'x' * ahead}{KEY}{'x' * 600}\r\n\r\n".encode(), Act.CLOSE), 3)
      for ahead in (250, 550)),
    Row("a line that is no header",
        (READ, f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n".encode(), Act.CLOSE), 3),
    Row("a size that is none",
        (READ, head("Transfer-Encoding: chunked"), f"{KEY}\r\n".encode(), Act.CLOSE), 3),
    Row("what claims to be packed", (READ, http(KEY.encode(), "Content-Encoding: gzip")), 3),
    Row("an answer that is no JSON", (READ, http(b'{"choices":[%b' % KEY.encode(), JSON)), 3),
    Row("an answer that is cut",
        (READ, http(b'{"choices":["%b' % KEY.encode(), JSON, length=999), Act.CLOSE), 3),
    Row("an answer", (READ, http(chat(KEY), JSON)), 0),
    Row("an answer in escapes", (READ, http(chat("@").replace(b"@", ESCAPED.encode()), JSON)), 0),
    Row("an answer in base64", (READ, http(chat(IN_64), JSON)), 0),
    Row("the model of an answer", (READ, http(chat("x", model=KEY), JSON)), 0),
    Row("the id of an answer", (READ, http(chat("x", id=KEY), JSON)), 0),
    Row("the header with the request's id",
        (READ, http(chat("x"), JSON, f"X-Request-Id: {KEY}", f"X-Oneapi-Request-Id: {KEY}")), 0),
    Row("a header, in escapes", (READ, http(chat("x"), JSON, f"X-Request-Id: {ESCAPED}")), 0),
    Row("the name of a header", (READ, http(chat("x"), JSON, f"{KEY[:9]}: x")), 0),
    Row("two pieces of an answer",
        (READ, head(JSON, "Transfer-Encoding: chunked"), *map(chunk, chat(KEY).partition(b"+")),
         chunk(b"")), 0),
    Row("an event", streamed(delta(KEY), delta("", "stop"), event("[DONE]")), 0, body=STREAMED),
    Row("two events", streamed(delta(KEY[:HALF]), delta(KEY[HALF:]), delta("", "stop"),
        event("[DONE]")), 0, body=STREAMED),
    Row("an event in two pieces",
        streamed(*delta(KEY, "stop").partition(b"+"), event("[DONE]")), 0, body=STREAMED),
    Row("an event that is an error",
        streamed(event(f'{{"error":{{"message":"{KEY}"}}}}')), 3, body=STREAMED),
    Row("an event after which nothing comes", streamed(delta(KEY)), 3, body=STREAMED),
    Row("an event that is no JSON", streamed(event(KEY)), 3, body=STREAMED),
    Row("a redirect", moved("302 Found", f"https://other.example/{KEY}"), 77),
    Row("a redirect, quoted", moved("307 Moved", f"https://other.example/?k={QUOTED}"), 77),
    Row("why a task is not taken",
        (READ, http(b'{"code":24,"description":"%b","result":""}' % KEY.encode(), JSON)), 3,
        MIDJOURNEY, {"prompt": "a buoy"}),
    Row("the name of a file that is offered",
        (READ, http(b"ID3\4" + bytes(64), "Content-Type: audio/mpeg",
                    f'Content-Disposition: attachment; filename="../{KEY}.mp3"')), 0,
        SPEECH, SPOKEN),
    Row("the type of a file", (READ, http(b"ID3\4" + bytes(64), f"Content-Type: audio/{KEY}")), 0,
        SPEECH, SPOKEN),
    Row("an address of a file", (READ, http(b'{"data":[{"url":"%b"}]}' % KEY.encode(), JSON)), 3,
        IMAGES, DRAWN),
]  # fmt: skip

# What people then type, to see what happened.
THEN: list[tuple[str, ...]] = [
    ("show", "out.jsonl", "--full"),
    ("export", "out.jsonl", "-o", "out.csv", "--errors"),
]


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_key_that_a_gateway_repeats_is_in_nothing_that_a_run_leaves(row: Row, desk: Desk) -> None:
    desk.lines(row.body, url=row.url)

    with serving(row.script) as server:
        way = ("--base-url", server.url, "--log-file", "log.jsonl", "--log-format", "json")
        left = desk.call("run", "in.jsonl", "-o", "out.jsonl", "-v", *way)
        then = [desk.call(*command) for command in THEN]

    assert KEY in server.got[0].headers["authorization"]
    assert left.code == row.code, left.said
    assert "log.jsonl" in left.files
    assert "Traceback" not in left.said + "".join(one.said for one in then)
    assert [all_traces(one) for one in (left, *then) if all_traces(one)] == []


MISPLACED: list[tuple[str, tuple[str, ...], dict[str, str], int]] = [
    ("as --key", ("--key", KEY), {}, 2),
    ("as --key for models", ("--key", f"gpt-*={KEY}"), {}, 2),
    ("as the name of a variable", ("--key", f"gpt-*=env:{KEY}"), {}, 2),
    ("as the path of a file", ("--key", f"gpt-*=file:{KEY}"), {}, 2),
    ("as the pattern of models", ("--key", f"{KEY}=env:OPENAI_API_KEY"), {}, 2),
    ("as the model", ("-m", KEY), {}, 2),
    ("as the model in a variable", (), {"WBATCH_MODEL": KEY}, 2),
    ("as the endpoint", ("--endpoint", KEY), {}, 2),
    ("in the path of the address", ("--base-url", f"http://127.0.0.1:9/{KEY}/v1"), {}, 78),
    ("quoted in the address", ("--base-url", f"http://127.0.0.1:9/{QUOTED}"), {}, 78),
    ("as the user of the address", ("--base-url", f"https://{OTHER}@gw.example"), {}, 2),
    ("as the password of the address", ("--base-url", f"https://u:{OTHER}@gw.example"), {}, 2),
    ("as a question in the address", ("--base-url", f"https://gw.example/?key={OTHER}"), {}, 2),
    ("as the host of the address", ("--base-url", f"https://{OTHER}/v1 x"), {}, 2),
    ("instead of the address", ("--base-url", KEY), {}, 2),
    ("in the address of the environment", (), {"OPENAI_BASE_URL": f"https://x:{KEY}@g"}, 78),
    ("beside another sign", (), {"OPENAI_API_KEY": f"{KEY} {OTHER}"}, 78),
    ("as a proxy's address", (), {"WBATCH_PROXY": f"ftp://me:{PASSWORD}@p"}, 2),
    ("as a proxy on the command line", ("--proxy", f"http://me:{PASSWORD}@p"), {}, 2),
    ("as an address of notices", ("--webhook-url", f"{TOKEN}:// x"), {}, 2),
    ("in a flag that is wrong", ("--webhok-url", f"https://hooks.example/{TOKEN}"), {}, 2),
]


@pytest.mark.parametrize(
    ("args", "environ", "code"), [row[1:] for row in MISPLACED], ids=[row[0] for row in MISPLACED]
)
def test_a_key_in_a_wrong_place_is_refused_and_repeated_by_nobody(
    args: tuple[str, ...],
    environ: dict[str, str],
    code: int,
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    way = () if "--base-url" in args else ("--base-url", "http://127.0.0.1:9")

    left = desk.call("run", "in.jsonl", "-o", "out.jsonl", *(() if environ else way), *args)

    assert left.code == code, left.said
    assert all_traces(left) == []
    assert not (desk.folder / "out.run").exists()


def test_settings_that_are_shown_hold_no_secret(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WBATCH_WEBHOOK_URL", f"https://hooks.example/{TOKEN}?t={TOKEN}")
    monkeypatch.setenv("WBATCH_HEALTH_URL", f"https://me:{TOKEN}@hc.example/{TOKEN}")
    (desk.folder / ".env").touch(mode=0o600)
    (desk.folder / ".env").write_text(f"OPENAI_API_KEY={KEY}\nSECOND={OTHER}\n")

    shown = [desk.call("config", "show", *more) for more in ((), ("--json",))]
    checked = desk.call("check", "in.jsonl", "-m", "m", "--base-url", "http://127.0.0.1:9")

    assert [one.code for one in shown] == [0, 0]
    assert "hooks.example" in shown[0].said
    assert [all_traces(one) for one in (*shown, checked) if all_traces(one)] == []


def test_what_was_pasted_into_prompts_comes_back_in_no_message(desk: Desk) -> None:
    desk.lines({}, {"stream": 3}, {"messages": KEY}, prompt=f"my key is {KEY}")

    with serving(says(KEY)) as server:
        left = desk.call("run", "in.jsonl", "-o", "out.jsonl", "--base-url", server.url, "-v")
        shown = desk.call("show", "out.jsonl", "--errors")

    assert left.code == 3
    assert all_traces(left) == []
    assert KEY in shown.said  # a prompt is shown as the inputs have it


@pytest.mark.parametrize("status", [200, 302, 404])
def test_a_notice_shows_nobody_its_address_nor_a_key(
    status: int, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = http(TOKEN.encode(), f"Location: https://other.example/{TOKEN}", status=f"{status} x")
    with serving((READ, echo)) as hook, serving(says(KEY, "401 Unauthorized")) as server:
        monkeypatch.setenv("WBATCH_WEBHOOK_URL", f"{hook.url}/{TOKEN}")
        monkeypatch.setenv("WBATCH_HEALTH_URL", f"http://{TOKEN}@127.0.0.1:{hook.port}/{TOKEN}")
        log = ("--log-file", "log.txt")
        left = desk.call("run", "in.jsonl", "-o", "o.jsonl", "--base-url", server.url, *log)

        bodies = b"".join(got.body for got in hook.got)
        shown = [got.headers for got in hook.got if "authorization" not in got.headers]

    assert left.code == 77
    assert ("not told: " in left.said) is (status != 200)
    assert all_traces(left) == []
    assert len(hook.got) == 3
    assert traces(bodies) == []
    assert traces(str(shown)) == []


@pytest.mark.parametrize("flags", [(), ("-v",), ("--log-format", "json")])
def test_the_traceback_of_a_bug_shows_no_key_and_nothing_that_a_terminal_obeys(
    flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    key = Secret("key", KEY)
    cause = ValueError(f"{{'Authorization': 'Bearer {KEY}'}}\x1b[2J\x07")
    bug = RuntimeError(f"went to https://gw.example/?k={QUOTED}")
    bug.__cause__ = cause

    code = answer(["run", "a", "-o", "b", *flags], Caller(FakeEngine(failure=bug), {}))

    said = capsys.readouterr().err
    assert (code, key.name) == (1, "key")
    assert f"Bearer {MASK}" in said
    assert "Traceback" in said
    assert traces(said) == []
    assert {char for char in said if not char.isprintable()} <= {"\n"}
