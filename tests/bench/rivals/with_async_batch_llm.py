"""As its documents say for many lines: a stream with bounded queues, and artifacts to resume from.

with_async_batch_llm.py CHATS URL CONCURRENCY
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator

from async_batch_llm import (
    ArtifactIdentity,
    JsonlArtifactStore,
    ProcessorConfig,
    ResumePolicy,
    llm,
    process_stream,
)

MODEL = "gpt-4o-mini"


def prompts(path: str) -> Iterator[tuple[str, str]]:
    """Yield id and prompt of each chat of a file."""
    with open(path) as file:
        for line in file:
            chat = json.loads(line)
            yield chat["id"], chat["messages"][0]["content"]


async def main(path: str, url: str, concurrency: int) -> None:
    """Ask each chat of a file."""
    model = f"openai-compatible:{MODEL}"
    config = ProcessorConfig(
        concurrency=concurrency,
        max_queue_size=4 * concurrency,
        max_result_queue_size=4 * concurrency,
    )
    results = process_stream(
        llm(model, base_url=url, api_key="sk-of-a-bench", max_connections=concurrency),
        prompts(path),
        config=config,
        artifact_store=JsonlArtifactStore(
            "answers.jsonl", identity=ArtifactIdentity(provider="bench", model=MODEL)
        ),
        resume=ResumePolicy.REUSE_SUCCESSES,
    )
    async for result in results:
        if not result.success:
            raise SystemExit(f"{result.item_id} failed")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
