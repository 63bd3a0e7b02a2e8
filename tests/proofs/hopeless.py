"""Send lines that cannot be answered, count the requests in vain, mend the cause, and send again.

    python -m tests.proofs.hopeless [--lines N] [--put]

Each case is the real command against a gateway in another process, twice: as it is, and with the
cause mended, but else unchanged. The first must stop by itself after a handful of requests in vain
and leave the lines pending, without one error on record; the second must answer every line once,
and ask none again that was answered. A gateway that is silent takes ten minutes: in virtual time.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import orjson

from batch.errors import CallFailed, Unreachable
from batch.records import Reply
from batch.session.ending import SILENT_SECONDS, UNAVAILABLE
from batch.wire._http import read_failure
from tests.gate.test_account import lines as through
from tests.gate.world import clock, gate
from tests.proofs.page import put, table
from tests.proofs.processes import Failed, finish, gateway, lines_of, require
from tests.virtual import run as in_virtual_time

LINES: Final = 1000
CONCURRENCY: Final = 64
NO_ACCESS: Final = 77
LATENCY_MS: Final = 20
TOKENS: Final = 30  # that a line takes at the least; a run of half the money ends in the middle
GPT: Final = "gpt-4o-mini"
CLAUDE: Final = "claude-sonnet-4-5"
GEMINI: Final = "gemini-2.5-flash"
KEYS: Final[Mapping[str, str]] = {
    name: f"sk-of-{name}-in-a-proof" for name in ("gpt", "claude", "gemini", "old", "new")
}
HEADS: Final = (
    "what is wrong",
    "lines:",
    "requests:",
    "of them in vain:",
    "answered:",
    "exit code:",
    "pending:",
    "first line of the message",
    "requests once it is mended:",
)


class Way(msgspec.Struct, frozen=True):
    """A gateway, and how the command is told to reach it."""

    gateway: Sequence[object] = ()  # flags of the mock
    run: Sequence[object] = ()  # flags of the run
    key: str = KEYS["gpt"]  # its OPENAI_API_KEY


class Case(msgspec.Struct, frozen=True):
    """Something hopeless, and the same mended."""

    name: str
    sick: Way
    well: Way
    models: Sequence[str] = (GPT,)
    answered: float = 0.0  # share of the lines that are answered all the same; about
    elsewhere: bool = False  # the address is another server's
    in_vain: int = 8  # requests at most


class Met(msgspec.Struct, frozen=True):
    """What a command met: requests that arrived, those answered, how it ended."""

    arrived: int
    answered: int
    code: int
    said: str


class Found(msgspec.Struct, frozen=True):
    """What was found of a case."""

    name: str
    lines: int
    sick: Met
    well: Met | None
    pending: int
    seconds: float

    def row(self) -> list[str]:
        """Return it as a row of the table."""
        sick, well = self.sick, self.well
        return [
            self.name,
            f"{self.lines:,}",
            f"{sick.arrived:,}",
            f"{sick.arrived - sick.answered:,}",
            f"{sick.answered:,}",
            str(sick.code),
            f"{self.pending:,}",
            first_line(sick.said),
            f"{well.arrived:,}" if well else "",
        ]


def _known(*names: str) -> list[str]:
    """Return the flags of a gateway that knows keys: gpt and so on for their families."""
    return [
        word
        for name in names
        for word in ("--key", f"{KEYS[name]}={name}-*" if name != "old" else KEYS[name])
    ]


def _of_files(*names: str) -> list[str]:
    return [word for name in names for word in ("--key", f"{name}-*=file:{name}.key")]


THREE: Final = (GPT, CLAUDE, GEMINI)
ALL_KEYS: Final = _known("gpt", "claude", "gemini")
CASES: Final = (
    Case(
        "the key is refused",
        Way(_known("old"), key=KEYS["gpt"]),
        Way(_known("old"), key=KEYS["old"]),
    ),
    Case(
        "the key expires in the middle",
        Way((*_known("old"), "--key-requests", LINES // 2), key=KEYS["old"]),
        Way(_known("old"), key=KEYS["old"]),
        answered=0.5,
        in_vain=CONCURRENCY,
    ),
    Case(
        "one key of three is refused",
        Way(_known("gpt", "gemini"), _of_files(*("gpt", "claude", "gemini"))),
        Way(ALL_KEYS, _of_files(*("gpt", "claude", "gemini"))),
        models=THREE,
        answered=2 / 3,
    ),
    Case(
        "the key is of the wrong group for one family of models",
        Way(_known("gpt"), key=KEYS["gpt"]),
        Way(_known("gpt", "claude"), ("--key", "claude-*=file:claude.key"), key=KEYS["gpt"]),
        models=(GPT, CLAUDE),
        answered=1 / 2,
        in_vain=10,
    ),
    Case(
        "no key is for one family of models",
        Way(ALL_KEYS, _of_files("gpt"), key=""),
        Way(ALL_KEYS, _of_files("gpt", "claude"), key=""),
        models=(GPT, CLAUDE),
        answered=1 / 2,
        in_vain=0,
    ),
    Case(
        "the model does not exist",
        Way(("--unknown-model", "gpt-*")),
        Way(),
        in_vain=10,
    ),
    Case("there is no money", Way(("--money", 0)), Way(), in_vain=12),
    Case(
        "the money runs out in the middle",
        Way(("--money", LINES * TOKENS // 2)),
        Way(),
        answered=0.5,
        in_vain=2 * CONCURRENCY,
    ),
    Case("the address is that of another web site", Way(), Way(), elsewhere=True),
)


SILENT: Final = (
    (
        "the gateway is down, for ten minutes",
        Unreachable("cannot connect to 127.0.0.1: connection refused"),
    ),
    (
        "a firewall answers with a web page, for ten minutes",
        read_failure(Reply(403, {}, b"<html><title>Access denied</title>")),
    ),
)


def first_line(said: str) -> str:
    """Return the first line of the message, without what is another one each time."""
    stopped = next(line for line in said.splitlines() if line.startswith("stopped"))
    text = stopped.removeprefix("stopped").strip()
    return re.sub(r" \(request id.*|(?<=127\.0\.0\.1):\d+", "", text).replace("|", "\\|")


class _Elsewhere:
    """A web site that has nothing to do with the gateway; it counts who asks."""

    def __init__(self) -> None:
        self.asked = 0
        site = self

        class Site(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                site.asked += 1
                body = b"<html><body>Not Found</body></html>"
                self.send_response(404)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def counts(self) -> dict[str, Any]:
        return {"arrived": self.asked, "fates": {}}

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def _elsewhere() -> Iterator[_Elsewhere]:
    site = _Elsewhere()
    thread = threading.Thread(target=site.serve)
    thread.start()
    try:
        yield site
    finally:
        site.close()
        thread.join()


Reached: TypeAlias = Callable[[], AbstractContextManager[Any]]


def meet(folder: Path, way: Way, reach: Reached) -> Met:
    """Run the command once."""
    with reach() as there:
        command = ("run", "in.jsonl", "-o", "out.jsonl", "-c", CONCURRENCY, "--progress", "none")
        code, said = finish(folder, *command, "--base-url", there.url, *way.run, key=way.key)
        counts = there.counts()
    return Met(counts["arrived"], counts["fates"].get("answered", 0), code, said)


def meet_case(folder: Path, case: Case, lines: int) -> Found:
    """Run a case, mend it, and run it again. Raises ``Failed``."""
    begun = time.monotonic()
    _write(folder, case, lines)

    def mock(way: Way) -> Reached:
        flags = [_scaled(flag, lines) for flag in way.gateway]
        return lambda: gateway(folder, "--latency", LATENCY_MS, *flags, ledger=False)

    sick = meet(folder, case.sick, _elsewhere if case.elsewhere else mock(case.sick))
    answers = lines_of(folder / "out.jsonl")
    pending = lines - len(answers)
    _check_sick(folder, case, lines, sick, pending)
    well = meet(folder, case.well, mock(case.well))
    ids = sorted(one["x_run"]["line"] for one in lines_of(folder / "out.jsonl"))
    require(well.code == 0, f"{case.name}: mended, and it ends with {well.code}: {well.said}")
    require(ids == list(range(1, lines + 1)), f"{case.name}: mended, and not every line once")
    require(well.arrived == pending, f"{case.name}: {well.arrived} requests for {pending} lines")
    return Found(case.name, lines, sick, well, pending, time.monotonic() - begun)


def _check_sick(folder: Path, case: Case, lines: int, sick: Met, pending: int) -> None:
    name, said = case.name, sick.said
    require(sick.code == NO_ACCESS, f"{name}: exit code {sick.code}: {said}")
    require(not lines_of(folder / "out.run" / "errors.jsonl"), f"{name}: there are errors: {said}")
    in_vain = sick.arrived - sick.answered
    require(in_vain <= case.in_vain, f"{name}: {in_vain} requests in vain: {said}")
    require(lines - pending == sick.answered, f"{name}: answers are lost: {said}")
    share = sick.answered / lines
    require(abs(share - case.answered) <= 0.25, f"{name}: {share:.0%} answered: {said}")
    require(f"{pending:,} pending" in said, f"{name}: {pending} pending, and it says {said}")
    require(not any(key in said for key in KEYS.values()), f"{name}: it says a key: {said}")


def _scaled(flag: object, lines: int) -> object:
    """Return a flag with its number for so many lines instead of the usual ones."""
    return flag * lines // LINES if isinstance(flag, int) else flag


def _write(folder: Path, case: Case, lines: int) -> None:
    for name, value in KEYS.items():
        path = folder / f"{name}.key"
        path.touch(mode=0o600)
        path.write_text(value)
    with (folder / "in.jsonl").open("wb") as file:
        for number in range(lines):
            body = {
                "model": case.models[number % len(case.models)],
                "messages": [{"role": "user", "content": f"Line {number} asks for an answer."}],
            }
            file.write(orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE))


def silent(name: str, failure: CallFailed, lines: int) -> Found:
    """Have lines meet the same failure again and again, for as long as a run would."""
    attempts = 0

    async def refused() -> None:
        nonlocal attempts
        attempts += 1
        await asyncio.sleep(0.001)
        raise failure

    async def main() -> str:
        at = gate(concurrency=CONCURRENCY)
        work = asyncio.ensure_future(through(at, refused, lines, CONCURRENCY))
        while (at.down_for(clock()) or 0.0) < SILENT_SECONDS:
            await asyncio.sleep(1)
        at.halt()
        await asyncio.gather(work, return_exceptions=True)
        return at.trouble

    trouble = in_virtual_time(main())
    said = f"stopped  the gateway gave no answer for 10 minutes; the last failure: {trouble}"
    require(attempts <= 8 + SILENT_SECONDS / 20, f"{name}: {attempts} attempts")
    sick = Met(attempts, 0, UNAVAILABLE, said)
    return Found(name, lines, sick, None, lines, 0.0)


def prove(lines: int = LINES, cases: Sequence[Case] = CASES) -> list[Found]:
    """Prove all cases, with so many lines each. Raises ``Failed``."""
    found = []
    for case in cases:
        with tempfile.TemporaryDirectory() as name:
            found.append(meet_case(Path(name), case, lines))
    return [*found, *(silent(name, failure, lines) for name, failure in SILENT)]


def main() -> None:
    """Prove it, and show it as a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--put", action="store_true", help="put the table into docs/limits.md")
    parser.add_argument("--said", action="store_true", help="show all that the commands said")
    asked = parser.parse_args()
    try:
        found = prove(asked.lines)
    except Failed as failed:
        raise SystemExit(f"failed: {failed}") from None
    for one in found:
        if asked.said:
            print(f"== {one.name} ({one.seconds:.1f} s)\n{one.sick.said}")
    shown = table(HEADS, [one.row() for one in found])
    print(shown)
    if asked.put:
        put("hopeless cases", shown)
    print("holds")


if __name__ == "__main__":
    main()
