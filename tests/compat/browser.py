"""Debian's Chromium without a window: what it makes of a page, and what it asks of the network."""

from __future__ import annotations

import json
import struct
import subprocess
import tempfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

PROGRAM: Final = "chromium"
_QUIET: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
# Even so it asks its maker for this and that, whatever page it shows. The last is where it gets.
_ITS_OWN: Final = (".google.com", ".googleapis.com", ".gvt1.com", "~notfound")
Scheme = Literal["light", "dark"]
# As blink numbers them.
_SCHEMES: Final[dict[Scheme, str]] = {"dark": "0", "light": "1"}


def dom(page: Path) -> str:
    """Return a page as it is after its scripts, if it has any, have run."""
    return _browse(page, "--dump-dom", "--virtual-time-budget=3000")


def asked(page: Path) -> set[str]:
    """Return the addresses that were asked for while a page was shown, of whatever kind."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "net.json"
        _browse(page, f"--log-net-log={log}", "--dump-dom", "--virtual-time-budget=3000")
        events = json.loads(log.read_text())["events"]
    params = (one.get("params", {}) for one in events)
    every = {str(one[key]) for one in params for key in ("url", "host") if key in one}
    return {one for one in every if not _host(one).endswith(_ITS_OWN)}


def _host(asked: str) -> str:
    return (urlsplit(asked).hostname or "") if "://" in asked else asked.partition(":")[0]


def complaints(page: Path) -> list[str]:
    """Return what the page wrote to the console: errors of scripts, what its policy forbade."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "chrome.log"
        _browse(page, "--enable-logging", f"--log-file={log}", "--dump-dom")
        lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    return [line for line in lines if ":CONSOLE" in line]


def photograph(page: Path, picture: Path, scheme: Scheme, width: int, height: int) -> None:
    """Write what a page looks like by day or by night as PNG."""
    _browse(
        page,
        f"--window-size={width},{height}",
        f"--blink-settings=preferredColorScheme={_SCHEMES[scheme]}",
        f"--screenshot={picture}",
    )


def _browse(page: Path, *flags: str) -> str:
    with tempfile.TemporaryDirectory() as profile:
        command = [PROGRAM, *_QUIET, f"--user-data-dir={profile}", *flags, page.as_uri()]
        done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return done.stdout.decode()


def colors(picture: bytes) -> Counter[bytes]:
    """Return how many pixels of a PNG, of 8 bits a channel as browsers write it, have a color."""
    width, height, depth, kind = struct.unpack_from(">IIBB", picture, 16)
    size = {2: 3, 6: 4}[kind]
    assert depth == 8
    packed, place = b"", 8
    while place < len(picture):
        length, name = struct.unpack_from(">I4s", picture, place)
        packed += picture[place + 8 : place + 8 + length] if name == b"IDAT" else b""
        place += 12 + length
    raw, found = zlib.decompress(packed), Counter[bytes]()
    above = bytearray(width * size)
    for row in range(height):
        start = row * (width * size + 1)
        line = bytearray(raw[start + 1 : start + 1 + width * size])
        _unfilter(raw[start], line, above, size)
        found.update(bytes(line[at : at + 3]) for at in range(0, len(line), size))
        above = line
    return found


def _unfilter(kind: int, line: bytearray, above: bytearray, size: int) -> None:
    """Undo what a row of a PNG was written as: differences to its neighbours."""
    for at in range(len(line) if kind else 0):
        left = line[at - size] if at >= size else 0
        corner = above[at - size] if at >= size else 0
        up = above[at]
        guess = left + up - corner
        nearest = min((left, up, corner), key=lambda one: abs(guess - one))
        line[at] = (line[at] + (0, left, up, (left + up) // 2, nearest)[kind]) & 255
