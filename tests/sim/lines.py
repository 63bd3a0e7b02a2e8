"""Made-up lines: each body names its line, its lane and the tokens that it will use."""

from __future__ import annotations

from batch.records import Row
from batch.wire._base import BYTES_PER_TOKEN


def model_of(lane: int) -> str:
    """Return the model that a lane serves."""
    return f"model-{lane}"


def row(number: int, lane: int, estimate: int, truth: float) -> Row:
    """Return a line of about that estimate, and which uses ``truth`` times as many tokens."""
    model = model_of(lane)
    empty = _body(model, 0, 0, 0, 0)
    limit = max(1, estimate - len(empty) // BYTES_PER_TOKEN)
    tokens = round((limit + len(empty) // BYTES_PER_TOKEN) * truth)
    return Row(
        ordinal=number,
        sum=number,
        custom_id=str(number),
        format="chat",
        model=model,
        body=_body(model, number, lane, max(1, tokens), limit),
        source="simulated.jsonl",
        number=number,
        path="/v1/chat/completions",
        endpoint="/v1/chat/completions",
    )


def _body(model: str, number: int, lane: int, tokens: int, limit: int) -> bytes:
    """Return a body whose length does not depend on its numbers."""
    told = f'"user":"{number:8d} {lane:3d} {tokens:8d}"'
    return f'{{"model":"{model}",{told},"messages":[],"max_tokens":{limit:8d}}}'.encode()


def told(body: bytes) -> tuple[int, int, int]:
    """Return the line, its lane and its tokens, as its body names them."""
    line, lane, tokens = body.split(b'"', 8)[7].split()
    return int(line), int(lane), int(tokens)
