"""Every setting of the mock gateway, with its unit. Each is checked by the room that uses it."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

Hint: TypeAlias = Literal["none", "seconds", "ms"]
Overflow: TypeAlias = Literal["queue", "429", "reset"]

MODELS: Final = (
    "gpt-4o-mini",
    "gpt-4o",
    "gpt-5",
    "claude-sonnet-4-5",
    "claude-sonnet-4-5-thinking",
    "gemini-2.5-flash",
    "gemini-2.5-flash-image",
    "gpt-image-1",
    "gpt-4o-image",
    "text-embedding-3-small",
    "tts-1",
    "whisper-1",
    "gpt-4o-transcribe",
    "sora-2",
    "veo-3.1",
    "kling-v1-6",
    "mj_imagine",
)


class Dials(msgspec.Struct, frozen=True, kw_only=True):
    """The defaults make a gateway that answers everything, at once, to anybody."""

    # What is answered
    seed: int = 0  # another seed gives other fates and other answers
    answer_words: int = 20  # words of a text answer, before the request's own limit cuts it
    pings: bool = False  # keep-alive comments in streams

    # When
    latency_ms: float = 0.0  # milliseconds until the first byte of an answer, in the mean
    latency_jitter: float = 0.0  # share of it, 0 to 1, evenly to both sides
    latency_chunk_ms: float = 0.0  # milliseconds between the events of a stream
    drip_ms: float = 20.0  # milliseconds between the pieces that ``slow_bytes`` cuts an answer into

    # Tasks: videos, pictures of Midjourney
    task_ms: float = 500.0  # milliseconds from the submit to the end; jitter as above
    task_fail: float = 0.0  # share of the tasks that fail
    task_hint_ms: float | None = 250.0  # what answers say of when to ask again; None: nothing
    file_bytes: int = 4096  # of a film

    # Limits of the account
    requests_per_minute: float | None = None  # None: no limit
    requests_burst: float | None = None  # requests at once; None: a whole minute's
    tokens_per_minute: float | None = None  # tokens that an answer reports, in and out
    tokens_burst: float | None = None  # tokens at once; None: a whole minute's
    limit_hint: Hint = "none"  # what a 429 says of the wait: no header, Retry-After, retry-after-ms
    limit_window: float | None = None  # seconds after which the count begins anew; None: a bucket
    # What the headers of answers and of 429s tell, times the truth: 1 is honest, another number
    # describes an upstream that has nothing to do with this account. None: no such headers.
    limit_headers: float | None = None
    capacity: int | None = None  # requests at work at once, which no header tells
    overflow: Overflow = "queue"  # what becomes of a request beyond the capacity
    # (seconds after the first request, what all of these limits are multiplied with from then on)
    limit_steps: tuple[tuple[float, float], ...] = ()
    pause_after: float | None = None  # seconds between two pauses in which nobody is let in
    pause_seconds: float = 60.0  # their length, which Retry-After tells

    # The account
    money_tokens: int | None = None  # tokens until it is empty; held back while under way
    keys: tuple[tuple[str, str], ...] = ()  # (key, group); none: any key, or none, will do
    key_requests: int | None = None  # requests after which all keys have expired; None: never
    groups: tuple[tuple[str, str], ...] = ()  # (group, pattern of the models it may call)
    models: tuple[str, ...] = MODELS  # names that the list of models shows
    unknown_models: tuple[str, ...] = ()  # patterns of the models that nobody may call

    # Faults: the probability of each, 0 to 1; one request has at most one of them
    fail_429: float = 0.0  # an upstream's limit
    fail_429_hint: float = 0.0  # the same with Retry-After
    fail_500: float = 0.0
    fail_502_html: float = 0.0  # a proxy's page
    fail_503: float = 0.0
    fail_504: float = 0.0
    fail_529: float = 0.0
    reset: float = 0.0  # the connection is reset before any byte of an answer
    cut: float = 0.0  # the connection closes in the middle of an answer, which is billed
    no_finish: float = 0.0  # whole, but nothing says that it is
    html_200: float = 0.0  # a page instead of an answer
    error_200: float = 0.0  # an error with status 200; in a stream after the first words
    empty_choices: float = 0.0  # no answer in the answer; the input is billed
    slow_bytes: float = 0.0  # an answer in drips
    label: float = 0.0  # of what a schema is asked for: in a block of code, in prose, or not at all
    hint_seconds: float = 1.0  # what Retry-After says for ``fail_429_hint``
