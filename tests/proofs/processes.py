"""The product as its users run it: ``wbatch`` and the mock gateway, each a process of its own."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
import orjson

Process: TypeAlias = subprocess.Popen[bytes]
S = TypeVar("S", bound=msgspec.Struct)

KEY: Final = "sk-of-a-proof"
PATIENCE: Final = 120.0  # seconds for anything that must happen; only a failure takes so long
POLL_SECONDS: Final = 0.005
# Some of everything; only what makes all lines wait is seldom.
FAULTS: Final = (
    "429=0.1%,429-hint=0.01%,500=0.3%,502-html=0.2%,503=0.05%,reset=0.3%,cut=0.4%,no-finish=0.3%,"
    "empty-choices=0.3%,html-200=0.2%,error-200=0.2%"
)
# What a shell may have set, and a proof must not see. With the last one each start would compile
# the command anew.
FOREIGN: Final = re.compile(r"OPENAI_|WBATCH_|PYTHONDONTWRITEBYTECODE$")


class Failed(AssertionError):
    """A proof does not hold."""


def prove_at_scale(about: str | None, scale: type[S], prove: Callable[[S], object]) -> None:
    """Prove something at the scale that the command line asks for; say what came of it, or leave.

    ``about`` is the docstring of the proof; each field of the scale is a flag, and has a default.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0] if about else None)
    for name in scale.__struct_fields__:
        parser.add_argument(f"--{name}", type=int, default=getattr(scale(), name))
    try:
        print(prove(scale(**vars(parser.parse_args()))))
    except Failed as failed:
        raise SystemExit(f"failed: {failed}") from None
    print("holds")


def require(holds: object, message: str) -> None:
    """Raise ``Failed`` unless something holds."""
    if not holds:
        raise Failed(message)


def wbatch(
    folder: Path,
    *args: object,
    key: str = KEY,
    program: Sequence[object] = ("-m", "batch"),
    **popen: Any,
) -> Process:
    """Start the command, or what stands for it, in a folder. ``key`` is its OPENAI_API_KEY."""
    command = [sys.executable, *map(str, (*program, *args))]
    return subprocess.Popen(command, cwd=folder, env=environment(key), **popen)


def environment(key: str = KEY) -> dict[str, str]:
    """Return the environment of a command."""
    environ = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    return environ | {"OPENAI_API_KEY": key}


def finish(folder: Path, *args: object, key: str = KEY) -> tuple[int, str]:
    """Run the command to its end; return its exit code and what it said."""
    process = wbatch(folder, *args, key=key, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said, _ = process.communicate(timeout=None)
    return process.returncode, said.decode()


def settled(folder: Path) -> tuple[str, str]:
    """Write settings into a folder, and return the flags that name them.

    List prices are looked up by one more process, which takes longer than all the rest of a start.
    """
    (folder / "settings.toml").write_text("[prices]\nlisted = false\n")
    return "--config", "settings.toml"


@contextmanager
def background(
    folder: Path, *args: object, key: str = KEY, said: str = "said.txt"
) -> Iterator[Process]:
    """Have the command run while something else is done; it is killed if it is still there then.

    What it says goes to a file of that name in the folder.
    """
    with (folder / said).open("wb") as words:
        process = wbatch(folder, *args, key=key, stdout=words, stderr=words)
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def heeding() -> Iterator[None]:
    """Have commands heed signals.

    A shell starts what is in its background with SIGINT ignored, and children inherit that.
    """
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Return as soon as something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        require(time.monotonic() < end, f"waited {PATIENCE:.0f} s in vain until {what}")
        time.sleep(POLL_SECONDS)


class Gateway:
    """The mock gateway in another process."""

    def __init__(self, url: str, ledger: Path) -> None:
        self.url = url
        self._ledger = ledger

    def counts(self) -> dict[str, Any]:
        """Return the gateway's own counters."""
        # The address is this machine's.
        with urllib.request.urlopen(f"{self.url}/mock/ledger") as reply:
            counts: dict[str, Any] = orjson.loads(reply.read())
        return counts

    def rows(self) -> list[dict[str, Any]]:
        """Return the ledger's rows by arrival, once nothing is under way."""
        wait_until(lambda: not self.counts()["in_flight"], "the gateway has nothing to do")
        rows = lines_of(self._ledger)
        arrived = self.counts()["arrived"]
        require(len(rows) == arrived, f"the ledger has {len(rows)} rows for {arrived} requests")
        return sorted(rows, key=lambda row: int(row["n"]))


@contextmanager
def gateway(folder: Path, *flags: object, ledger: bool = True) -> Iterator[Gateway]:
    """Serve a mock gateway; its ledger is ``ledger.jsonl`` in the folder."""
    path = folder / "ledger.jsonl"
    kept = ("--ledger", path) if ledger else ()
    with wbatch(folder, "mock", "--port", 0, *kept, *flags, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.readline().decode()
        found = re.search(r"http://[\d.:]+", said)
        try:
            require(found, f"the mock gateway did not start: {said}")
            assert found is not None
            yield Gateway(found[0], path)
        finally:
            process.terminate()
            said = process.stderr.read().decode()
    require("Traceback" not in said, f"the mock gateway broke: {said}")


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file."""
    with path.open("rb") as file:
        return [orjson.loads(line) for line in file]


def write_prompts(path: Path, prompts: Mapping[int, str | None], system: str | None = None) -> None:
    """Write an OpenAI Batch file of chats; None stands for a line that asks nothing."""
    with path.open("wb") as file:
        for number, prompt in prompts.items():
            line = {
                "custom_id": f"row-{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {} if prompt is None else chat(number, prompt, system),
            }
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def streamed(number: int) -> bool:
    """Return whether the chat of this number is answered as a stream."""
    return number % 2 == 0


def chat(number: int, prompt: str, system: str | None = None) -> dict[str, Any]:
    """Return a body that the run sends byte for byte.

    Every second is streamed, every third is to reason.
    """
    messages = [{"role": "system", "content": system}] if system is not None else []
    body: dict[str, Any] = {
        "model": "gpt-4o-mini",
        "messages": [*messages, {"role": "user", "content": prompt}],
    }
    if streamed(number):
        # The run would add the second to a stream that lacks it.
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if number % 3 == 0:
        body["reasoning_effort"] = "low"
    return body
