"""The mock gateway with every dial that it has, also those that no flag of the command turns.

    python -m tests.proofs.soak_gateway LEDGER < dials

Each line of stdin is the dials from then on, as JSON; what a line leaves out has its default. The
address is said on stdout once the first line has come, and the number of each later one once it
holds. The gateway ends with stdin.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec

from batch.mock.dials import Dials
from batch.mock.gateway import Gateway


async def _serve(ledger: str) -> None:
    def read() -> bytes:
        return sys.stdin.buffer.readline()

    loop = asyncio.get_running_loop()
    decode = msgspec.json.Decoder(Dials).decode
    async with Gateway(decode(read()), ledger_path=ledger) as gateway:
        print(gateway.url, flush=True)
        number = 1
        while line := await loop.run_in_executor(None, read):
            gateway.turn(decode(line))
            number += 1
            print(number, flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
