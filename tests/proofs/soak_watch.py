"""What the sessions of a soak take: file handles, threads, memory, and tasks of the event loop."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from tests.proofs.processes import Process, require

T = TypeVar("T")

MB: Final = 1_000_000
HANDLES: Final = 200  # of a session with at most 48 calls on the wire
THREADS: Final = 16
MEMORY: Final = 110 * MB  # 64, 25 kB a call, and pictures in flight
SAME: Final = 6 * MB  # between two halves of a long session, and of all sessions
NEAR: Final = 24  # handles, or tasks, by which the second half of a long session may be higher


class Seen(msgspec.Struct, frozen=True):
    """What a session took at one moment."""

    handles: int
    threads: int
    memory: int  # bytes, the high-water mark
    lines: int  # of the input


class Peaks(msgspec.Struct):
    """The most of everything."""

    all: list[Seen] = []
    long: list[Seen] = []
    tasks: list[int] = []

    def __str__(self) -> str:
        """Return it as text, the two halves of the long session side by side."""
        some = self.all + self.long
        most = (
            f"most       {max(one.handles for one in some)} file handles, "
            f"{max(one.threads for one in some)} threads, "
            f"{max(one.memory for one in some) / MB:.1f} MB"
        )
        first, second = halves(self.long)
        tasks = halves(self.tasks)
        if first and second and all(tasks):
            most += (
                "\nlong       at most, in its first and its second half: "
                f"{max(one.handles for one in first)}, {max(one.handles for one in second)} "
                f"handles; {max(one.threads for one in first)}, "
                f"{max(one.threads for one in second)} threads; "
                f"{max(tasks[0])}, {max(tasks[1])} tasks; "
                f"{first[-1].memory / MB:.1f}, {second[-1].memory / MB:.1f} MB"
            )
        return most


class Watch:
    """Looks at sessions from outside."""

    def __init__(self, tasks: Path) -> None:
        self.peaks = Peaks()
        self._tasks = tasks

    def look(self, process: Process, lines: int, *, long: bool = False) -> None:
        """Note what a process takes by now, unless it has ended."""
        folder = Path(f"/proc/{process.pid}")
        try:
            handles = sum(1 for _ in (folder / "fd").iterdir())
            status = (folder / "status").read_text()
        except OSError:
            return
        found = re.search(r"VmHWM:\s+(\d+) kB(?s:.*)Threads:\s+(\d+)", status)
        if found is None:  # it is about to end
            return
        seen = Seen(handles, int(found[2]), 1024 * int(found[1]), lines)
        (self.peaks.long if long else self.peaks.all).append(seen)

    def settle(self, *, long: bool) -> None:
        """Check that nothing grew. ``long``: the long session was long enough to say so."""
        peaks = self.peaks
        if self._tasks.exists():
            peaks.tasks = [int(line) for line in self._tasks.read_text().split()]
        for seen in peaks.all + peaks.long:
            within = seen.handles <= HANDLES and seen.threads <= THREADS and seen.memory <= MEMORY
            require(within, f"a session took too much: {seen}")
        if not long:
            return
        first, second = halves(peaks.all)
        grown = max(one.memory for one in second) - max(one.memory for one in first)
        more = f"{grown / MB:.1f} MB more"
        require(grown <= SAME, f"sessions take {more} as the input grows:\n{peaks}")
        first, second = halves(peaks.long)
        grown = second[-1].memory - first[-1].memory
        require(grown <= SAME, f"a long session grows:\n{peaks}")
        for name in ("handles", "threads"):
            before, after = (max(getattr(one, name) for one in half) for half in (first, second))
            require(after <= before + NEAR, f"the {name} of a long session grow:\n{peaks}")
        earlier, later = halves(peaks.tasks)
        require(max(later) <= max(earlier) + NEAR, f"a long session's tasks grow:\n{peaks}")


def halves(seen: list[T]) -> tuple[list[T], list[T]]:
    """Return the first half and the second."""
    middle = len(seen) // 2
    return seen[:middle], seen[middle:]
