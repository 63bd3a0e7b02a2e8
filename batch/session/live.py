"""The live state of a run: written while it goes on, and read by whoever asks how far it is."""

from __future__ import annotations

import contextlib
from typing import Any, Final

import msgspec

from batch.files import Files, read_whole
from batch.ledger import publish
from batch.ledger.holder import going_on, stopped_holder
from batch.ledger.paths import Paths
from batch.session.snapshot import Snapshot, a_minute, span, under_way, visible
from batch.wording import counted

STALE_SECONDS: Final = 20.0  # one is written every five: an older one is of a process that is gone


class Stamp(msgspec.Struct, frozen=True):
    """Of which run a state is, and when it was written, in seconds since the epoch."""

    run_id: str
    updated_at: float
    lines: int | None = None  # of its inputs, those among them that are not to be asked this time


class Live(msgspec.Struct, frozen=True):
    """A state as it was last written."""

    stamp: Stamp
    state: Snapshot
    age: float  # seconds since it was written; below 0 if the clock was set back since
    halted: int | None = None  # the number of its process, if that is stopped, as by Ctrl-Z

    @property
    def running(self) -> bool:
        """Return whether the process goes on, as far as can be told."""
        # One that runs writes the new time within seconds, also after a clock was set back.
        return self.halted is None and abs(self.age) < STALE_SECONDS

    def told(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "running": self.running,
            "halted": self.halted,
            "age": round(self.age, 1),
            **msgspec.to_builtins(self.stamp),
            **_told(self.state),
        }

    def lines(self) -> tuple[str, ...]:
        """Return it for people, in the columns of the closing lines."""
        if self.halted is not None:
            return (halted(self.halted),)
        if not self.running:
            silent = f"no word of it for {span(self.age)}"
            if self.age < 0:
                silent = f"its last word is from {span(-self.age)} ahead, by a clock set back since"
            return (f"stopped  {silent}: the process is gone, or its machine or disk stands still",)
        now = self.state
        parts = [
            a_minute(now.rate) if now.rate else "",
            f"left {span(now.seconds_left)}" if now.seconds_left else "",
            under_way(now),
            counted(now.retries, "retry", "retries") if now.retries else "",
            f"for {span(max(0.0, now.seconds + self.age))}",
        ]
        running = f"running  {' · '.join(part for part in parts if part)}"
        if now.bottleneck is None:
            return (running,)
        return running, f"slowed   by {visible(now.bottleneck.sentence('the last minute'))}"

    def next(self) -> str | None:
        """Return what is to be done while it is there; None: what is done once it is gone."""
        if self.halted is not None:
            return going_on(self.halted)
        return "nothing: it goes on by itself" if self.running else None


def halted(pid: int) -> str:
    """Return that the process of a run is stopped, for people."""
    return f"halted   process {pid} is stopped, as by Ctrl-Z, and holds the run"


def write_live(files: Files, paths: Paths, stamp: Stamp, state: Snapshot) -> None:
    """Replace status.json. It says less than the logs, so that a failure is not worth a word."""
    with contextlib.suppress(OSError):
        value = {**msgspec.to_builtins(stamp), **_told(state)}
        publish.publish_object(files, paths.live, value)


def read_live(files: Files, paths: Paths, now: float) -> Live | None:
    """Return what status.json says, or None if there is none that this version understands."""
    try:
        data = read_whole(files, paths.live) or b""
        stamp = msgspec.json.decode(data, type=Stamp)
        state = msgspec.json.decode(data, type=Snapshot)
    except (OSError, msgspec.DecodeError):
        return None
    return Live(stamp, state, now - stamp.updated_at, stopped_holder(files, paths.lock))


def _told(state: Snapshot) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(state)
    for name in ("seconds", "rate", "seconds_left"):
        if told[name] is not None:
            told[name] = round(told[name], 3)
    if told["bottleneck"]:
        told["bottleneck"]["share"] = round(told["bottleneck"]["share"], 3)
    return told
