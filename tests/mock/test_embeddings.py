from __future__ import annotations

import struct
from base64 import b64decode
from math import isclose
from typing import Any

import orjson
import pytest

from batch.mock import Ask, BadAsk, Prepared, twins
from batch.mock.dials import Dials
from batch.mock.embeddings import TWIN
from batch.mock.gateway import Gateway
from tests.mock.client import Client, against
from tests.mock.kit import asked, plan

PATH = "/v1/embeddings"


def read(**fields: Any) -> Ask:
    return TWIN.read(asked(PATH, {"model": "m", "input": "a red apple", **fields}))


def prepare(flaw: Any = None, **fields: Any) -> Prepared:
    return TWIN.answer(read(**fields), plan(flaw=flaw))


def answer(flaw: Any = None, **fields: Any) -> Any:
    return orjson.loads(prepare(flaw, **fields).render()[0])


def vectors(**fields: Any) -> list[Any]:
    return [item["embedding"] for item in answer(**fields)["data"]]


def test_the_twin_is_found_by_the_name_of_its_format() -> None:
    assert TWIN in twins()
    assert TWIN.serves("POST", PATH)
    assert not TWIN.serves("GET", PATH)
    assert not TWIN.serves("POST", "/v1/chat/completions")


def test_a_text_has_its_own_vector_in_whatever_company() -> None:
    (red,), (green,) = vectors(input="red"), vectors(input=["green"])

    assert vectors(input=["green", "red", "red"]) == [green, red, red]
    assert red != green
    assert vectors(input="red", model="n") != [red]


def test_vectors_are_numbered_and_of_length_one() -> None:
    got = answer(input=["red", "green"])

    assert [item["index"] for item in got["data"]] == [0, 1]
    assert {item["object"] for item in got["data"]} == {"embedding"}
    assert (got["object"], got["model"]) == ("list", "m")
    for item in got["data"]:
        assert isclose(sum(number * number for number in item["embedding"]), 1, rel_tol=1e-5)


@pytest.mark.parametrize(("told", "size"), [(None, 1536), (0, 1536), (8, 8), (4096, 4096)])
def test_a_vector_has_the_dimensions_that_are_asked_for(told: Any, size: int) -> None:
    assert len(vectors(dimensions=told)[0]) == size


def test_base64_holds_the_same_numbers() -> None:
    numbers, packed = vectors(dimensions=8), vectors(dimensions=8, encoding_format="base64")

    assert list(struct.unpack("<8f", b64decode(packed[0]))) == numbers[0]


@pytest.mark.parametrize(
    ("given", "count", "tokens"),
    [
        ("x" * 400, 1, 100),
        (["x" * 400, "x"], 2, 101),
        ([791, 32903, 12], 1, 3),
        ([[791, 32903], [12]], 2, 3),
    ],
)
def test_all_that_is_read_is_billed(given: Any, count: int, tokens: int) -> None:
    got = answer(input=given)

    assert len(got["data"]) == count
    assert got["usage"]["prompt_tokens"] == got["usage"]["total_tokens"] == tokens
    assert got["usage"]["completion_tokens"] == 0
    assert prepare(input=given).billed == {
        "input_tokens": tokens,
        "input_cached_tokens": 0,
        "output_tokens": 0,
        "output_reasoning_tokens": 0,
    }
    assert prepare(input=given).reserve == tokens


def test_the_first_text_is_the_prompt() -> None:
    assert read(input=["red", "green"]).prompt == "red"
    assert read(input=[791, 12]).prompt == ""


def test_an_answer_without_vectors_bills_its_input() -> None:
    prepared = prepare("empty_choices", input="x" * 400)

    assert orjson.loads(prepared.render()[0])["data"] == []
    assert prepared.billed is not None
    assert prepared.billed["input_tokens"] == 100


def test_an_error_instead_of_an_answer_bills_nothing() -> None:
    prepared = prepare("error_200")

    assert orjson.loads(prepared.render()[0])["error"]["code"] == "empty_response"
    assert prepared.billed is None


@pytest.mark.parametrize(
    ("fields", "fate"),
    [
        ({"model": None}, "bad_request"),
        ({"model": 7}, "bad_json"),
        ({"input": None}, "bad_request"),
        ({"input": ""}, "bad_request"),
        ({"input": []}, "bad_request"),
        ({"input": {"text": "a"}}, "bad_json"),
        ({"input": ["a", ""]}, "bad_request"),
        ({"input": ["a", 7]}, "bad_request"),
        ({"input": [7, "a"]}, "bad_request"),
        ({"input": [[7], []]}, "bad_request"),
        ({"input": [None]}, "bad_request"),
        ({"dimensions": "8"}, "bad_json"),
        ({"dimensions": True}, "bad_json"),
        ({"dimensions": -1}, "bad_request"),
        ({"dimensions": 4097}, "bad_request"),
        ({"encoding_format": 7}, "bad_json"),
    ],
)
def test_a_body_that_is_none_is_refused(fields: dict[str, Any], fate: str) -> None:
    with pytest.raises(BadAsk) as bad:
        read(**fields)

    assert bad.value.fate == fate


def test_the_gateway_answers_and_bills() -> None:
    async def scene(gateway: Gateway, client: Client) -> Any:
        got = await client.post(b'{"model":"m","input":["red","green"]}', path=PATH)
        return got, gateway.counts.billed

    got, billed = against(Dials(), scene)

    assert got.status == 200
    assert len(got.json()["data"]) == 2
    assert billed["input_tokens"] == got.json()["usage"]["prompt_tokens"] > 0
