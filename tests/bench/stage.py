"""Where contestants are measured: a gateway on one processor, and each of them on another."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

import msgspec

from tests.proofs.memory import peak_of
from tests.proofs.processes import FOREIGN, Failed, Process

PYTHON: Final = sys.executable
SOURCE: Final = Path(__file__).with_name("gateway.c")
COMPILERS: Final = ("cc", "gcc", "clang")


class Spent(msgspec.Struct, frozen=True):
    """What a process took, from its start to its end."""

    cpu: float  # seconds
    wall: float  # seconds


def build(folder: Path) -> Path:
    """Compile the gateway. Raises ``Failed`` where there is no compiler."""
    compiler = next((found for name in COMPILERS if (found := shutil.which(name))), None)
    if compiler is None:
        raise Failed("the bench compiles its gateway, and there is no C compiler: apt install gcc")
    program = folder / "gateway"
    subprocess.run([compiler, "-O2", "-o", program, SOURCE], check=True)
    return program


@contextlib.contextmanager
def serving(program: Path, flags: Sequence[object]) -> Iterator[str]:
    """Have the gateway serve on the last processor; yields its address."""
    with on_processor(-1):
        process = subprocess.Popen(
            [program, *map(str, flags)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    with process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextlib.contextmanager
def on_processor(which: int) -> Iterator[None]:
    """Start what is started here on one of the processors that there are."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(allowed)[which]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def spend(command: Sequence[object], folder: Path, environ: Mapping[str, str]) -> Spent:
    """Run a command to its end on the first processor. Raises ``Failed`` unless it ends well."""
    with (folder / "said.txt").open("wb+") as said:
        begun = time.monotonic()
        process = _start(command, folder, environ, said)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        _require_success(process, command, said)
    return Spent(used.ru_utime + used.ru_stime, wall)


def peak(command: Sequence[object], folder: Path, environ: Mapping[str, str]) -> int:
    """Run a command to its end; return the most memory that it took, in bytes."""
    with started(command, folder, environ) as process:
        return peak_of(process)


@contextlib.contextmanager
def started(
    command: Sequence[object], folder: Path, environ: Mapping[str, str]
) -> Iterator[Process]:
    """Start a command, to be watched until its end. Raises ``Failed`` unless it ends well."""
    with (folder / "said.txt").open("wb+") as said:
        process = _start(command, folder, environ, said)
        try:
            yield process
            process.wait()
        finally:
            process.kill()
            process.wait()
        _require_success(process, command, said)


def _start(
    command: Sequence[object], folder: Path, environ: Mapping[str, str], said: IO[bytes]
) -> Process:
    before = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    with on_processor(0):
        return subprocess.Popen(
            [*map(str, command)],
            cwd=folder,
            env={**before, **environ},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )


def _require_success(process: Process, command: Sequence[object], said: IO[bytes]) -> None:
    if process.returncode:
        said.seek(0)
        words = said.read().decode(errors="replace")[-2000:]
        raise Failed(f"{' '.join(map(str, command))} ended with {process.returncode}: {words}")
