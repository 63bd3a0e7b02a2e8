"""What people write who have the openai SDK: a semaphore, gather, and a file of answers at the end.

with_openai.py CHATS URL CONCURRENCY
"""

from __future__ import annotations

import asyncio
import json
import sys

from openai import AsyncOpenAI


async def main(path: str, url: str, concurrency: int) -> None:
    """Ask each chat of a file."""
    with open(path) as file:
        chats = [json.loads(line) for line in file]
    client = AsyncOpenAI(base_url=url, api_key="sk-of-a-bench")
    places = asyncio.Semaphore(concurrency)

    async def ask(chat: dict) -> dict:
        async with places:
            answer = await client.chat.completions.create(
                model=chat["model"], messages=chat["messages"]
            )
        usage = answer.usage.model_dump() if answer.usage else None
        return {"id": chat["id"], "text": answer.choices[0].message.content, "usage": usage}

    answers = await asyncio.gather(*map(ask, chats))
    with open("answers.jsonl", "w") as file:
        file.writelines(json.dumps(answer) + "\n" for answer in answers)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
