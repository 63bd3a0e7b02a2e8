"""One process's part in a run: what ends it, what is told of it while it goes on, and after.

ending                        signals, the clock, and why it was over
snapshot, event ─→ progress, live, runlog      what people, programs and logs see meanwhile
advice, summary ─→ conclude   what it came to
"""

from __future__ import annotations
