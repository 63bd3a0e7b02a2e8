"""A stream folds into what the vendor's own SDK makes of the same stream."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.compat.asks import STREAMS, Ask, rows
from tests.compat.conftest import KEY
from tests.compat.judge import strictly
from tests.compat.sdks import Sdks, sdks_at
from tests.compat.wire import folded, reply_to

ADDED = {"parsed", "parsed_arguments", "parsed_output"}  # what an SDK read out of a text


def played_to(stream: bytes) -> Sdks:
    """Return SDKs that hear this stream, whatever they ask."""

    def play(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, content=stream)

    tape = httpx2.MockTransport(play)
    clients = sdks_at("http://127.0.0.1", KEY)
    return clients._replace(
        openai=clients.openai.copy(http_client=openai.DefaultHttpxClient(transport=tape)),
        anthropic=clients.anthropic.copy(http_client=anthropic.DefaultHttpxClient(transport=tape)),
    )


def own(value: Any) -> Any:
    """Return a document without what an SDK added to it."""
    if isinstance(value, list):
        return [own(one) for one in value]
    if not isinstance(value, dict):
        return value
    added = set(ADDED)
    if "function" in value:
        added.add("index")  # of a call: stands in streams only
    if "transcript" in value:
        added.add("id")  # of a voice: it is in every piece, and they are strung together
    return {key: own(inner) for key, inner in value.items() if key not in added}


@pytest.mark.parametrize("ask", rows([ask for ask in STREAMS if ask.endpoint.gathered]))
def test_a_fold_is_what_the_sdk_makes_of_the_stream(gateway: str, ask: Ask) -> None:
    assert ask.endpoint.gathered is not None
    line = ask.endpoint.line(ask.name, ask.body, streamed=True)
    stream = reply_to(gateway, KEY, line)
    sdks = played_to(stream)

    theirs = ask.endpoint.gathered(sdks, ask.body)
    sdks.close()

    ours = strictly(ask.endpoint.type, folded(ask.endpoint, line, stream))
    again = strictly(ask.endpoint.type, theirs.model_dump_json(by_alias=True, exclude_unset=True))
    assert own(ours.model_dump(exclude_none=True)) == own(again.model_dump(exclude_none=True))
