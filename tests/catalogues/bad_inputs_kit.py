"""The real command over bad inputs, and a gateway beside it that remembers what it was asked."""

from __future__ import annotations

import gc
import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from batch.cli import answer
from batch.cli.caller import Caller
from tests.proofs.processes import FOREIGN, KEY, Process, lines_of

LIMIT: Final = 120.0  # seconds for one command: a row that needs them hangs
NO_LIST_PRICES: Final = Path(__file__).with_name("no_list_prices.toml")
MODEL: Final = "gpt-4o-mini"
PROMPT: Final = b'{"prompt":"Name a colour."}\n'
# A process that may do less than this one: open so many files, and go past no mode of a file.
CONFINED: Final = """
import ctypes, os, resource, sys
files, *command = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), int(files)))
# What lets root write where nobody may: taken from what the next program can have. It fails for
# who has not got it, and then it is not there to be taken.
for capability in (1, 2):
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(command[0], command)
"""


class Asked(msgspec.Struct, frozen=True):
    """A request as it came."""

    path: str
    body: bytes


class Gateway:
    """Answers every request with the hash of its body, so that each answer tells its question."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.asked: list[Asked] = []
        self.met = threading.Event()  # a request has come
        self.open = threading.Event()  # answers may go out
        self.open.set()

    def bodies(self) -> list[bytes]:
        """Return what was asked."""
        return [one.body for one in self.asked]

    def forget(self) -> None:
        """Begin anew."""
        self.asked.clear()
        self.met.clear()


class Ran(msgspec.Struct, frozen=True):
    """What a command did."""

    code: int
    out: str
    err: str

    def show(self) -> str:
        """Return all of it, for whom a row surprises."""
        return f"exit {self.code}\n{self.out}{self.err}"


def told(body: bytes) -> str:
    """Return what the gateway answers to a body."""
    return sha256(body).hexdigest()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def gateway() -> Iterator[Gateway]:
    """Serve chats on this machine, plain and streamed."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body of an answer go out together
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            there.asked.append(Asked(self.path, body))
            there.met.set()
            there.open.wait(LIMIT)
            streamed = re.search(rb'"stream"\s*:\s*true', body) is not None
            kind, answer = _streamed(body) if streamed else _whole(body)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_args: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    there = Gateway(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield there
    finally:
        there.open.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _whole(body: bytes) -> tuple[str, bytes]:
    message = {"role": "assistant", "content": told(body)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    answer = {"id": "c", "object": "chat.completion", "model": MODEL, "choices": [choice]}
    return "application/json", orjson.dumps({**answer, "usage": usage})


def _streamed(body: bytes) -> tuple[str, bytes]:
    chunk = {"id": "c", "object": "chat.completion.chunk", "model": MODEL}
    said = {"index": 0, "delta": {"role": "assistant", "content": told(body)}}
    ended = {"index": 0, "delta": {}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    events = ({**chunk, "choices": [said]}, {**chunk, "choices": [ended], "usage": usage})
    written = [b"data: " + orjson.dumps(one) + b"\n\n" for one in events]
    return "text/event-stream", b"".join(written) + b"data: [DONE]\n\n"


def start(
    folder: Path,
    *args: str | bytes,
    there: Gateway | None = None,
    environ: Mapping[str, str] | None = None,
    confined: int = 0,
    before: Sequence[str] = (),
    **popen: Any,
) -> Process:
    """Start ``python -m batch`` in a folder, against a gateway if there is one.

    ``confined``: it may open so many files, and has no more rights than modes give. ``before``
    stands before the command, and starts it.
    """
    around = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    around |= _settings(there)
    command: list[str | bytes] = [sys.executable, "-m", "batch", *args]
    if confined:
        command = [sys.executable, "-S", "-E", "-c", CONFINED, str(confined), *command]
    return subprocess.Popen(
        [*before, *command],
        cwd=folder,
        env={**around, **(environ or {})},
        **{"stdin": subprocess.DEVNULL, **popen},
    )


def finish(process: Process, given: bytes | None = None) -> Ran:
    """Wait for a command that was started with pipes. Fails if it hangs."""
    try:
        out, err = process.communicate(given, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError(f"hangs: {process.args!r}") from None
    return _checked(Ran(process.returncode, (out or b"").decode(), (err or b"").decode()))


def _checked(ran: Ran) -> Ran:
    """Return what a command did. Fails for what none may do, whatever it is given."""
    assert "Traceback" not in ran.out + ran.err, ran.show()
    assert "this is a bug" not in ran.err, ran.show()
    assert KEY not in ran.out + ran.err, ran.show()
    return ran


def run(folder: Path, *args: str | bytes, given: bytes | None = None, **more: Any) -> Ran:
    """Run ``wbatch`` to its end; ``given`` is its standard input."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if given is not None:
        pipes["stdin"] = subprocess.PIPE
    return finish(start(folder, *args, **{**pipes, **more}), given)


def results(folder: Path, output: str = "out.jsonl") -> list[dict[str, Any]]:
    """Return the results of a run; none where there is no output."""
    path = folder / output
    return lines_of(path) if path.is_file() else []


def errors(folder: Path, output: str = "out.jsonl") -> list[dict[str, Any]]:
    """Return the errors of a run, by line."""
    path = folder / f"{output.removesuffix('.jsonl')}.run" / "errors.jsonl"
    there = lines_of(path) if path.is_file() else []
    return sorted(there, key=lambda one: int(one["x_run"]["line"]))


def by_line(folder: Path) -> dict[int, dict[str, Any]]:
    """Return the one record of each line. Fails if a line has two."""
    found: dict[int, dict[str, Any]] = {}
    for record in (*results(folder), *errors(folder)):
        line = record["x_run"]["line"]
        assert line not in found, f"line {line} has two records"
        found[line] = record
    return found


def code_of(record: Mapping[str, Any]) -> str | None:
    """Return the class of an error; None of a result."""
    found: str | None = record["x_run"].get("class")
    return found


def said_of(record: Mapping[str, Any]) -> str:
    """Return what a record says of a line that failed."""
    error = record["error"] or {}
    return str(error.get("message") or record["x_run"].get("message") or "")


def answer_of(record: Mapping[str, Any]) -> str:
    """Return what was answered."""
    return str(record["response"]["body"]["choices"][0]["message"]["content"])


def run_here(folder: Path, *args: str, there: Gateway | None = None) -> Ran:
    """Run ``wbatch`` as a part of this process, which saves its start."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO())
    set_aside = {name: value for name, value in os.environ.items() if FOREIGN.match(name)}
    here = os.getcwd()
    for name in set_aside:
        os.environ.pop(name)
    ours = _settings(there)
    os.environ.update(ours)
    gc.freeze()  # what thousands of tests are made of is no garbage of this run
    os.chdir(folder)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = answer(args, Caller())
    finally:
        os.chdir(here)
        for name in ours:
            os.environ.pop(name)
        os.environ.update(set_aside)
    return _checked(Ran(code, _text(out), _text(err)))


def _settings(there: Gateway | None) -> dict[str, str]:
    """Return what stands in the environment of a command."""
    address = {} if there is None else {"OPENAI_BASE_URL": f"{there.url}/v1"}
    return {"OPENAI_API_KEY": KEY, "WBATCH_CONFIG": str(NO_LIST_PRICES), **address}


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    written = stream.buffer
    assert isinstance(written, io.BytesIO)
    return written.getvalue().decode()
