"""A desk with secrets on it: commands that go wrong, and all that they leave.

Each secret is a canary, a text that stands nowhere else. It is looked for as it is, and in every
spelling in which whoever reads a file or a screen would have it back.
"""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import pytest

from batch.cli import answer
from batch.cli.caller import Caller
from tests.raw_server import RawServer, Script
from tests.transport.kit import TLS_FILE

# With every sign that another spelling changes.
KEY: Final = "sk-canary/0123+456789=abcdefghij"
OTHER: Final = "sk-second-canary-98765432109876543210"
PASSWORD: Final = "proxy-canary-0123456789"
TOKEN: Final = "webhook-canary-0123456789"
SECRETS: Final = {"key": KEY, "second key": OTHER, "password": PASSWORD, "token": TOKEN}
SECONDS: Final = 10.0  # for what a server does at once

CHAT: Final = "/v1/chat/completions"


class Left(NamedTuple):
    """What a command line left: its exit code, all that it said, and all that it wrote."""

    code: int
    said: str
    files: Mapping[str, bytes]


def spellings(secret: str) -> list[bytes]:
    """Return what a secret may look like to somebody who would have it back."""
    data = secret.encode()
    found = {
        data,
        quote(secret, safe="").encode(),
        quote(secret, safe="").lower().encode(),
        json.dumps(secret).strip('"').replace("/", "\\/").encode(),
        "".join(f"\\u{ord(char):04x}" for char in secret).encode(),
        secret.encode("utf-16-le"),
        secret.encode("utf-16-be"),
        "\\u0000".join(secret).encode(),
        "".join(f"&#{ord(char)};" for char in secret).encode(),
        # As much as nobody would guess, of one that was cut.
        data[: len(data) // 2],
        data.hex().encode(),
    }
    for ahead in range(3):
        for encoder in (b64encode, urlsafe_b64encode):
            # Without the signs at both ends, which hang on what stands beside.
            found.add(encoder(b"\0" * ahead + data)[4:-4])
    return sorted(found)


def traces(text: bytes | str) -> list[str]:
    """Return which secrets stand in a text, and how."""
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return [
        f"{name} as {form[:60]!r}"
        for name, secret in SECRETS.items()
        for form in spellings(secret)
        if form in data
    ]


class Desk:
    """A folder, an environment with secrets in it, and what is said on the streams and in logs."""

    def __init__(
        self,
        folder: Path,
        patch: pytest.MonkeyPatch,
        said: pytest.CaptureFixture[str],
        logged: pytest.LogCaptureFixture,
    ) -> None:
        self.folder = folder
        self._said = said
        self._logged = logged
        patch.chdir(folder)
        for name, value in around(folder).items():
            patch.setenv(name, value)
        self.lines({})

    def lines(self, *bodies: Mapping[str, Any], url: str = CHAT, prompt: str = "hello") -> None:
        """Write a line for each body, a chat with something more in it."""
        chat = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}]}
        whole = [
            {"custom_id": f"row-{n}", "url": url, "body": {**(chat if url == CHAT else {}), **body}}
            for n, body in enumerate(bodies, 1)
        ]
        (self.folder / "in.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in whole))

    def call(self, *args: object) -> Left:
        """Call the command, and look at what it left."""
        gc.freeze()  # each run begins with a search for garbage
        code = answer([str(one) for one in args], Caller())
        return self.left(code)

    def left(self, code: int = 0) -> Left:
        """Return what was said since the last look, and all files as they are."""
        said = "".join((*self._said.readouterr(), self._logged.text))
        self._logged.clear()
        return Left(code, said, files_in(self.folder))


def around(folder: Path) -> dict[str, str]:
    """Return an environment in which each secret is where people have it."""
    key_file = folder / "second.key"
    key_file.touch(mode=0o600)
    key_file.write_text(OTHER)
    return {
        "XDG_CONFIG_HOME": str(folder),
        "OPENAI_API_KEY": KEY,
        "WBATCH_KEY": f"other-*=file:{key_file}",
        "HTTPS_PROXY": f"http://me:{PASSWORD}@127.0.0.1:9",
        "HTTP_PROXY": f"http://me:{PASSWORD}@127.0.0.1:9",
        "WBATCH_MAX_ATTEMPTS": "1",
        # Of the system's authorities each run would read all.
        "WBATCH_CA_BUNDLE": str(TLS_FILE),
    }


def files_in(folder: Path) -> dict[str, bytes]:
    """Return all files but those in which the secrets were given."""
    given = {"second.key", "in.jsonl", ".env"}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in given
    }


def all_traces(left: Left) -> list[str]:
    """Return where of what a command left a secret stands."""
    found = [f"said: {one}" for one in traces(left.said)]
    for name, data in left.files.items():
        found += [f"{name}: {one}" for one in (*traces(name), *traces(data))]
    return found


class Server(RawServer):
    """One whose scripts may be written when its address is known."""

    def answer(self, *scripts: Script) -> None:
        """Follow these from the next connection on."""
        self._scripts = scripts


@contextmanager
def serving(*scripts: Script) -> Iterator[Server]:
    """Serve bytes in a thread, while a command has this one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def do(work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(SECONDS)

    server = Server(*scripts)
    try:
        do(server.__aenter__())
        yield server
    finally:
        do(server.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SECONDS)
        loop.close()


def keys_seen(servers: Sequence[RawServer]) -> list[str]:
    """Return the secrets that hosts were shown which should see none."""
    return [
        one
        for server in servers
        for got in server.got
        for one in traces(f"{got.line}\n{got.headers}\n".encode() + got.body)
    ]
