"""A key cannot be printed by accident, and is taken out of what others send."""

from __future__ import annotations

import gc
import pickle
from base64 import b64encode
from urllib.parse import quote

import pytest

from batch.secret import MASK, Redactor, Secret, redactor_of_all

VALUE = "sk-0123456789abcdef"


def test_printing_a_key_shows_its_name_alone() -> None:
    secret = Secret("CLAUDE_KEY", VALUE)

    assert VALUE not in f"{secret} {secret!r} {[secret]}"
    assert "CLAUDE_KEY" in repr(secret)
    assert secret.reveal() == VALUE


def test_a_key_is_never_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("k", VALUE))


def test_every_key_is_taken_out_of_bytes_and_text() -> None:
    redactor = Redactor([Secret("a", VALUE), Secret("b", VALUE + "-longer")])
    sent = f"bad key {VALUE}-longer, bad key {VALUE}"

    assert redactor.clean(sent.encode()).decode() == f"bad key {MASK}, bad key {MASK}"
    assert redactor.clean_text(sent) == f"bad key {MASK}, bad key {MASK}"


@pytest.mark.parametrize(
    "spelt", ["\\u0073k-0123/456789abcdef", "sk-0123\\/456789abcdef", "sk\\u002D0123/456789abcdef"]
)
def test_a_key_that_json_spells_with_escapes_is_taken_out_too(spelt: str) -> None:
    redactor = Redactor([Secret("a", "sk-0123/456789abcdef")])

    assert redactor.clean(f'{{"m":"bad {spelt}"}}'.encode()) == f'{{"m":"bad {MASK}"}}'.encode()


def test_of_a_key_that_goes_on_where_another_one_ends_no_rest_is_left_however_it_is_spelt() -> None:
    secrets = [Secret(str(end), VALUE + "-longer"[:end]) for end in range(8)]
    spelt = "".join(f"&#{ord(char)};" for char in VALUE + "-longer")

    assert Redactor(secrets).clean(spelt.encode()).decode() == MASK
    assert Redactor(reversed(secrets)).clean_text(spelt) == MASK


SIGNS = "sk-0123/456789+abc="
QUOTED = quote(SIGNS, safe="")
SPELT = [
    ("in an address", QUOTED),
    ("in an address, with small letters", QUOTED.lower()),
    ("in HTML", "".join(f"&#{ord(char)};" for char in SIGNS)),
    ("in HTML, by hexadecimal numbers", "".join(f"&#x{ord(char):X};" for char in SIGNS)),
    ("in HTML, its signs alone", SIGNS.replace("/", "&#x2F;").replace("=", "&#061;")),
    ("in JSON", SIGNS.replace("/", "\\/")),
    ("in UTF-16", "\0".join(SIGNS)),
]


@pytest.mark.parametrize("spelt", [row[1] for row in SPELT], ids=[row[0] for row in SPELT])
def test_a_key_that_others_spell_differently_is_taken_out(spelt: str) -> None:
    redactor = Redactor([Secret("a", SIGNS)])

    assert redactor.clean(f"<{spelt}>".encode()).decode() == f"<{MASK}>"
    assert redactor.clean_text(f"<{spelt}>\udcff") == f"<{MASK}>\udcff"


@pytest.mark.parametrize("ahead", range(6))
@pytest.mark.parametrize("behind", range(3))
def test_a_key_within_base64_is_taken_out_wherever_it_begins(ahead: int, behind: int) -> None:
    whole = b64encode(b"\xff" * ahead + SIGNS.encode() + b"\xff" * behind).decode()
    redactor = Redactor([Secret("a", SIGNS)])

    for text in (whole, whole.replace("+", "-").replace("/", "_")):
        left = redactor.clean_text(text)
        assert MASK in left
        assert len(left) - len(MASK) < len(text) - 4 * (len(SIGNS) // 3) + 4
        assert redactor.clean(text.encode()).decode() == left


def test_what_is_said_of_a_bug_is_cleaned_of_every_key_in_use() -> None:
    held = [Secret("a", VALUE), Secret("b", SIGNS)]

    said = redactor_of_all().clean_text(f"{VALUE} {QUOTED}")

    assert len(held) == 2
    assert said == f"{MASK} {MASK}"
    del held
    gc.collect()
    assert redactor_of_all().clean_text(VALUE) == VALUE


def test_bytes_without_a_key_are_handed_on_as_they_are() -> None:
    sent = b"nothing of ours"

    assert Redactor([Secret("a", VALUE)]).clean(sent) is sent


@pytest.mark.parametrize("placeholder", ["any", "EMPTY", "sk-1234", ""])
def test_a_placeholder_for_a_key_does_not_tear_words_out_of_answers(placeholder: str) -> None:
    answer = "many EMPTY boxes: sk-1234"

    assert Redactor([Secret("k", placeholder)]).clean_text(answer) == answer
