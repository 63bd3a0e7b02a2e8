from __future__ import annotations

from base64 import b64decode
from typing import Any

import aiohttp
import orjson
import pytest

from batch.mock import Ask, Asked, BadAsk, Prepared, twins
from batch.mock._samples import png
from batch.mock.dials import Dials
from batch.mock.gateway import Gateway
from batch.mock.images import TWIN
from tests.mock.client import Client, against
from tests.mock.kit import asked, plan

DRAW, EDIT = "/v1/images/generations", "/v1/images/edits"
PNG = b"\x89PNG\r\n\x1a\n"
CAT = ("cat.png", png(1))
CUP = ("cup.jpg", b"\xff\xd8\xff\xd9")


def read(**fields: Any) -> Ask:
    return TWIN.read(asked(DRAW, {"model": "gpt-image-1", "prompt": "a red cup", **fields}))


def form(*parts: tuple[str, Any], **more: str) -> Asked:
    """Return a form: texts, and files as pairs of a name and bytes."""
    raw = b""
    texts = {"model": "gpt-image-1", "prompt": "a red cup", **more}
    for name, value in (*texts.items(), *parts):
        file, data = value if isinstance(value, tuple) else (None, value.encode())
        head = f'form-data; name="{name}"' + ("" if file is None else f'; filename="{file}"')
        kind = b"" if file is None else b"Content-Type: image/png\r\n"
        raw += b"--cut\r\nContent-Disposition: %b\r\n%b\r\n%b\r\n" % (head.encode(), kind, data)
    return Asked("POST", EDIT, "multipart/form-data; boundary=cut", raw + b"--cut--\r\n")


def prepare(ask: Ask, flaw: Any = None, pings: bool = False) -> Prepared:
    return TWIN.answer(ask, plan(flaw=flaw, pings=pings))


def answer(ask: Ask, flaw: Any = None) -> Any:
    return orjson.loads(prepare(ask, flaw).render()[0])


def edit(*parts: tuple[str, Any], **more: str) -> Any:
    return answer(TWIN.read(form(*parts, **more)))


def events(prepared: Prepared) -> list[tuple[str, Any]]:
    """Return name and data of each event, which new-api takes the one from the other."""
    found = []
    for event in prepared.render():
        if event.startswith(b"event: "):
            name, data = event.removesuffix(b"\n\n").split(b"\n", 1)
            told = orjson.loads(data.removeprefix(b"data: "))
            assert told["type"] == name.removeprefix(b"event: ").decode()
            found.append((told["type"], told))
    return found


def test_the_twin_is_found_by_the_name_of_its_format() -> None:
    assert TWIN in twins()
    assert TWIN.serves("POST", DRAW)
    assert TWIN.serves("POST", EDIT)
    assert not TWIN.serves("GET", DRAW)
    assert not TWIN.serves("POST", "/v1/images/variations")


def test_a_gpt_image_model_holds_its_pictures_and_says_what_they_took() -> None:
    got = answer(read(n=2, quality="low", size="auto"))

    pictures = [b64decode(item["b64_json"]) for item in got["data"]]
    assert all(picture.startswith(PNG) for picture in pictures)
    assert pictures[0] != pictures[1]
    assert got["usage"] == {
        "input_tokens": 3,
        "input_tokens_details": {"text_tokens": 3, "image_tokens": 0},
        "output_tokens": 544,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": 544},
        "total_tokens": 547,
    }
    assert (got["quality"], got["size"], got["background"]) == ("low", "1024x1024", "opaque")


def test_the_same_request_gets_the_same_pictures() -> None:
    assert prepare(read()).render() == prepare(read()).render()


def test_other_models_link_their_pictures_and_say_nothing_of_tokens() -> None:
    got = answer(read(model="dall-e-3", n=2))

    links = [item["url"] for item in got["data"]]
    assert all(link.startswith("http://files.example/files/") for link in links)
    assert len(set(links)) == 2
    assert {item["b64_json"] for item in got["data"]} == {""}
    assert got.keys() == {"created", "data"}


def test_they_hold_them_if_that_is_asked_for() -> None:
    item = answer(read(model="dall-e-3", response_format="b64_json"))["data"][0]

    assert b64decode(item["b64_json"]).startswith(PNG)
    assert item["url"] == ""


def test_what_is_billed_is_what_is_reported_and_each_picture() -> None:
    drawn, linked = prepare(read(n=2)), prepare(read(model="dall-e-3", n=3))

    assert drawn.billed == {
        "input_tokens": 3,
        "input_cached_tokens": 0,
        "input_image_tokens": 0,
        "output_tokens": 2112,
        "output_reasoning_tokens": 0,
        "output_image_tokens": 2112,
        "images": 2,
    }
    assert drawn.reserve == 2115
    assert linked.billed is not None
    assert (linked.billed["images"], linked.billed["output_tokens"]) == (3, 0)


def test_an_edit_reads_its_pictures() -> None:
    one = edit(("image", CAT), ("mask", CAT))
    same = edit(("image[]", CAT))
    two = edit(("image[]", CAT), ("image[]", CUP), n="2")

    assert one["usage"]["input_tokens_details"] == {"text_tokens": 3, "image_tokens": 323}
    assert same["usage"] == one["usage"]
    assert two["usage"]["input_tokens_details"]["image_tokens"] == 646
    assert len(two["data"]) == 2


def test_fields_of_a_form_count_as_what_they_are_in_json() -> None:
    ask = TWIN.read(form(("image", CAT), n="2", stream="true", output_compression="80"))

    assert (ask.body["n"], ask.body["stream"], ask.body["output_compression"]) == (2, True, 80)
    assert (ask.model, ask.prompt, ask.route) == ("gpt-image-1", "a red cup", EDIT)
    assert TWIN.read(form(("image", CAT), stream="false")).body["stream"] is False


def test_a_stream_shows_previews_and_ends_each_picture_with_the_usage_of_all() -> None:
    whole, prepared = answer(read(n=2)), prepare(read(n=2, stream=True, partial_images=2))

    told = events(prepared)

    shown = ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert [name for name, _ in told] == shown * 2
    assert [data["partial_image_index"] for _, data in told if "usage" not in data] == [0, 1] * 2
    ends = [data for _, data in told if "usage" in data]
    assert [end["b64_json"] for end in ends] == [item["b64_json"] for item in whole["data"]]
    assert [end["usage"] for end in ends] == [whole["usage"]] * 2
    assert {(end["created_at"], end["size"]) for end in ends} == {(whole["created"], whole["size"])}
    assert prepared.render()[-1] == b"data: [DONE]\n\n"
    assert prepared.billed == prepare(read(n=2)).billed


def test_an_edit_streams_under_its_own_names() -> None:
    ask = TWIN.read(form(("image", CAT), stream="true", partial_images="1"))

    names = [name for name, _ in events(prepare(ask))]

    assert names == ["image_edit.partial_image", "image_edit.completed"]


def test_keep_alives_stand_in_a_stream() -> None:
    assert prepare(read(stream=True), pings=True).render()[0] == b": PING\n\n"


def test_a_stream_that_does_not_say_that_it_is_whole_is_billed() -> None:
    prepared = prepare(read(stream=True, partial_images=1), "no_finish")

    assert [name for name, _ in events(prepared)] == ["image_generation.partial_image"]
    assert prepared.billed == prepare(read()).billed


def test_an_answer_without_pictures_bills_its_input() -> None:
    prepared = prepare(read(), "empty_choices")

    assert orjson.loads(prepared.render()[0])["data"] == []
    assert prepared.billed is not None
    assert [prepared.billed[name] for name in ("input_tokens", "output_tokens", "images")] == [
        3,
        0,
        0,
    ]


def test_an_error_instead_of_an_answer_bills_nothing() -> None:
    whole, streamed = (prepare(read(stream=told), "error_200") for told in (False, True))

    assert orjson.loads(whole.render()[0])["error"]["code"] == "empty_response"
    last = streamed.render()[-1]
    assert orjson.loads(last.removeprefix(b"data: "))["error"]["code"] == "empty_response"
    assert (whole.billed, streamed.billed) == (None, None)


@pytest.mark.parametrize(
    ("fields", "fate"),
    [
        ({"model": None}, "bad_request"),
        ({"prompt": ""}, "bad_request"),
        ({"prompt": ["a"]}, "bad_json"),
        ({"n": "2"}, "bad_json"),
        ({"n": True}, "bad_json"),
        ({"n": -1}, "bad_request"),
        ({"n": 11}, "bad_request"),
        ({"partial_images": 4}, "bad_request"),
        ({"size": "1024\u00d71024"}, "bad_request"),
        ({"size": 1024}, "bad_json"),
        ({"stream": "true"}, "bad_json"),
    ],
)
def test_a_body_that_is_none_is_refused(fields: dict[str, Any], fate: str) -> None:
    with pytest.raises(BadAsk) as bad:
        read(**fields)

    assert bad.value.fate == fate


@pytest.mark.parametrize(
    ("request_", "fate"),
    [
        (asked(EDIT, {"model": "m", "prompt": "a"}), "bad_json"),
        (form(), "bad_request"),
        (form(("image", "file:cat.png")), "bad_request"),
        (form(("image", ("cat", CAT[1]))), "bad_request"),
        (form(("image", ("cat.bin", CAT[1]))), "bad_request"),
        (form(("image", ("cat.png", b""))), "bad_request"),
        (form(("image", CAT), ("image", CAT)), "bad_request"),
        (form(("image", CAT), ("image[]", CAT)), "bad_request"),
        (form(("image", CAT), ("mask", "file:cat.png")), "bad_request"),
        (form(("image", CAT), ("mask", CAT), ("mask", CAT)), "bad_request"),
        (form(("image", CAT), n="two"), "bad_json"),
        (form(("image", CAT), ("n", "1"), ("n", "2")), "bad_json"),
        (form(("image", CAT), ("n", CAT)), "bad_json"),
        (form(("image", CAT), ("size", "a"), ("size", "b")), "bad_json"),
        (form(("image", CAT), size="1024\u00d71024"), "bad_request"),
        (form(("image", CAT), model=""), "bad_request"),
    ],
)
def test_a_form_that_is_none_is_refused(request_: Asked, fate: str) -> None:
    with pytest.raises(BadAsk) as bad:
        TWIN.read(request_)

    assert bad.value.fate == fate


def test_the_gateway_takes_a_form_as_clients_send_it_and_its_links_lead_to_pictures() -> None:
    async def scene(gateway: Gateway, client: Client) -> Any:
        data = aiohttp.FormData({"model": "dall-e-2", "prompt": "a red cup"})
        data.add_field("image", CAT[1], filename=CAT[0], content_type="image/png")
        async with client.session.post(client.url + EDIT, data=data) as response:
            got = await response.json()
        async with client.session.get(got["data"][0]["url"]) as response:
            picture = await response.read()
        return response.content_type, picture, gateway.counts.billed

    kind, picture, billed = against(Dials(), scene)

    assert kind == "image/png"
    assert picture.startswith(PNG)
    assert billed["images"] == 1
