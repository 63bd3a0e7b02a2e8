"""The real command in a process that may take only so much of the machine."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from tests.proofs.processes import PATIENCE, lines_of, wbatch

CANNOT_WRITE: Final = 73
# Without -B Python itself keeps what a full disk takes of a compiled module, which then breaks
# every later start.
PROGRAM: Final = ("-B", "-m", "batch")
# Runs a command line, then says how many bytes of addresses the process has ever had.
MEASURED: Final = """
import re, sys
from batch.cli import answer
from batch.cli.caller import Caller
code = answer(sys.argv[1:], Caller())
print("peak", re.search(r"VmPeak:\\s+(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
sys.exit(code)
"""


Limits: TypeAlias = Mapping[int, int | tuple[int, int]]
NONE: Final[Limits] = MappingProxyType({})


class Said(NamedTuple):
    """What a command came to."""

    code: int
    err: str
    out: bytes


def limited(folder: Path, *args: object, limits: Limits = NONE, **popen: Any) -> Said:
    """Run the command to its end under limits: of ``resource``, how much, and at most how much."""
    given = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "preexec_fn": _limiting(limits),
        **popen,
    }
    with wbatch(folder, *args, program=PROGRAM, **given) as process:
        try:
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    said = Said(process.returncode, (err or b"").decode(), out or b"")
    assert "Traceback" not in said.err, said.err
    assert "this is a bug" not in said.err, said.err
    return said


def addresses(folder: Path, *args: object) -> int:
    """Return how many bytes of addresses a command takes that ends well."""
    command = [sys.executable, "-c", MEASURED, *map(str, args)]
    done = subprocess.run(command, cwd=folder, check=False, timeout=PATIENCE, capture_output=True)
    found = re.search(rb"peak (\d+)", done.stderr)
    assert found is not None, done.stderr
    return 1024 * int(found[1])


def complaint(said: Said) -> str:
    """Return the sentence that says why a command ended."""
    found = re.search(r"^(?:error: |stopped  )(.*)$", said.err, re.MULTILINE)
    assert found is not None, said.err
    return found[1]


def lines_answered(output: Path) -> list[int]:
    """Return the lines of a log's records; the log is whole, and no line stands there twice."""
    data = output.read_bytes()
    assert data[-1:] in (b"", b"\n")
    lines = [int(record["x_run"]["line"]) for record in lines_of(output)]
    assert len(set(lines)) == len(lines)
    return lines


def _limiting(limits: Limits) -> Callable[[], None]:
    """Return what a child does before it becomes the command."""

    def limit() -> None:
        for what, most in limits.items():
            resource.setrlimit(what, most if isinstance(most, tuple) else (most, most))

    return limit


def closing(*descriptors: int) -> Callable[[], None]:
    """Return what closes standard streams in a child before it becomes the command."""

    def close() -> None:
        for fd in descriptors:
            os.close(fd)

    return close
