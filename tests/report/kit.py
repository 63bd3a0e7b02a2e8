"""Usage totals as a run writes them, and the command on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from batch.cli import answer
from batch.cli.caller import Caller
from batch.report.buckets import Bucket

START: Final = 1_793_491_200  # 2026-11-01T00:00:00Z
HOUR: Final = 3600
DAY: Final = 24 * HOUR
PRICES: Final = """
[prices]
listed = false
[prices.models."gpt-*"]
input_per_mtok = 2
cached_input_per_mtok = 0.5
output_per_mtok = 8
"""


def row(**more: Any) -> dict[str, Any]:
    """Return a line of usage.jsonl: a request of a million tokens in and none out."""
    start = more.get("start_time", START)
    return {
        "object": "usage.bucket",
        "schema": 1,
        "start_time": start,
        "end_time": start + HOUR,
        "run_id": "run-1",
        "model": "gpt-4o",
        "endpoint": "/v1/chat/completions",
        "key": "KEY",
        "num_model_requests": 1,
        "num_succeeded": 1,
        "num_parts": 0,
        "num_wasted": 0,
        "num_usage_unknown": 0,
        "input_tokens": 1_000_000,
        "input_cached_tokens": 0,
        "output_tokens": 0,
        "output_reasoning_tokens": 0,
        "wasted_tokens": 0,
        "num_maybe_billed": 0,
        **more,
    }


def bucket(**more: Any) -> Bucket:
    """Return such a line, read."""
    return msgspec.json.decode(orjson.dumps(row(**more)), type=Bucket)


def write(path: Path, *rows: Mapping[str, Any]) -> Path:
    """Write a file of totals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in rows))
    return path


def report(*args: object, **environ: str) -> int:
    """Run the command in this process, with no settings but those given."""
    caller = Caller(environ=environ)
    code = answer(["report", *map(str, args)], caller)
    caller.flush()
    return code
