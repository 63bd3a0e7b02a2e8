"""What most formats do alike: the way of a body, its model, and what the model makes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from batch.errors import BadBody
from batch.records import Call, Makes, Request, Send
from batch.wire import Ask, Estimate
from batch.wire._base import Plain, checked, fill_in, makes
from batch.wire._routes import Route

NUMBERS = b'"n":1.10,"m":123456789012345678901234567890,"far":1e400,"s":"\\u00e9\\/"'


class Format(Plain):
    name = "one"
    routes = (Route("POST", "/v1/ones"), Route("GET", "/v1/ones/{id}"))


def asking(makes: Makes = "text", **more: Any) -> Request:
    given = {"body": b'{"model":"m"}', "path": "/v1/ones", "makes": makes}
    return Request((1,), ("a",), "one", "m", **(given | more))


# -------------------------------------------------------------------------------------- the call


@pytest.mark.parametrize(
    ("makes", "repeat", "media"),
    [
        ("text", "free", False),
        ("image", "once", True),
        ("audio", "once", True),
        ("video", "once", True),
    ],
)
def test_a_body_is_sent_once_and_as_it_came(makes: Makes, repeat: Any, media: bool) -> None:
    request = asking(makes)

    step = Format().start(request)

    call = Call("POST", "/v1/ones", request.body, repeat=repeat, media=media)
    assert step == Send(call)
    assert Format().repeat(request) == repeat


def test_a_question_has_no_body() -> None:
    request = asking(method="GET", body=b"", path="/v1/ones/7")

    step = Format().start(request)

    assert step == Send(Call("GET", "/v1/ones/7", None))


def test_nothing_is_known_of_a_format_that_says_nothing() -> None:
    one, request = Format(), asking(body=b"x" * 301)

    assert one.estimate(request) == Estimate(100, 0)
    assert one.bound(request) is None
    assert one.folder(request) is None
    assert one.wrapper is None
    assert not one.mine({"model": "m"})
    with pytest.raises(BadBody, match="/v1/ones"):
        one.build("a prompt", None, None)
    with pytest.raises(TypeError, match="one"):
        one.pack([b"{}", b"{}"])


# -------------------------------------------------------------------------------------- the path


@pytest.mark.parametrize(
    ("ask", "path"),
    [
        (Ask(), "/v1/ones"),
        (Ask(url="/ones"), "/v1/ones"),
        (Ask(url="/v1/ones?key=sk-1"), "/v1/ones"),
        (Ask(method="GET", url="/v1/ones/a%2Fb"), "/v1/ones/a%2Fb"),
    ],
)
def test_a_line_goes_to_the_path_of_its_url_else_to_the_first(ask: Ask, path: str) -> None:
    assert Format().found(ask).path == path


def test_a_path_of_nobody_is_named_without_its_query() -> None:
    with pytest.raises(BadBody, match="POST /v1/twos is no path") as caught:
        Format().found(Ask(url="/v1/twos?key=sk-1"))

    assert caught.value.code == "unknown_endpoint"
    assert "sk-1" not in str(caught.value)


# ------------------------------------------------------------------------------------- the model


@pytest.mark.parametrize(
    ("told", "ask", "model"),
    [
        ("told", Ask(), "told"),
        ("told", Ask(model="asked"), "told"),
        ("told", Ask(model="asked", override_model="forced"), "forced"),
        ("told", Ask(override_model="told"), "told"),
        (None, Ask(model="asked"), "asked"),
        ("", Ask(model="asked"), "asked"),
        (None, Ask(override_model="forced"), "forced"),
    ],
)
def test_a_body_gets_its_model(told: str | None, ask: Ask, model: str) -> None:
    written = b"" if told is None else b'"model":"%b",' % told.encode()
    body = b"{" + written + NUMBERS + b"}"

    named, filled = fill_in(body, told, ask)

    assert named == model
    if model == told:
        assert filled is body
    elif told is None:
        assert filled == b"{" + NUMBERS + b',"model":"%b"}' % model.encode()
    else:
        assert filled == b'{"model":"%b",' % model.encode() + NUMBERS + b"}"


@pytest.mark.parametrize("told", [None, ""])
def test_a_body_without_any_model_is_refused(told: str | None) -> None:
    with pytest.raises(BadBody, match="-m"):
        fill_in(b"{}", told, Ask())


def test_what_a_format_changes_is_changed_and_nothing_else() -> None:
    changed = {"b": msgspec.Raw(b"2.50"), "c": msgspec.Raw(b"[1]")}

    model, body = fill_in(b'{"model":"m","b":null,' + NUMBERS + b"}", "m", Ask(), changed)

    assert model == "m"
    assert body == b'{"model":"m","b":2.50,' + NUMBERS + b',"c":[1]}'


def test_a_model_is_written_as_json_wants_it() -> None:
    _, body = fill_in(b"{}", None, Ask(model='a"\\é'))

    assert msgspec.json.decode(body) == {"model": 'a"\\é'}


# -------------------------------------------------------------------------------------- the body


class _Asked(msgspec.Struct):
    text: str


DECODER = msgspec.json.Decoder(_Asked)


def test_a_body_is_seen_as_its_decoder_sees_it() -> None:
    assert checked(b'{"text":"a","other":1e400}', DECODER, "a text") == _Asked("a")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="a field that is missing"),
        pytest.param(b'{"text":7}', id="a field of another type"),
        pytest.param(b'{"text":"a"}{}', id="two bodies"),
        pytest.param(b'{"text":"a","other":"\xff"}', id="no UTF-8, where nobody looks"),
        pytest.param(b'{"text":"\\ud800"}', id="half of a pair"),
        pytest.param(b'{"text":"a","other":' + b"[" * 9999 + b"]" * 9999 + b"}", id="deep"),
    ],
)
def test_what_is_no_body_is_refused_with_what_it_needs(body: bytes) -> None:
    with pytest.raises(BadBody, match="it needs a text") as caught:
        checked(body, DECODER, "a text")

    assert caught.value.code == "invalid_request"


# -------------------------------------------------------------------------------- what is made


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("gpt-4o", "text"),
        ("gpt-4o-mini", "text"),
        ("claude-sonnet-4-5-thinking", "text"),
        ("gemini-2.5-flash", "text"),
        ("gpt-4o-audio-preview", "text"),  # it speaks only if the body asks for it
        ("imagine", "text"),
        ("", "text"),
        ("gpt-4o-image", "image"),
        ("gpt-4o-image-vip", "image"),
        ("gpt-image-1", "image"),
        ("dall-e-3", "image"),
        ("DALL-E-3", "image"),
        ("gemini-2.5-flash-image", "image"),
        ("gemini-2.5-flash-image-preview", "image"),
        ("google/gemini-3-pro-image", "image"),
        ("nano-banana", "image"),
        ("imagen-4.0", "image"),
        ("FLUX.1-schnell", "image"),
        ("sora_image", "image"),
        ("sora-image-vip", "image"),
        ("sora_video2", "video"),
        ("sora_video2-landscape-15s", "video"),
        ("sora-9:16-480p-5s", "video"),
        ("veo-3.1", "video"),
        ("veo3-fast-frames-fl", "video"),
        ("kling-v1-6", "video"),
    ],
)
def test_what_a_model_makes_is_told_by_its_name(model: str, kind: Makes) -> None:
    assert makes(model, Ask()) == kind


@pytest.mark.parametrize(
    ("patterns", "kind"),
    [
        ((("sora*", "text"),), "text"),
        ((("sora_v*", "audio"), ("*", "image")), "audio"),
        ((("other", "image"),), "video"),
        ((("SORA*", "text"),), "video"),  # patterns of people mean what they say
        ((("*", "image"),), "image"),
    ],
)
def test_the_settings_outrank_the_name(patterns: Any, kind: Makes) -> None:
    assert makes("sora_video2", Ask(makes=patterns)) == kind
