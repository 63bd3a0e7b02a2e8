"""What a seed draws: some lines, and the commands that are given about them, one after the other.

A story is a function of its seed. Each command is the whole of one: it finds what is on the disk,
goes on from there, and may be crashed at any moment; then it is given again, as people do.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec
import orjson

from batch.inputs.lines import line_sum
from batch.nightly.state import OnFailed
from batch.records import Answer, Flaw, Row
from batch.script import Ask, Identity, Pack, Script, Verdict, request
from tests.crash.gateway import Dialect

# keep: after lines that failed were changed; new: a run that puts aside what is there.
Kind: TypeAlias = Literal["run", "retry", "keep", "new"]
ENDPOINT: Final = "/toy"
KINDS: Final = {"text": 6, "film": 3, "picture": 2}  # of lines, and how often


class Command(msgspec.Struct, frozen=True):
    """One command that is given about the run."""

    kind: Kind
    on_failed: OnFailed = "keep"  # "publish": the day is published though lines failed
    stop_after: float | None = None  # seconds until somebody presses Ctrl-C


class Line(msgspec.Struct, frozen=True):
    """A line of the input, and its other text after somebody changed it."""

    ordinal: int
    kind: str
    asks: int  # requests that the script needs for it
    pack_key: str = ""

    def body(self, changed: bool) -> bytes:
        """Return the bytes of the line."""
        text = "changed" if changed else "first"
        told = {"line": self.ordinal, "kind": self.kind, "asks": self.asks, "text": text}
        return orjson.dumps(told)

    def row(self, changed: bool) -> Row:
        """Return the line, understood."""
        body = self.body(changed)
        return Row(
            ordinal=self.ordinal,
            sum=line_sum(body),
            custom_id=f"row-{self.ordinal}",
            format=Dialect.name,
            model="toy",
            body=body,
            source="day.jsonl",
            number=self.ordinal,
            path=ENDPOINT,
            endpoint=ENDPOINT,
            pack_key=self.pack_key,
        )


class Story(msgspec.Struct, frozen=True):
    """Lines and commands. ``width``: lines that one call asks, if they are texts."""

    seed: int
    lines: tuple[Line, ...]
    commands: tuple[Command, ...]
    width: int = 1

    @property
    def script(self) -> Script:
        """Return how lines are asked."""
        return (
            Pack(self.width, lambda _, bodies: Dialect().pack(bodies)) if self.width > 1 else Asks()
        )


class Asks:
    """Asks a line as often as it says, and takes the last answer unless it is no use."""

    width = least = 1
    most = 3

    def identity(self) -> Identity:
        return {"script": "asks"}

    def begin(self, rows: Sequence[Row]) -> Ask:
        return Ask((request(rows[0]),))

    def more(self, rows: Sequence[Row], answers: Sequence[Answer]) -> Ask | Verdict:
        if len(answers) < orjson.loads(rows[0].body)["asks"]:
            return Ask((request(rows[0], len(answers)),))
        last = answers[-1]
        if last.content == "no use":
            return Verdict((Flaw("no_use", "of no use", last),))
        return Verdict((last,))


def drawn(seed: int) -> Story:
    """Return the story of a seed."""
    chance = random.Random(seed)
    width = 3 if chance.random() < 0.3 else 1
    lines = tuple(_line(n, chance, width) for n in range(1, chance.randint(6, 11)))
    return Story(seed, lines, _afresh(_commands(chance), random.Random(f"new {seed}")), width)


def _line(ordinal: int, chance: random.Random, width: int) -> Line:
    kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
    if kind != "text":
        return Line(ordinal, kind, 1)
    asks = 1 if width > 1 else chance.choice((1, 1, 1, 2, 3))
    return Line(ordinal, kind, asks, "texts" if width > 1 else "")


def _afresh(said: tuple[Command, ...], chance: random.Random) -> tuple[Command, ...]:
    """Return the commands, of which the second may begin anew if the first was stopped."""
    if said[0].stop_after is None or chance.random() < 0.5:
        return said
    new = Command("new", stop_after=chance.choice((None, chance.uniform(0.02, 25))))
    return (said[0], new, *said[1:])


def _commands(chance: random.Random) -> tuple[Command, ...]:
    """Return what is said until the day is published, and after that."""
    said: list[Command] = []
    if chance.random() < 0.5:
        said.append(Command("run", stop_after=chance.uniform(0.02, 25)))
    said.append(Command("run"))
    if chance.random() < 0.6:
        said.append(Command("retry"))
    if chance.random() < 0.6:
        said.append(Command("keep"))
    said.append(Command("run", "publish"))
    if chance.random() < 0.4:
        said.append(Command("retry"))
    return (*said, Command("run", "publish"))
