"""A key cannot be printed by accident, and is taken out of what others send."""

from __future__ import annotations

import pickle

import pytest

from batch.secret import MASK, Redactor, Secret

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


def test_bytes_without_a_key_are_handed_on_as_they_are() -> None:
    sent = b"nothing of ours"

    assert Redactor([Secret("a", VALUE)]).clean(sent) is sent


@pytest.mark.parametrize("placeholder", ["any", "EMPTY", "sk-1234", ""])
def test_a_placeholder_for_a_key_does_not_tear_words_out_of_answers(placeholder: str) -> None:
    answer = "many EMPTY boxes: sk-1234"

    assert Redactor([Secret("k", placeholder)]).clean_text(answer) == answer
