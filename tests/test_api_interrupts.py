"""Ctrl-C at the narrow moments of ``batch.run_sync``: as it begins, and as it answers the first.

Each is met exactly: a profile hook sends the signal as a function is entered or left, a gateway as
it is asked, and a handler of the program's log as it is told to write.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

PATIENCE = 60.0  # seconds; only a call that hangs takes so long

PROGRAM = '''
import http.server, logging, os, signal, sys, threading
import batch

PATIENCE = 60.0


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


class Gateway(http.server.BaseHTTPRequestHandler):
    """Interrupts the program as it is asked, and never answers."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        interrupt()
        threading.Event().wait()


class Interrupting(logging.Handler):
    """Interrupts the program as it is warned."""

    def emit(self, record):
        if record.levelno == logging.WARNING:
            interrupt()


def hook(frame, event, arg):
    code = frame.f_code
    if (os.path.basename(code.co_filename), code.co_name, event) == MOMENT:
        sys.setprofile(None)
        interrupt()


def watch(frame, event, arg):
    """See, from its thread, that the run takes place."""
    if frame.f_code.co_name == "in_loop" and event in ("call", "return"):
        SEEN.append(event)


def joined(thread):
    """Wait for a thread that may not have begun yet, which Python refuses to wait for."""
    while True:
        try:
            return thread.join()
        except RuntimeError:
            os.sched_yield()


def begin(options):
    try:
        batch.run_sync([{"prompt": "Hello"}], "out.jsonl", model="m", **options)
    except KeyboardInterrupt:
        then = tuple(SEEN)
        sys.setswitchinterval(0.005)
        for thread in threading.enumerate():
            if thread.name == "wbatch":
                joined(thread)
        print("ended" if then == tuple(SEEN) in ((), ("call", "return")) else "still running")


SEEN = []
threading.setprofile(watch)
MOMENT = tuple(sys.argv[1:])
if MOMENT:
    # No other thread's turn comes before the program waits for it, nor by something being written.
    logging.getLogger("batch").addHandler(logging.NullHandler())
    sys.setswitchinterval(PATIENCE)
    sys.setprofile(hook)
    begin({"mock": True})
else:
    logging.getLogger("batch").addHandler(Interrupting())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    begin({"base_url": url, "keys": {"*": "env:A_KEY"}})
'''


def told(folder: Path, *moment: str) -> str:
    """Return what the program says that is interrupted at a moment."""
    program = [sys.executable, "-c", PROGRAM, *moment]
    environ = {"A_KEY": "sk-of-a-test", "HOME": str(folder)}
    done = subprocess.run(
        program,
        check=False,
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert "Traceback" not in done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("file", ["guest.py", "threading.py"])
def test_an_interrupt_that_keeps_a_run_from_beginning_leaves_nothing_and_holds_nobody_up(
    tmp_path: Path, file: str
) -> None:
    said = told(tmp_path, file, "start", "call")

    assert said == "ended"
    assert list(tmp_path.glob("out*")) == []


@pytest.mark.parametrize("file", ["guest.py", "threading.py"])
def test_an_interrupt_as_a_run_has_just_begun_is_heard(tmp_path: Path, file: str) -> None:
    said = told(tmp_path, file, "start", "return")

    assert said == "ended"


def test_an_interrupt_before_the_thread_knows_of_itself_leaves_no_run_behind(
    tmp_path: Path,
) -> None:
    said = told(tmp_path, "threading.py", "wait", "call")

    assert said == "ended"


def test_a_second_interrupt_while_the_first_is_answered_in_the_log_ends_the_run_at_once(
    tmp_path: Path,
) -> None:
    said = told(tmp_path)

    assert said == "ended"
    summary = orjson.loads((tmp_path / "out.run" / "run.json").read_bytes())
    assert (summary["status"], summary["x_run"]["pending"]) == ("cancelled", 1)
    assert summary["x_run"]["seconds"] < 10  # where what is on the wire has twenty
