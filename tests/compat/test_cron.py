"""Nights under a real cron, in the bare environment that it gives: Debian's daemon, as root.

One job goes well and another has no input, both in the same minute. This takes until the next
minute begins, in real time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.conftest import KEY

TABLES = Path("/etc/cron.d")
SECONDS = 100  # until the next minute, and for the two jobs
CHAT = '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}'
LINES = f"{CHAT}\n" * 12
JOB = """\
inputs = ["inbox/{date}.jsonl"]
output = "answers/{date}/answers.jsonl"
[run]
tz = "UTC"
[nightly]
[gateway]
base_url = "GATEWAY"
[notify]
prometheus_file = "metrics.prom"
[log]
file = "log.jsonl"
format = "json"
"""


@pytest.fixture
def daemon() -> Iterator[None]:
    """Have a cron at work: the machine's, or one that ends with the test."""
    program = shutil.which("cron", path="/usr/sbin:/usr/bin")
    assert program, "this test needs Debian's cron: apt-get install cron"
    assert os.geteuid() == 0, "this test puts a table into /etc/cron.d, and so needs to be root"
    with subprocess.Popen([program, "-f"], stderr=subprocess.DEVNULL) as process:
        time.sleep(0.5)
        # One that finds another at work ends at once: that one serves as well.
        yield
        process.terminate()


@pytest.fixture
def table(daemon: None) -> Iterator[Path]:
    """Where to put a table, which is taken away again."""
    path = TABLES / f"wbatch-compat-{os.getpid()}"
    yield path
    path.unlink(missing_ok=True)


def job(folder: Path, gateway: str) -> Path:
    """Write a nightly job with its key beside it."""
    (folder / "inbox").mkdir(parents=True)
    path = folder / "night.toml"
    path.write_text(JOB.replace("GATEWAY", gateway))
    (folder / ".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    (folder / ".env").chmod(0o600)
    return path


def entry(job: Path, day: str) -> str:
    """Return a line of a table: the job each minute, what it writes and ends with kept beside."""
    command = Path(sys.executable).with_name("wbatch")
    to = job.parent
    return (
        f"* * * * * root env > {to}/env; {command} run -q {job} --date {day} > {to}/said 2>&1; "
        f"echo $? > {to}/code.tmp; mv {to}/code.tmp {to}/code\n"
    )


def test_cron_runs_nights_and_is_silent_after_a_good_one(
    tmp_path: Path, gateway: str, table: Path
) -> None:
    good, bad = job(tmp_path / "good", gateway), job(tmp_path / "bad", gateway)
    (good.parent / "inbox" / "2026-11-26.jsonl").write_text(LINES)

    table.write_text(entry(good, "2026-11-26") + entry(bad, "2026-11-26"))
    codes = [good.parent / "code", bad.parent / "code"]
    end = time.monotonic() + SECONDS
    while not all(code.exists() for code in codes):
        assert time.monotonic() < end, "cron did not run the jobs"
        time.sleep(0.5)
    table.unlink()

    bare = dict(line.split("=", 1) for line in (good.parent / "env").read_text().splitlines())
    assert bare["PATH"] == "/usr/bin:/bin"
    assert not {"TERM", "OPENAI_API_KEY", "VIRTUAL_ENV"} & bare.keys()
    assert [code.read_text() for code in codes] == ["0\n", "66\n"]
    assert (good.parent / "said").read_text() == ""
    answers = good.parent / "answers" / "2026-11-26" / "answers.jsonl"
    assert len(answers.read_text().splitlines()) == 12
    assert 'wbatch_last_exit_code{job="night"} 0' in (good.parent / "metrics.prom").read_text()

    said = (bad.parent / "said").read_text()
    assert said.isprintable() or all(line.isprintable() for line in said.splitlines())
    assert 1 <= len(said.splitlines()) <= 10
    assert "2026-11-26.jsonl" in said
    assert "night for 2026-11-26: exit code 66, an input is missing" in said
    assert not (bad.parent / "answers" / "2026-11-26").exists()
    assert 'wbatch_last_exit_code{job="night"} 66' in (bad.parent / "metrics.prom").read_text()
    assert '"event":"refused"' in (bad.parent / "log.jsonl").read_text()
