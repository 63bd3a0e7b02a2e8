"""Runs on a small disk that really fills up: a tmpfs of a few kilobytes, or of a few names.

python -m tests.disk.tmpfs

Mounting needs root, or a kernel that lets everybody have a user namespace. Where neither is to be
had it says so and fails: `make test` has limits on the size of files in place of this.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from tests.disk.limited import CANNOT_WRITE, complaint, limited, lines_answered
from tests.proofs.processes import Gateway, gateway, require, write_prompts

LINES: Final = 150
AT_ONCE: Final = 16
AMPLE: Final = "size=16m,nr_inodes=1000"
INSIDE: Final = "--inside"
# What may go before a command so that it can mount. As root nothing is needed but a mount of one's
# own; in a namespace everybody is.
WAYS: Final = (("unshare", "--mount"), ("unshare", "--user", "--map-root-user", "--mount"))
NEEDS: Final = (
    "needs a tmpfs, and none can be mounted: run it as root, or where user namespaces are allowed "
    "(sysctl kernel.unprivileged_userns_clone=1, or a container with --cap-add SYS_ADMIN)"
)


class Small(NamedTuple):
    """A disk, and whether a run finds room enough on it to begin."""

    options: str
    begins: bool


DISKS: Final = (
    *(Small(f"size={size}k,nr_inodes=1000", begins=False) for size in (4, 8, 16, 32, 64)),
    *(Small(f"size={size}k,nr_inodes=1000", begins=True) for size in (96, 112, 128, 160)),
    *(Small(f"size=16m,nr_inodes={names}", begins=False) for names in (2, 3, 4, 5, 6, 7)),
)


def main() -> int:
    """Return 0 if every promise held on every disk."""
    if INSIDE in sys.argv:
        return _all()
    for way in WAYS:
        probe = [*way, "mount", "-t", "tmpfs", "none", "/mnt"]
        if _works(probe):
            return subprocess.run(
                [*way, sys.executable, "-m", "tests.disk.tmpfs", INSIDE], check=False
            ).returncode
    print(NEEDS, file=sys.stderr)
    return 1


def _works(probe: list[str]) -> bool:
    try:
        return subprocess.run(probe, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def _all() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_prompts(folder / "in.jsonl", {n: f"Line {n}" for n in range(1, LINES + 1)})
        with gateway(folder, "--latency", 5, ledger=False) as mock:
            for number, small in enumerate(DISKS):
                disk = folder / f"disk{number}"
                disk.mkdir()
                _on(disk, small.options, lambda disk=disk, small=small: _full(disk, small, mock))
    print(f"{len(DISKS)} small disks filled up, and no promise broke")
    return 0


def _on(disk: Path, options: str, work: Callable[[], None]) -> None:
    """Do something while a tmpfs is mounted there."""
    mount = ["mount", "-t", "tmpfs", "-o", options, "none", str(disk)]
    subprocess.run(mount, check=True)
    try:
        work()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _full(disk: Path, small: Small, mock: Gateway) -> None:
    command = ("run", "../in.jsonl", "-o", "out.jsonl", "-c", AT_ONCE, "--base-url", mock.url)
    asked = mock.counts()["arrived"]
    said = limited(disk, *command)
    asked = mock.counts()["arrived"] - asked
    results = disk / "out.jsonl"
    before = lines_answered(results) if results.exists() else []
    print(f"{small.options:28} {len(before):4} answers of {asked:4}  {complaint(said)}")
    require(said.code == CANNOT_WRITE, f"exit code {said.code}: {said.err}")
    require(os.strerror(28) in complaint(said), f"no word of the cause: {said.err}")
    require(bool(before) == small.begins, f"{len(before)} answers: {said.err}")
    require(small.begins or not asked, f"{asked} requests, and no room for an answer")
    require(asked - len(before) <= 2 * AT_ONCE, f"{asked} requests for {len(before)} answers")

    subprocess.run(["mount", "-o", f"remount,{AMPLE}", str(disk)], check=True)
    said = limited(disk, *command)
    require(said.code == 0, f"the same command ended with {said.code}: {said.err}")
    after = lines_answered(results)
    require(after[: len(before)] == before, "answers were lost")
    require(sorted(after) == list(range(1, LINES + 1)), "not every line has its answer")


if __name__ == "__main__":
    raise SystemExit(main())
