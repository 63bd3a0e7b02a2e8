"""What a session stands in."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

MB = 1_000_000
# Pictures come and go twice, and small things between them stay.
SCRIPT = """
import re, sys
from batch.surroundings import return_large_blocks

if sys.argv[1] == "returned":
    return_large_blocks()
stays = []
for _ in range(2):
    pictures = []
    for _ in range(16):
        pictures.append(b"x" * 8_000_000)
        stays.append(b"x" * 100_000)
    pictures.clear()
print(re.search(r"VmRSS:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another library does as it likes")
def test_the_memory_of_pictures_is_given_back_when_they_are_gone() -> None:
    def left(how: str) -> int:
        """Return how many bytes a process holds at the end."""
        done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, check=True)
        return 1024 * int(done.stdout)

    returned, kept = left("returned"), left("kept")

    assert kept - returned > 100 * MB
