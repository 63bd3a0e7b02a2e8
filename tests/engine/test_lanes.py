"""Many keys with limits of their own over one file: none of them waits for another."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from batch.gate.settings import KeyLimits
from batch.inputs.envelope import Reader
from batch.inputs.settings import MAX_LINE_BYTES, InputSettings
from batch.inputs.sources import open_inputs
from batch.records import BadLine, Call, Reply, Row
from batch.secret import Secret
from batch.transport import Folding, nobody
from batch.wire import Ask, Shaped
from tests.rig import Rig, json_reply
from tests.toys.formats import Toy

LANES = 20
SECONDS = 5  # that each lane's lines take at its limit
ANSWER_SECONDS = 0.05
RATES = {f"model-{n:02}": 1000 ** (n / (LANES - 1)) for n in range(LANES)}  # a second
GOOD = json_reply({"say": "yes", "in": 5, "out": 2})


class Modelled(Toy):
    """A toy whose lines name their model."""

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        return Shaped(orjson.loads(body)["model"], body, "/toy", "/toy")


class Clocked:
    """A gateway that answers everything after a moment, and notes when, by model."""

    def __init__(self) -> None:
        self.answered: dict[str, list[float]] = {model: [] for model in RATES}

    async def send(
        self,
        call: Call,
        secret: Secret | None,
        folding: Folding | None = None,
        grew: Callable[[int], None] = nobody,
        leaves: Callable[[], None] | None = None,
    ) -> Reply:
        await asyncio.sleep(ANSWER_SECONDS)
        assert isinstance(call.payload, bytes)
        now = asyncio.get_running_loop().time()
        self.answered[orjson.loads(call.payload)["model"]].append(now)
        return GOOD


def read(path: Path, rig: Rig) -> list[Row | BadLine]:
    """Return the lines of a file, and have the rig read those again that are spilled."""
    inputs = open_inputs([str(path)], str(path.with_suffix(".spool")), MAX_LINE_BYTES)
    reader = Reader({"toy": rig.wire}, InputSettings())
    rig.sources, rig.parse = inputs.sources, reader.parse
    return [reader.parse(line) for line in inputs.lines()]


@pytest.mark.parametrize("order", ["shuffled", "fastest first", "slowest first"])
def test_twenty_keys_over_one_file_are_each_busy_until_their_lines_end(
    tmp_path: Path, order: str
) -> None:
    models = [model for model, rate in RATES.items() for _ in range(round(rate * SECONDS))]
    if order == "shuffled":
        random.Random(1).shuffle(models)
    elif order == "fastest first":
        models.sort(reverse=True)
    path = tmp_path / "in.jsonl"
    path.write_bytes(
        b"".join(b'{"toy":%d,"model":"%s"}\n' % (n, m.encode()) for n, m in enumerate(models))
    )
    rig = Rig(tmp_path, Modelled(), concurrency=400, keys=list(RATES))
    rig.limits = tuple(KeyLimits(match=model, rpm=60 * rate) for model, rate in RATES.items())
    gateway = Clocked()

    rig.session(read(path, rig), gateway)

    busy = {
        model: len(times) / (RATES[model] * max(times)) for model, times in gateway.answered.items()
    }
    assert len(rig.results()) == len(models)
    assert min(busy.values()) >= 0.95, busy
