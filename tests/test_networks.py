"""The whole command in networks that people have, as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from batch.mock.dials import Dials
from batch.mock.gateway import Gateway
from tests.transport.authorities import LONG_AGO, Authority
from tests.transport.proxy_server import ProxyServer, TlsServer

LINES = 40
GATEWAY = "https://gateway.example/v1"
PASSWORD = "correct-horse-battery"
LOGIN = f"Basic {b64encode(f'me:{PASSWORD}'.encode()).decode()}"
KEY = "sk-of-these-tests-0123456789"


class Done(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str


class World(NamedTuple):
    """A gateway with TLS behind a proxy, and a folder with prompts."""

    proxy: ProxyServer
    gateway: Gateway
    folder: Path

    async def wbatch(self, *args: str, **environ: str | None) -> Done:
        """Run the command as a user would; a variable that is None is not there."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        around: dict[str, str | None] = {
            "XDG_CONFIG_HOME": str(self.folder),
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": GATEWAY,
            "SSL_CERT_FILE": str(self.folder / "Sample-Company.pem"),
            "HTTPS_PROXY": self.proxy.url,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            **environ,
        }
        said = {name: value for name, value in around.items() if value is not None}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "batch", *args),
            cwd=self.folder,
            env={**kept, **said},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    def run_json(self) -> dict[str, Any]:
        """Return the summary that the run left."""
        whole: dict[str, Any] = json.loads((self.folder / "out.run" / "run.json").read_bytes())
        return whole

    def login(self, user: str) -> str:
        """Return the proxy's address with a login in it."""
        return self.proxy.url.replace("//", f"//{user}@")

    def everything(self) -> str:
        """Return all that stands in files of the folder."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return "".join(path.read_text(errors="replace") for path in files)


RUN = ("run", "in.jsonl", "-o", "out.jsonl", "-m", "gpt-4o-mini")


@asynccontextmanager
async def world(
    folder: Path, *, login: str | None = None, instead: bytes | None = None, **given: Any
) -> AsyncIterator[World]:
    authority = Authority(folder)
    (folder / "in.jsonl").write_text('{"prompt": "hello"}\n' * LINES)
    async with (
        Gateway(Dials(latency_ms=1)) as gateway,
        TlsServer(
            int(gateway.url.rpartition(":")[2]), authority.server("gateway.example", **given)
        ) as server,
        ProxyServer(server.port, login, instead) as proxy,
    ):
        yield World(proxy, gateway, folder)


def test_a_run_goes_through_the_proxy_of_the_environment_and_says_so_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path, login=LOGIN) as there:
            done = await there.wbatch(*RUN, HTTPS_PROXY=there.login(f"me:{PASSWORD}"))

            assert done.code == 0, done.err
            said = f"through the proxy 127.0.0.1:{there.proxy.port} (HTTPS_PROXY)"
            assert done.err.count(said) == 1
            assert set(there.proxy.tunnels) == {"gateway.example:443"}
            assert there.run_json()["request_counts"]["completed"] == LINES
            assert KEY.encode() not in there.proxy.seen
            for secret in (PASSWORD, LOGIN.split()[1], KEY):
                assert secret not in done.out + done.err + there.everything()

    asyncio.run(main())


def test_proxies_of_env_files_flags_and_settings_serve_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path) as there:
            (tmp_path / ".env").write_text(f"HTTPS_PROXY={there.proxy.url}\n")
            of_file = await there.wbatch("models", HTTPS_PROXY=None)
            of_flag = await there.wbatch(
                "models", "--proxy", there.proxy.url, HTTPS_PROXY="http://127.0.0.1:9"
            )

        at = f"through the proxy 127.0.0.1:{there.proxy.port}"
        assert of_file.code == of_flag.code == 0, of_file.err + of_flag.err
        assert f"{at} (HTTPS_PROXY)" in of_file.err
        assert f"{at} (--proxy)" in of_flag.err

    asyncio.run(main())


def test_a_proxy_that_repeats_what_it_was_told_shows_no_login(tmp_path: Path) -> None:
    async def main() -> None:
        parrot = f"HTTP/1.1 403 {LOGIN}\r\nContent-Length: 0\r\n\r\n".encode()
        async with world(tmp_path, instead=parrot) as there:
            done = await there.wbatch(*RUN, HTTPS_PROXY=there.login(f"me:{PASSWORD}"))
            models = await there.wbatch("models", HTTPS_PROXY=there.login(f"me:{PASSWORD}"))

            assert "it says HTTP 403 Basic [key removed]" in done.err
            assert "it says HTTP 403 Basic [key removed]" in models.err
            for secret in (PASSWORD, LOGIN.split()[1]):
                assert secret not in done.err + models.err + there.everything()

    asyncio.run(main())


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("a certificate that has expired",
     {"since": LONG_AGO.replace(year=2019), "until": LONG_AGO},
     "(issued by 'Proxies' of 'Sample Company') expired on 2020-01-01"),
    ("a proxy that wants a login", {"login": LOGIN}, "wants a user and a password (HTTP 407)"),
    ("a proxy that forbids", {"instead": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"},
     "does not let us through to gateway.example"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_a_barred_way_ends_the_run_soon_and_leaves_its_lines_pending(
    given: dict[str, Any], said: str, tmp_path: Path
) -> None:
    async def main() -> None:
        async with world(tmp_path, **given) as there:
            done = await there.wbatch(*RUN)

            assert done.code == 77
            assert said in done.err
            assert "run the same command again" in done.err
            assert done.err.count(said) == 1
            assert len(there.proxy.tunnels) < 20
            assert not there.gateway.rows
            assert there.run_json()["request_counts"]["failed"] == 0

            models = await there.wbatch("models")
            assert models.code == 77
            assert said in models.err

    asyncio.run(main())


def test_an_authority_that_only_the_bundle_knows_is_trusted_by_it_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path) as there:
            bundle = str(tmp_path / "Sample-Company.pem")

            without = await there.wbatch("models", SSL_CERT_FILE="")
            bundled = await there.wbatch("models", "--ca-bundle", bundle, SSL_CERT_FILE="")

        assert without.code == 77
        assert "was issued by 'Proxies' of 'Sample Company', which is no authority" in without.err
        assert bundled.code == 0, bundled.err

    asyncio.run(main())


@pytest.mark.parametrize(
    ("args", "environ", "code", "said"),
    [
        (
            (),
            {"HTTPS_PROXY": "socks5://me:hush@p.example"},
            78,
            "HTTPS_PROXY names a SOCKS proxy",
        ),
        (("--proxy", "http://me:hush@p.example"), {}, 2, "Put the whole address into HTTPS_PROXY"),
        (("--proxy", "socks5://p.example"), {}, 2, "error: proxy names a SOCKS proxy"),
        ((), {"WBATCH_PROXY": "http://me:hu/sh@p"}, 2, "error: proxy is no address of a proxy"),
        (("--ca-bundle", "none.pem"), {}, 78, "the CA bundle none.pem cannot be read"),
        ((), {"SSL_CERT_FILE": "none.pem"}, 78, "SSL_CERT_FILE names none.pem, which is no file"),
        (("--ca-bundle", "in.jsonl"), {}, 78, "holds no certificate that can be read"),
        (("--base-url", "http://gateway.example"), {}, 78, "allow it with --allow-http"),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_is_sent(
    args: tuple[str, ...], environ: dict[str, str], code: int, said: str, tmp_path: Path
) -> None:
    async def main() -> None:
        async with world(tmp_path) as there:
            done = await there.wbatch(*RUN, *args, **environ)

            assert (done.code, there.proxy.tunnels) == (code, [])
            assert said in done.err
            assert "hu" + "sh" not in done.err
            assert not (tmp_path / "out.run").exists()

    asyncio.run(main())


def test_the_settings_show_the_proxy_and_who_says_so_without_its_login(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path) as there:
            address = f'proxy = "{there.proxy.url}"'
            login = there.login(f"me:{PASSWORD}")
            shown = await there.wbatch("config", "show", HTTPS_PROXY=login)
            flag = await there.wbatch("config", "show", HTTPS_PROXY="", WBATCH_PROXY=login)
            passed = await there.wbatch("config", "show", NO_PROXY="example")

        assert address in shown.out
        assert "# HTTPS_PROXY of the environment" in shown.out
        assert address in flag.out
        assert "# WBATCH_PROXY" in flag.out
        assert PASSWORD not in shown.out + flag.out
        assert "# HTTPS_PROXY is not for gateway.example, which is this machine" in passed.out

    asyncio.run(main())


def test_a_job_that_holds_a_password_of_a_proxy_is_refused_by_its_line(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path) as there:
            (tmp_path / "job.toml").write_text(
                'inputs = ["in.jsonl"]\noutput = "out.jsonl"\n[gateway]\n'
                'proxy = "http://me:hush@proxy.example:3128"\n'
            )
            done = await there.wbatch("run", "job.toml")

        assert done.code == 78
        assert "job.toml:4: gateway.proxy holds a user or a password" in done.err
        assert "hush" not in done.err

    asyncio.run(main())
