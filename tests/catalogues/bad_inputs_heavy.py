"""Inputs that are too much: each is run in the memory of any other, and costs no request.

    python -m tests.catalogues.bad_inputs_heavy [--scale N]

The command is a process of its own, and its peak is the kernel's own high-water mark. ``make test``
runs the same rows at a fraction of their size.
"""

from __future__ import annotations

import argparse
import gzip
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from batch.inputs.settings import MAX_LINE_BYTES
from tests.catalogues.bad_inputs_kit import (
    MODEL,
    PROMPT,
    Gateway,
    by_line,
    code_of,
    gateway,
    start,
)
from tests.proofs.memory import CEILING, MB, PER_CALL, peak_of
from tests.proofs.processes import Failed, require

GB: Final = 1000 * MB
FULL: Final = 1
PIECE: Final = 1 << 20
CONCURRENCY: Final = 64
BEGUN: Final = b'{"prompt":"'
LONGEST: Final = MAX_LINE_BYTES  # what is allowed if nothing is said
# Beside what every run may take: as often as the longest line may be there at once, if it is told
# to be too long, if it is read, and if a body is built of it.
REFUSED: Final = 2 * LONGEST
READ: Final = 5
BUILT: Final = 7
ANSWERED: Final = "answered"


class Heavy(msgspec.Struct, frozen=True):
    """An input, and what becomes of its lines."""

    name: str
    entry: str  # of the catalogue
    size: int  # bytes, at full size
    make: Callable[[Path, int], object]
    codes: Sequence[str] = ()  # of the lines, in their order
    held: int = 0  # bytes that may be held beside what every run takes, at full size
    longest: int = LONGEST  # line that is allowed, at full size
    code: int = 3
    says: str = ""


class Weighed(msgspec.Struct, frozen=True):
    """What one took."""

    heavy: Heavy
    size: int
    peak: int
    allowed: int
    seconds: float

    def __str__(self) -> str:
        """Return it as a line of a table."""
        took = f"{self.peak / MB:6.1f} of {self.allowed / MB:.1f} MB, {self.seconds:,.1f} s"
        return f"{self.heavy.name:45} {self.size / MB:>10,.1f} MB: {took}"


def weigh(heavy: Heavy, scale: int) -> Weighed:
    """Run it at a fraction of its size, and check what came of it. Raises ``Failed``."""
    size = heavy.size // scale
    with tempfile.TemporaryDirectory() as name, gateway() as there:
        folder = Path(name)
        made = heavy.make(folder / "in.jsonl", size)
        begun = time.monotonic()
        peak, code, said = _run(folder, heavy.longest // scale, there)
        seconds = time.monotonic() - begun
        if isinstance(made, threading.Thread):
            made.join()
        require(code == heavy.code, f"{heavy.name}: exit {code}: {said}")
        require(heavy.says in said and "Traceback" not in said, f"{heavy.name}: {said}")
        records = by_line(folder)
        codes = [code_of(records[line]) or ANSWERED for line in sorted(records)]
        require(codes == list(heavy.codes), f"{heavy.name}: {codes}")
        sent = len(there.asked)
        require(sent == codes.count(ANSWERED), f"{heavy.name}: {sent} requests")
    allowed = CEILING + PER_CALL * CONCURRENCY + heavy.held // scale
    require(peak <= allowed, f"{heavy.name}: {peak / MB:.1f} of {allowed / MB:.1f} MB")
    return Weighed(heavy, size, peak, allowed, seconds)


def _run(folder: Path, longest: int, there: Gateway) -> tuple[int, int, str]:
    """Return the peak, the exit code, and what was said."""
    with (folder / "said").open("w+b") as said:
        process = start(
            folder,
            *("run", "in.jsonl", "-o", "out.jsonl", "-m", MODEL, "-c", str(CONCURRENCY)),
            *("--max-line-bytes", str(longest)),
            there=there,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        peak = peak_of(process)
        said.seek(0)
        return peak, process.returncode, said.read().decode()


def _long_line(path: Path, size: int) -> None:
    """Write one long line between two good ones."""
    with path.open("wb") as file:
        file.write(PROMPT + BEGUN)
        for piece in _pieces(b"x", size):
            file.write(piece)
        file.write(b'"}\n' + PROMPT)


def _holes(path: Path, size: int) -> None:
    """Make a file of nothing behind the beginning of a line, which takes no room."""
    path.write_bytes(BEGUN)
    os.truncate(path, size)


def _through_a_pipe(path: Path, size: int) -> threading.Thread:
    os.mkfifo(path)

    def feed() -> None:
        with path.open("wb") as pipe:
            pipe.write(BEGUN)
            pipe.writelines(_pieces(b"x", size))

    thread = threading.Thread(target=feed)
    thread.start()
    return thread


def _bomb(content: bytes) -> Callable[[Path, int], None]:
    """Return what packs so many bytes of something between two good lines."""

    def make(path: Path, size: int) -> None:
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(PROMPT)
            file.writelines(_pieces(content, size))
            file.write(b"\n" + PROMPT)

    return make


def _brackets(path: Path, size: int) -> None:
    path.write_bytes(PROMPT + b"[" * size + b"\n" + PROMPT)


def _one_prompt(path: Path, size: int) -> None:
    path.write_bytes(PROMPT + b'{"prompt":"%b"}\n' % (b"x" * size))


def _line_breaks(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.writelines(_pieces(b"\n", size))
        file.write(b'{"body":{"messages":[{"role":"user","content":"x"}]}}\n')


def _open_quote(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.write(b'prompt,"other\n')
        file.writelines(_pieces(b"x,y\n", size))


def _pieces(content: bytes, size: int) -> Iterator[bytes]:
    piece = content * (PIECE // len(content))
    whole, rest = divmod(size, len(piece))
    for _ in range(whole):
        yield piece
    yield piece[:rest]


LONG: Final = "line_too_long"
BETWEEN: Final = (ANSWERED, LONG, ANSWERED)
HEAVIES: Final = (
    Heavy("a line of 100 MB", "line of 100 MB", 100 * MB, _long_line, BETWEEN, REFUSED),
    Heavy(
        "10 GB without a line break", "10 GB without a newline", 10 * GB, _holes, (LONG,), REFUSED
    ),
    Heavy(
        "1 GB through a pipe, without a line break",
        "10 GB without a newline",
        GB,
        _through_a_pipe,
        (LONG,),
        REFUSED,
    ),
    Heavy(
        "a bomb of 3 GB of one line", "decompression bomb", 3 * GB, _bomb(b"x"), BETWEEN, REFUSED
    ),
    Heavy(
        "a bomb of 300 MB of line breaks",
        "decompression bomb",
        300 * MB,
        _bomb(b"\n"),
        (ANSWERED, ANSWERED),
        held=135 * MB,  # some three bits of each line, blank ones too
        code=0,
    ),
    Heavy("10,000,000 line breaks", "only newlines", 10 * MB, _line_breaks, (ANSWERED,), code=0),
    Heavy(
        "15 MB of brackets",
        "nested 1,025 deep",
        15 * MB,
        _brackets,
        (ANSWERED, "invalid_json", ANSWERED),
        held=READ * LONGEST,
    ),
    Heavy(
        "a prompt of 20 MB, allowed",
        "line of 100 MB",
        20 * MB,
        _one_prompt,
        (ANSWERED, ANSWERED),
        held=BUILT * 20 * MB,
        longest=30 * MB,
        code=0,
    ),
    Heavy(
        "a quote that is open for 100 MB",
        "line of 100 MB",
        100 * MB,
        _open_quote,
        (),
        held=READ * LONGEST,
        code=65,
        says="in.jsonl:1",
    ),
)


def main() -> None:
    """Weigh all of them at the size that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scale", type=int, default=FULL, help="divide all sizes by this")
    scale = parser.parse_args().scale
    try:
        for heavy in HEAVIES:
            print(weigh(heavy, scale), flush=True)
    except Failed as failed:
        raise SystemExit(f"failed: {failed}") from None
    print("holds")


if __name__ == "__main__":
    main()
