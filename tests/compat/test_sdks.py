"""The official SDKs take what the gateway answers: plain, as events, and as they join these."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as google
from google.genai.types import GenerateContentResponse
from openai.types import Model, Video

from tests.compat.asks import (
    ASKS,
    CHATS,
    FILM,
    GEMINI,
    HEAR,
    MESSAGES,
    STREAMS,
    Ask,
    rows,
)
from tests.compat.conftest import KEY
from tests.compat.judge import strictly, strictly_again
from tests.compat.sdks import Sdks, as_form, sdks_at
from tests.compat.wire import events_of, reply_to

SPEAK: dict[str, Any] = {"model": "tts-1", "input": "The sun rises in the east.", "voice": "alloy"}
WRONG_KEY = (openai.AuthenticationError, anthropic.AuthenticationError, google.ClientError)


@pytest.mark.parametrize("ask", rows(ASKS))
def test_an_sdk_reads_a_plain_answer(sdks: Sdks, ask: Ask) -> None:
    answer = ask.endpoint.plain(sdks, ask.body)

    assert ask.shows(strictly_again(answer))


@pytest.mark.parametrize("ask", rows(STREAMS))
def test_an_sdk_reads_every_event_of_a_stream(sdks: Sdks, ask: Ask) -> None:
    assert ask.endpoint.events is not None

    events = list(ask.endpoint.events(sdks, ask.body))

    assert events
    for event in events:
        strictly_again(event)


@pytest.mark.parametrize("ask", rows([ask for ask in STREAMS if ask.endpoint.gathered]))
def test_an_sdk_joins_the_events_of_a_stream(sdks: Sdks, ask: Ask) -> None:
    assert ask.endpoint.gathered is not None

    answer = ask.endpoint.gathered(sdks, ask.body)

    assert ask.shows(strictly_again(answer))


@pytest.mark.parametrize("ask", rows(GEMINI))
def test_a_stream_has_nothing_that_googles_sdk_would_mend(gateway: str, ask: Ask) -> None:
    """It drops keys that it does not know, and takes texts of numbers for numbers."""
    line = ask.endpoint.line(ask.name, ask.body, streamed=True)

    for event in events_of(reply_to(gateway, KEY, {**line, "url": line["url"] + "?alt=sse"})):
        strictly(GenerateContentResponse, event)


def test_the_list_of_models_is_read(sdks: Sdks) -> None:
    models = list(sdks.openai.models.list())

    assert models
    for model in models:
        assert isinstance(strictly_again(model), Model)


def test_vectors_arrive_as_the_sdk_asks_for_them_by_itself(sdks: Sdks) -> None:
    ask = {"model": "text-embedding-3-small", "input": ["sun"]}

    packed = sdks.openai.embeddings.create(**ask)
    plain = sdks.openai.embeddings.create(**ask, encoding_format="float")

    assert len(packed.data[0].embedding) == len(plain.data[0].embedding)
    assert all(isinstance(number, float) for number in packed.data[0].embedding)


@pytest.mark.parametrize("kind", ["mp3", "wav", "pcm"])
def test_speech_arrives_as_bytes(sdks: Sdks, kind: Any) -> None:
    sound = sdks.openai.audio.speech.create(**SPEAK, response_format=kind)

    assert sound.response.headers["content-type"].startswith("audio/")
    assert len(sound.read()) > 10


@pytest.mark.parametrize("kind", ["text", "srt", "vtt"])
def test_a_transcription_arrives_as_text(sdks: Sdks, kind: Any) -> None:
    ask = {**as_form(HEAR), "model": "whisper-1", "response_format": kind}

    told = sdks.openai.audio.transcriptions.create(**ask)

    assert isinstance(told, str)
    assert told.strip()
    assert not told.startswith(("{", '"'))


@pytest.fixture
def no_notice() -> Iterator[None]:
    """Let the SDK say in peace that the vendor's own films are at their end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@pytest.mark.usefixtures("no_notice")
def test_a_film_is_submitted_polled_and_fetched(sdks: Sdks) -> None:
    submitted = strictly_again(sdks.openai.videos.create(**FILM))
    assert isinstance(submitted, Video)
    film = strictly_again(sdks.openai.videos.poll(submitted.id, poll_interval_ms=20))

    assert (film.id, film.status) == (submitted.id, "completed")
    assert b"ftyp" in sdks.openai.videos.download_content(film.id).read()[:16]


def status_of(failure: Exception) -> int:
    return failure.code if isinstance(failure, google.APIError) else failure.status_code


@pytest.mark.parametrize("ask", rows([CHATS[0], MESSAGES[0], GEMINI[0]]))
def test_an_sdk_says_that_a_key_is_wrong(gateway: str, ask: Ask) -> None:
    stranger = sdks_at(gateway, "sk-stranger")

    with pytest.raises(WRONG_KEY) as refused:
        ask.endpoint.plain(stranger, ask.body)

    stranger.close()
    assert status_of(refused.value) == 401
