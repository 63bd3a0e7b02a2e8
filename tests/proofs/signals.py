"""Send a run every signal that may end it, at random, session after session, and check the books.

    python -m tests.proofs.signals --lines 6000 --kills 120

Like the kills, whose way to look this is: one record for each line, every token accounted for.
What ends a session in order repeats nothing that was answered; only a kill, and a second signal
that leaves at once, may have at most twice the concurrency paid again. A session that is stopped
and goes on later loses nothing and asks nothing twice.
"""

from __future__ import annotations

import signal
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final

from tests.proofs.kills import LATENCY_MS, Loop, Report, Scale
from tests.proofs.processes import FAULTS, Gateway, gateway, heeding, prove_at_scale
from tests.proofs.sessions import KILL, TERM, Way

INT, STOP, CONT = signal.SIGINT, signal.SIGSTOP, signal.SIGCONT
WAYS: Final[Mapping[str, Way]] = {
    "SIGKILL": KILL,
    "SIGTERM": TERM,
    "SIGINT": Way((INT,), 130, in_order=True),
    "SIGHUP": Way((signal.SIGHUP,), 143, in_order=True),
    "SIGINT twice": Way((INT, INT), 130, in_order=False),
    "SIGTERM, then SIGINT": Way((signal.SIGTERM, INT), 143, in_order=False),
    "stopped, going on, SIGTERM": Way((STOP, CONT, signal.SIGTERM), 143, in_order=True),
    "stopped, going on, SIGKILL": Way((STOP, CONT, signal.SIGKILL), KILL.code, in_order=False),
    "SIGINT while stopped": Way((STOP, INT, CONT), 130, in_order=True),
    "SIGKILL while stopped": Way((STOP, signal.SIGKILL), KILL.code, in_order=False),
}


class Storm(Loop):
    """One run and the signals that it is sent."""

    def __init__(self, folder: Path, scale: Scale, mock: Gateway) -> None:
        super().__init__(folder, scale, mock)
        self.ways: Counter[str] = Counter()  # that ended a session
        self._chance = Random(scale.seed)

    def disturb(self, moments: Sequence[int | None]) -> None:
        """Send a session something at each of these moments: each kind equally often."""
        names: list[str] = []
        for target in moments:
            if not names:
                names = self._chance.sample(list(WAYS), len(WAYS))
            name = names.pop()
            if self.sessions.signal(WAYS[name], target):
                self.ways[name] += 1


def prove(scale: Scale) -> tuple[Report, Mapping[str, int], int]:
    """Prove it at a scale. Raises ``Failed``.

    Returns the report, how many sessions each way ended, and how many did not heed the signal yet.
    """
    with tempfile.TemporaryDirectory() as name, heeding():
        folder = Path(name)
        flags = ("--latency", LATENCY_MS, "--fail", FAULTS, "--seed", scale.seed)
        with gateway(folder, *flags) as mock:
            storm = Storm(folder, scale, mock)
            report = storm.run()
            return report, storm.ways, len(storm.sessions.early)


def told(scale: Scale) -> str:
    """Prove it at a scale; return what came of it. Raises ``Failed``."""
    report, ways, early = prove(scale)
    counts = ", ".join(f"{count} {way}" for way, count in sorted(ways.items()))
    also = f"{early} of them before signals were heeded, or after the last record"
    return f"{report}\nsignals    {counts}\n           {also}"


if __name__ == "__main__":
    prove_at_scale(__doc__, Scale, told)
