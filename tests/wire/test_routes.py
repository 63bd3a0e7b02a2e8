"""Which path of a format a line's url names, and what is called for it."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from batch.wire._routes import Route, fill, find

CHAT = Route("POST", "/v1/chat/completions")
STATUS = Route("GET", "/v1/videos/{id}")
CONTENT = Route("GET", "/v1/videos/{id}/content")
CALL = Route("POST", "/v1beta/models/{model}:generateContent")
TWO = Route("GET", "/kling/v1/videos/{family}/{id}")
ROUTES = (CHAT, STATUS, CONTENT, CALL, TWO)

FOUND = [
    ("POST", "/v1/chat/completions", CHAT, {}),
    ("POST", "/chat/completions", CHAT, {}),
    ("POST", "/v1/chat/completions/", CHAT, {}),
    ("POST", "/v1/chat/completions?key=sk-1&a=/v1/videos/2", CHAT, {}),
    ("GET", "/v1/videos/video_1", STATUS, {"id": "video_1"}),
    ("GET", "/videos/video_1?key=sk-1", STATUS, {"id": "video_1"}),
    ("GET", "/v1/videos/video_1/content", CONTENT, {"id": "video_1"}),
    ("GET", "/v1/videos/a%2Fb", STATUS, {"id": "a/b"}),
    ("GET", "/v1/videos/a%252Fb", STATUS, {"id": "a%2Fb"}),
    ("GET", "/v1/videos/a%3Fb%23c", STATUS, {"id": "a?b#c"}),
    ("GET", "/v1/videos/a#b", STATUS, {"id": "a#b"}),
    ("GET", "/v1/videos/%E5%9B%BE", STATUS, {"id": "图"}),
    ("GET", "/v1/videos/...", STATUS, {"id": "..."}),
    ("POST", "/v1beta/models/gemini-2.5:generateContent", CALL, {"model": "gemini-2.5"}),
    ("POST", "/v1beta/models/a:b:generateContent?alt=sse", CALL, {"model": "a:b"}),
    ("GET", "/kling/v1/videos/text2video/831", TWO, {"family": "text2video", "id": "831"}),
]


@pytest.mark.parametrize(("method", "url", "route", "holes"), FOUND)
def test_a_url_is_known_by_its_path(
    method: str, url: str, route: Route, holes: dict[str, str]
) -> None:
    found = find(ROUTES, method, url)

    assert found is not None
    assert (found.route, found.holes) == (route, holes)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/v1/chat/completions"),
        ("post", "/v1/chat/completions"),
        ("POST", "/v1/chat/completions/more"),
        ("POST", "/v1/v1/chat/completions"),
        ("POST", "/v2/chat/completions"),
        ("POST", "v1/chat/completions"),
        ("POST", "https://other.example/v1/chat/completions"),
        ("POST", "//other.example/v1/chat/completions"),
        ("POST", "?/v1/chat/completions"),
        ("POST", ""),
        ("GET", "/v1/videos"),
        ("GET", "/v1/videos/"),
        ("GET", "/v1/videos/a/b"),
        ("GET", "/v1/videos/../chat"),
        ("GET", "/v1/videos/.."),
        ("GET", "/v1/videos/."),
        ("GET", "/v1/videos/%2e%2E"),
        ("GET", "/v1/videos/../content"),
        ("GET", "/v1/videos/%2E/content"),
        ("POST", "/v1beta/models/:generateContent"),
        ("POST", "/v1beta/models/m:streamGenerateContent"),
        ("POST", "/models/m:generateContent"),  # there the version is no part of base URLs
        ("GET", "/kling/v1/videos/text2video"),
        ("GET", "/kling/videos/text2video/831"),
    ],
)
def test_what_fits_no_path_is_none(method: str, url: str) -> None:
    assert find(ROUTES, method, url) is None


@pytest.mark.parametrize(
    ("value", "piece"),
    [
        ("video_1", "video_1"),
        ("task:a@b~c", "task:a@b~c"),
        ("831", "831"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("../../x", "..%2F..%2Fx"),
        ("a?key=1", "a%3Fkey%3D1"),
        ("a#b", "a%23b"),
        ("a b\r\nHost: x", "a%20b%0D%0AHost:%20x"),
        ("a\\b", "a%5Cb"),
        ("{id}", "%7Bid%7D"),
        ("图", "%E5%9B%BE"),
        ("...", "..."),
        # They would lead elsewhere, however they are quoted.
        ("", "-"),
        (".", "-"),
        ("..", "-"),
        ("\ud800", "%3F"),
    ],
)
def test_what_fills_a_hole_stays_one_piece_of_the_path(value: str, piece: str) -> None:
    assert fill(CONTENT.template, {"id": value}) == f"/v1/videos/{piece}/content"


def test_a_path_is_called_without_the_query_of_its_url() -> None:
    found = find(ROUTES, "GET", "/videos/a%2Fb?key=sk-1")

    assert found is not None
    assert found.path == "/v1/videos/a%2Fb"


def test_what_fills_one_hole_is_not_taken_for_another() -> None:
    assert fill(TWO.template, {"family": "{id}", "id": "x"}) == "/kling/v1/videos/%7Bid%7D/x"


@given(st.text())
def test_no_id_leads_a_client_to_another_path(value: str) -> None:
    path = fill(CONTENT.template, {"id": value})

    sent = URL(f"https://gateway.example{path}")
    assert sent.host == "gateway.example"
    assert sent.raw_path.split("/")[:3] == ["", "v1", "videos"]
    assert sent.raw_path.endswith("/content")
    assert len(sent.raw_path.split("/")) == 5
    assert not sent.query_string
    assert not sent.fragment


@given(st.text(min_size=1).filter(lambda value: value not in (".", "..")))
def test_an_id_comes_back_out_of_its_path(value: str) -> None:
    found = find(ROUTES, "GET", fill(STATUS.template, {"id": value}))

    assert found is not None
    assert found.holes["id"] == value


@given(
    st.sampled_from(["", "/v1/videos/", "/v1beta/models/", "/kling/v1/videos/a/"]),
    st.text(),
    st.sampled_from(["", "/", "/content", ":generateContent", "?key=sk-1"]),
)
def test_any_url_is_found_or_not(before: str, hole: str, after: str) -> None:
    for method in ("GET", "POST"):
        found = find(ROUTES, method, before + hole + after)

        if found is not None:
            again = find(ROUTES, method, found.path)
            assert again == found
            assert not {".", ".."} & set(map(unquote, found.path.split("/")))
