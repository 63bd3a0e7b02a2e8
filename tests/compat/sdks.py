"""The official SDKs, pointed at a gateway, and how each is asked what a line of ours asks.

An ``Endpoint`` says how an SDK sends a body, reads the events of a stream, and puts them together
itself. A body is the one that stands in a line of ours; where an SDK wants it in another shape, it
is turned here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from anthropic import Anthropic
from anthropic.types import Message
from google import genai
from google.genai.types import GenerateContentResponse, HttpOptions, HttpRetryOptions
from openai import LengthFinishReasonError, OpenAI
from openai.types import CreateEmbeddingResponse, ImagesResponse
from openai.types.audio import Transcription
from openai.types.chat import ChatCompletion
from openai.types.responses import Response
from pydantic import BaseModel

SECONDS = 30
Body = Mapping[str, Any]


class Sdks(NamedTuple):
    """One client of each vendor, which asks once and never again."""

    openai: OpenAI
    anthropic: Anthropic
    google: genai.Client

    def close(self) -> None:
        """Close their connections."""
        self.openai.close()
        self.anthropic.close()
        self.google.close()


def sdks_at(url: str, key: str) -> Sdks:
    """Return the clients of a gateway."""
    return Sdks(
        OpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0, timeout=SECONDS),
        Anthropic(api_key=key, base_url=url, max_retries=0, timeout=SECONDS),
        genai.Client(
            api_key=key,
            http_options=HttpOptions(
                base_url=url,
                timeout=SECONDS * 1000,
                retry_options=HttpRetryOptions(attempts=1),
            ),
        ),
    )


class Endpoint(NamedTuple):
    """One path of the gateway, and the calls of an SDK that go there."""

    url: str
    type: type[BaseModel]  # of an answer
    plain: Callable[[Sdks, Body], BaseModel]
    events: Callable[[Sdks, Body], Iterable[BaseModel]] | None = None
    gathered: Callable[[Sdks, Body], BaseModel] | None = None  # a stream, as the SDK joins it
    stream_url: str | None = None  # None: the same, and the body says "stream"

    def line(self, name: str, body: Body, *, streamed: bool) -> dict[str, Any]:
        """Return the line of ours that asks for this."""
        url = self.url
        if streamed and self.stream_url:
            url = self.stream_url
        elif streamed:
            body = {**body, "stream": True}
        return {"custom_id": name, "method": "POST", "url": url, "body": body}


def _gather_chat(sdks: Sdks, body: Body) -> BaseModel:
    try:
        with sdks.openai.chat.completions.stream(**body) as stream:
            return stream.get_final_completion()
    except LengthFinishReasonError as cut:  # raised for every answer that was cut
        return cut.completion


CHAT = Endpoint(
    "/v1/chat/completions",
    ChatCompletion,
    plain=lambda sdks, body: sdks.openai.chat.completions.create(**body),
    events=lambda sdks, body: sdks.openai.chat.completions.create(**body, stream=True),
    gathered=_gather_chat,
)


def _gather_response(sdks: Sdks, body: Body) -> BaseModel:
    with sdks.openai.responses.stream(**body) as stream:
        *_, last = stream
    return last.response  # ``get_final_response`` knows no answer that was cut


RESPONSES = Endpoint(
    "/v1/responses",
    Response,
    plain=lambda sdks, body: sdks.openai.responses.create(**body),
    events=lambda sdks, body: sdks.openai.responses.create(**body, stream=True),
    gathered=_gather_response,
)


def _gather_message(sdks: Sdks, body: Body) -> BaseModel:
    with sdks.anthropic.messages.stream(**body) as stream:
        return stream.get_final_message()


MESSAGES = Endpoint(
    "/v1/messages",
    Message,
    plain=lambda sdks, body: sdks.anthropic.messages.create(**body),
    events=lambda sdks, body: sdks.anthropic.messages.create(**body, stream=True),
    gathered=_gather_message,
)


def _config(body: Body) -> dict[str, Any]:
    beside = {key: value for key, value in body.items() if key in ("tools", "systemInstruction")}
    return {**body.get("generationConfig", {}), **beside}


GEMINI_MODEL = "gemini-2.5-flash"
GEMINI = Endpoint(
    f"/v1beta/models/{GEMINI_MODEL}:generateContent",
    GenerateContentResponse,
    plain=lambda sdks, body: sdks.google.models.generate_content(
        model=GEMINI_MODEL, contents=body["contents"], config=_config(body)
    ),
    events=lambda sdks, body: sdks.google.models.generate_content_stream(
        model=GEMINI_MODEL, contents=body["contents"], config=_config(body)
    ),
    stream_url=f"/v1beta/models/{GEMINI_MODEL}:streamGenerateContent",
)


EMBEDDINGS = Endpoint(
    "/v1/embeddings",
    CreateEmbeddingResponse,
    plain=lambda sdks, body: sdks.openai.embeddings.create(**body),
)
IMAGES = Endpoint(
    "/v1/images/generations",
    ImagesResponse,
    plain=lambda sdks, body: sdks.openai.images.generate(**body),
    events=lambda sdks, body: sdks.openai.images.generate(**body, stream=True),
)


def as_form(body: Body) -> dict[str, Any]:
    """Return a body with the files that it has as data URIs as the SDK wants them."""
    return {key: _file(value) for key, value in body.items()}


def _file(value: Any) -> Any:
    if isinstance(value, list):
        return [_file(one) for one in value]
    if not isinstance(value, str) or not value.startswith("data:"):
        return value
    head, _, data = value.partition(";base64,")
    kind = head.removeprefix("data:")
    return f"file.{kind.rpartition('/')[2]}", base64.b64decode(data), kind


EDITS = Endpoint(
    "/v1/images/edits",
    ImagesResponse,
    plain=lambda sdks, body: sdks.openai.images.edit(**as_form(body)),
    events=lambda sdks, body: sdks.openai.images.edit(**as_form(body), stream=True),
)
TRANSCRIPTIONS = Endpoint(
    "/v1/audio/transcriptions",
    Transcription,
    plain=lambda sdks, body: sdks.openai.audio.transcriptions.create(**as_form(body)),
    events=lambda sdks, body: sdks.openai.audio.transcriptions.create(**as_form(body), stream=True),
)
