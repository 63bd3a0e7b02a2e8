"""Which addresses and data URIs of a text are the media that were asked for."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.wire._links import Medium, links

PNG = "data:image/png;base64,iVBORw0KGgo="
SIGNED = "https://h/a.png?Expires=1&Signature=a-b~c__&Key-Pair-Id=K_"

PICTURES = [
    ("a picture", "![cat](https://h/a)", ["https://h/a"]),
    ("a picture without alt", "![](https://h/a)", ["https://h/a"]),
    ("a picture with a title", '![cat](https://h/a "a cat")', ["https://h/a"]),
    ("a picture in angles", "![cat]( <https://h/a> )", ["https://h/a"]),
    ("a picture held", f"![image]({PNG})", [PNG]),
    ("a picture held, in lines", f"![]({PNG[:30]}\n{PNG[30:]})", [f"{PNG[:30]}\n{PNG[30:]}"]),
    ("brackets in the alt", "![a [4k] cat](https://h/a)", ["https://h/a"]),
    ("escaped brackets in the alt", r"![a \] cat](https://h/a)", ["https://h/a"]),
    ("an address in the alt", "![http://x.org/ cat](https://h/a)", ["https://h/a"]),
    ("a picture at the very start", "![](https://h/a)!", ["https://h/a"]),
    ("a link at the very start", "[a](https://h/a)!", []),
    ("a picture that is a film", "![cat](https://h/a.mp4)", []),
    ("a picture within a link", "[![p](https://h/a)](https://h/b.png)", ["https://h/a", "https://h/b.png"]),
    ("a link", "[cat](https://h/a.webp)", ["https://h/a.webp"]),
    ("a link to a page", "[rules about images](https://h/policy)", []),
    ("an address", "it is https://h/a.JPEG", ["https://h/a.JPEG"]),
    ("an address of a page", "see https://h/a.html", []),
    ("a host like a picture", "see https://h.png and https://h.png?a", []),
    ("a name in the query", "https://h/get?name=a.png&n=1", ["https://h/get?name=a.png&n=1"]),
    ("a fragment", "https://h/a.png#top", ["https://h/a.png#top"]),
    ("a folder like a picture", "https://h/a.png/b", []),
    ("a signed address", f"at {SIGNED}, see", [SIGNED]),
    ("a signed address enclosed", f"![]({SIGNED})", [SIGNED]),
    ("the scheme in capitals", "HTTPS://h/a.png", ["HTTPS://h/a.png"]),
    ("another scheme", "ftp://h/a.png file:///a.png javascript:a.png", []),
    ("no host", "https:///a.png https:// http://", []),
    ("no host, enclosed", "![](https://) ![](http:// a)", []),
    ("a picture of a film", "https://h/a.png?of=b.mp4", ["https://h/a.png?of=b.mp4"]),
    ("an address within another", "https://h/?u=https://k/a.png", ["https://h/?u=https://k/a.png"]),
    ("held", f"here: {PNG} so", [PNG]),
    ("held, in quotes", f'<img src="{PNG}">', [PNG]),
    ("held, with a parameter", "data:image/png;a=b;base64,AA", ["data:image/png;a=b;base64,AA"]),
    ("held, not as base64", "data:image/svg+xml;utf8,<svg/>", []),
    ("held, another medium", "![](data:audio/wav;base64,AAAA)", []),
    ("the word data", "some data: image/png;base64,AAAA", []),
    ("nothing", "I cannot draw that.", []),
    ("empty", "", []),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "found"), PICTURES, ids=[row[0] for row in PICTURES])
def test_pictures_of_a_text_are_found(name: str, text: str, found: list[str]) -> None:
    assert links(text, "image") == found


AROUND = [
    ("(see {})", "https://h/a.png"),
    ("{}.", "https://h/a.png"),
    ("{}, and", "https://h/a.png"),
    ("{}!?", "https://h/a.png"),
    ("**{}**", "https://h/a.png"),
    ("`{}`", "https://h/a.png"),
    ("<{}>", "https://h/a.png"),
    ('"{}"', "https://h/a.png"),
    ("'{}'", "https://h/a.png"),
    ("| {}|", "https://h/a.png"),
    ("[{}]", "https://h/a.png"),
    ("图片{}，请下载", "https://h/a.png"),  # noqa: RUF001
    ("图片{}已生成", "https://h/a.png"),
    ("（{}）", "https://h/a.png"),  # noqa: RUF001
    ("{}(下载)", "https://h/a.png"),
    ("{}\n{}", "https://h/a.png"),
    ("({}).", "https://h/a_(1).png"),
    ("{})", "https://h/a_(1_(2)).png"),
    ("({})", "https://h/a.png?a[]=1&b={{c}}"),
    ("![]({})", "https://h/图片.png"),
    ("![]({})", "https://h/a.png?a='b'|c."),
]


@pytest.mark.parametrize(("prose", "address"), AROUND, ids=[row[0] for row in AROUND])
def test_an_address_ends_where_the_prose_goes_on(prose: str, address: str) -> None:
    assert links(prose.replace("{}", address), "image") == [address]


def test_the_surest_come_first_and_each_once() -> None:
    text = (
        f"{PNG} https://h/mention.png [l](https://h/link.png) ![p](https://h/picture) "
        f"[l](https://h/picture) https://h/link.png ![q](https://h/mention.png) {PNG}"
    )

    assert links(text, "image") == [
        "https://h/picture",
        "https://h/mention.png",
        "https://h/link.png",
        PNG,
    ]


OTHERS: list[tuple[str, Medium, str, list[str]]] = [
    ("a film", "video", "done, [click here](https://h/x.mp4)", ["https://h/x.mp4"]),
    ("a film mentioned", "video", "queued 10%\nhttps://h/x.webm.", ["https://h/x.webm"]),
    ("a poster is no film", "video", "![](https://h/p.png) https://h/x.mov", ["https://h/x.mov"]),
    ("a poster alone", "video", "![video](https://h/p.png)", []),
    ("a link that says so", "video", "[Download](https://h/d?i=1)", ["https://h/d?i=1"]),
    ("one that says so in Chinese", "video", "[点击下载](https://h/d)", ["https://h/d"]),
    ("an address that says so", "video", "[here](https://h/videos/1)", ["https://h/videos/1"]),
    ("one that says nothing", "video", "[here](https://h/1)", []),
    ("bare, it says nothing", "video", "see https://h/videos/1", []),
    ("words before the label", "video", "video [here](https://h/1)", []),
    ("words of another label", "video", "[video](https://h/1) b](https://h/2)", ["https://h/1"]),
    ("only failing a film", "video", "[video](https://h/v) https://h/x.mp4", ["https://h/x.mp4"]),
    ("a film held", "video", "data:video/mp4;base64,AAAA", ["data:video/mp4;base64,AAAA"]),
    ("a sound", "audio", "[song](https://h/x.mp3?a=1)", ["https://h/x.mp3?a=1"]),
    ("a sound that says so", "audio", "[audio](https://h/x)", ["https://h/x"]),
    ("a sound held", "audio", "data:audio/wav;base64,AAAA", ["data:audio/wav;base64,AAAA"]),
    ("a picture is no sound", "audio", f"![audio]({PNG}) https://h/a.png", []),
]


@pytest.mark.parametrize(("name", "makes", "text", "found"), OTHERS, ids=[row[0] for row in OTHERS])
def test_films_and_sounds_of_a_text_are_found(
    name: str, makes: Medium, text: str, found: list[str]
) -> None:
    assert links(text, makes) == found


def test_an_address_longer_than_any_server_takes_is_none() -> None:
    start = "https://h/"

    assert links(f"![]({start}{'a' * 16000})", "image") == [start + "a" * 16000]
    assert links(f"![]({start}{'a' * 17000})", "image") == []
    assert links(f"{start}{'a' * 17000}.png", "image") == []


@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    "![",
                    "[",
                    "]",
                    "](",
                    ")",
                    "(",
                    "{",
                    "}",
                    "<",
                    ">",
                    "\\",
                    " ",
                    "\n",
                    "!",
                    ".",
                    "?",
                ),
                *("https://h/a.png", "http://", "data:image/png;base64,", "AA==", "é", "video"),
            ]
        )
    ),
    st.sampled_from(["image", "audio", "video"]),
)
def test_all_that_is_found_stands_in_the_text_once(pieces: list[str], makes: Medium) -> None:
    text = "".join(pieces)

    found = links(text, makes)

    assert len(found) == len(set(found))
    assert all(one in text and one.startswith(("http", "data:")) for one in found)


HOSTILE = {
    "openings": "![",
    "brackets": "[",
    "links": "[a](https://h/a",
    "pictures": "![a](https://h/a.png)",
    "addresses": ")https://h/",
    "films": "[video](https://h/a",
    "schemes": "http://",
    "data": "data:",
    "data URIs": "data:image/",
    "parameters": "data:image/a;b;c;d;",
    "parentheses": "https://h/((((((((",
    "space": "](          ",
    "dots": "https://h/.png.png.png",
    "escapes": "[\\",
    "one line of base64": "QUJD",
}


def seconds_for(piece: str, size: int) -> float:
    texts = [
        piece * (size // len(piece)) + "](https://h/x.mp4)",
        "![](data:image/png;base64," + piece * (size // len(piece)) + ")",
        "[![](https://h/a.png?" + piece * (size // len(piece)) + "](https://h/b",
    ]
    best = 1e9
    for _ in range(3):
        started = time.process_time()
        for text in texts:
            links(text, "image")
            links(text, "video")
        best = min(best, time.process_time() - started)
    return best


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_takes_linear_time(piece: str) -> None:
    once, sixteenfold = seconds_for(piece, 2**13), seconds_for(piece, 2**17)

    # What is quadratic would be 256 times as much.
    assert sixteenfold < 80 * max(once, 0.0002)


def test_a_picture_of_many_megabytes_is_found_whole() -> None:
    uri = "data:image/png;base64," + "QUJD" * (30 << 18)

    (found,) = links(f"Here: ![image]({uri})", "image")

    assert found == uri
