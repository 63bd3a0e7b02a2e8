"""What is mended in an answer for free, and what is not, as tables."""

from __future__ import annotations

import msgspec
import pytest

from batch.labeling.kinds import Fitting, Labels, Misfit, Read
from batch.ledger.entries import decode_mark, encode_result
from batch.records import Label, Vote
from tests.ledger.kit import answered

LABELS = Labels(("positive", "negative", "Not applicable"))

MENDED = [
    # as asked for
    ('{"label": "positive"}', "positive", ()),
    (' \n{"label": "positive", "why": "it says so"}\n', "positive", ()),
    # around the object
    ('```json\n{"label": "positive"}\n```', "positive", ("fence",)),
    ('```\n{"label": "positive"}\n```', "positive", ("fence",)),
    ('```{"label": "positive"}```', "positive", ("fence",)),
    ('Here it is:\n```json\n{"label": "positive"}\n```\nBye.', "positive", ("fence",)),
    ('```json\n{"label": "positive"}', "positive", ("fence",)),
    ('<think>Or {"label": "negative"}?</think>{"label": "positive"}', "positive", ("think",)),
    ('<THINKING>a</THINKING> b</think>\n{"label": "positive"}', "positive", ("think",)),
    ('I think {"label": "positive"} fits.', "positive", ("prose",)),
    ('Sure {…}: {"label": "positive"}', "positive", ("prose",)),
    ('<think>x</think>So:\n```json\n{"label": "positive"}\n```', "positive", ("think", "fence")),
    # the object itself
    ('{"Label": "positive"}', "positive", ("key",)),
    ('{"sentiment": "positive"}', "positive", ("key",)),
    ('{"LABEL": "positive", "why": "x"}', "positive", ("key",)),
    # words
    ("positive", "positive", ("bare",)),
    ('"positive"', "positive", ("bare",)),
    ("'positive'", "positive", ("bare", "quotes")),
    ("**positive**", "positive", ("bare", "quotes")),
    ("«positive».", "positive", ("bare", "quotes", "punctuation")),
    ("positive.", "positive", ("bare", "punctuation")),
    ("positive。", "positive", ("bare", "punctuation")),
    ('{"label": " positive "}', "positive", ("whitespace",)),
    ('{"label": "POSITIVE"}', "positive", ("case",)),
    ('{"label": "ｐositive"}', "positive", ("case",)),  # noqa: RUF001 - of full width
    ('{"label": "not_applicable"}', "Not applicable", ("case",)),
    ('{"label": "Not  applicable."}', "Not applicable", ("punctuation", "case")),
]


@pytest.mark.parametrize(("text", "label", "repaired"), MENDED)
def test_an_answer_that_means_one_label_is_mended_for_free(
    text: str, label: str, repaired: tuple[str, ...]
) -> None:
    assert LABELS.read(text, whole=True) == Read(label, repaired)


REFUSED = [
    ("", "the answer is empty"),
    ("<think>What may it be", "the answer is empty"),
    ("```json\n```", "the answer is empty"),
    ("It is not positive", "none of the labels"),
    ("positive or negative", "none of the labels"),
    ('{"label": "great"}', '"great" is none of the labels'),
    ('{"label": ["positive"]}', 'has no "label"'),
    ('{"label": null}', 'has no "label"'),
    ('{"a": "positive", "b": "negative"}', 'has no "label"'),
    ('{"label": "positive"} or {"label": "negative"}', "none of the labels"),
    ("{" * 100, "none of the labels"),
    ('{"a":' * 5000, "none of the labels"),
    ('{"label": NaN}', "none of the labels"),
    ("[" * 100_000, "none of the labels"),
    ("[" * 300 + "]" * 300, "none of the labels"),
    ('{"label": 123456789012345678901234567890}', '"123456789012345678901234567890" is none of'),
    ('{"label": 1e400}', "none of the labels"),
    ('{"label": "\\ud83d"}', '"\\ud83d" is none of the labels'),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED, ids=[f"{n}" for n in range(len(REFUSED))])
def test_an_answer_that_means_none_or_two_is_refused_with_the_reason(
    text: str, reason: str
) -> None:
    found = LABELS.read(text, whole=True)

    assert isinstance(found, Misfit)
    assert reason in found.reason
    assert len(found.reason) < 300


def test_a_bare_word_that_the_output_limit_cut_is_no_label() -> None:
    labels = Labels(("pos", "positive"))

    assert labels.read("pos", whole=True) == Read("pos", ("bare",))
    assert labels.read("pos", whole=False) == Misfit("the answer was cut by the output limit")
    # What is whole in itself was not cut where it matters.
    assert labels.read('{"label": "pos"}', whole=False) == Read("pos")


def test_labels_that_differ_in_case_alone_are_told_apart_and_never_guessed() -> None:
    labels = Labels(("us", "US"))

    assert labels.read('{"label": "US"}', whole=True) == Read("US")
    assert isinstance(labels.read('{"label": "Us"}', whole=True), Misfit)


def test_numbers_are_taken_for_labels_that_look_like_them() -> None:
    stars = Labels(("1", "2", "3"), "stars")

    assert stars.read('{"stars": 2}', whole=True) == Read("2", ("type",))
    assert stars.read("3", whole=True) == Read("3", ("bare", "type"))


def test_a_number_of_more_than_64_bits_can_be_a_label_too() -> None:
    number = "123456789012345678901234567890"
    numbers = Labels((number, "1"))

    assert numbers.read(f'{{"label": {number}}}', whole=True) == Read(number, ("type",))
    assert numbers.read(number, whole=True) == Read(number, ("bare", "type"))


SCHEMA = """{"type": "object", "required": ["label", "stars"], "additionalProperties": false,
"properties": {"label": {"enum": ["good", "bad"]}, "stars": {"type": "integer", "maximum": 5}}}"""
GOOD = {"label": "good", "stars": 5}

FITTING = [
    ('{"label": "good", "stars": 5}', ()),
    ('```json\n{"label": "good", "stars": 5}\n```', ("fence",)),
    ('Well, {"label": "good", "stars": 5}.', ("prose",)),
    ('"{\\"label\\": \\"good\\", \\"stars\\": 5}"', ("quotes",)),
    ('<think>…</think>{"label": "good", "stars": 5}', ("think",)),
]


@pytest.mark.parametrize(("text", "repaired"), FITTING)
def test_an_object_is_unwrapped_and_must_fit_its_schema(
    text: str, repaired: tuple[str, ...]
) -> None:
    assert Fitting(SCHEMA).read(text, whole=True) == Read(GOOD, repaired)


UNFIT = [
    ("", "empty"),
    ("good", "is not JSON"),
    ("[]", "does not fit"),
    ('{"label": "good"}', "stars"),
    ('{"label": "fine", "stars": 5}', '["label"]'),
    ('{"label": "good", "stars": 6}', '["stars"]'),
    ('{"label": "good", "stars": 5, "x": 1}', "x"),
    ('{"label": "good", "stars": 5} {"label": "bad", "stars": 1}', "is not JSON"),
]


@pytest.mark.parametrize(("text", "reason"), UNFIT)
def test_what_does_not_fit_a_schema_is_refused_with_the_place(text: str, reason: str) -> None:
    found = Fitting(SCHEMA).read(text, whole=True)

    assert isinstance(found, Misfit)
    assert reason in found.reason


# Models write such, and a schema has nothing against it.
UNWRITABLE = [
    ('{"n": 123456789012345678901234567890}', "cannot be recorded: Integer exceeds 64-bit range"),
    ('{"n": "\\ud83d"}', "cannot be recorded: str is not valid UTF-8"),
    ('{"\\ud83d": 1}', "cannot be recorded: str is not valid UTF-8"),
    ('{"n": ' + "[" * 300 + "]" * 300 + "}", "cannot be recorded: Recursion limit reached"),
    ('{"n": 1e400}', "is not JSON"),
]


@pytest.mark.parametrize(("text", "reason"), UNWRITABLE, ids=[r[-9:] for _, r in UNWRITABLE])
def test_an_answer_that_no_record_can_hold_is_refused_and_breaks_nothing(
    text: str, reason: str
) -> None:
    found = Fitting("{}").read(text, whole=True)

    assert isinstance(found, Misfit)
    assert reason in found.reason


def test_numbers_of_any_usual_size_stay_what_they_are() -> None:
    said = '{"n": [0.25, -1.5e3, 9007199254740993, 1e-400]}'

    assert Fitting("{}").read(said, whole=True) == Read({"n": [0.25, -1500.0, 2**53 + 1, 0.0]})


def test_whatever_is_read_of_an_answer_its_record_can_hold() -> None:
    kind = Fitting("{}", "n")

    for depth in range(230, 260):
        read = kind.read('{"n": ' + "[" * depth + "]" * depth + "}", whole=True)
        if isinstance(read, Read):
            vote = Vote(read.value)
            label = Label(read.value, 2, (vote, vote), 1.0)
            result = msgspec.structs.replace(answered(1), label=label)
            assert kind.ballot(read.value)
            assert decode_mark(encode_result(result, "r", 0)).line == 1


def test_votes_on_objects_compare_the_field_or_all_of_it() -> None:
    one, other = {"label": "good", "stars": 5}, {"stars": 5, "label": "good"}

    assert Fitting(SCHEMA).ballot(one) == Fitting(SCHEMA).ballot(other)
    assert Fitting(SCHEMA).ballot(one) != Fitting(SCHEMA).ballot({**one, "stars": 4})
    assert Fitting(SCHEMA, "label").ballot(one) == Fitting(SCHEMA, "label").ballot(
        {**one, "stars": 4}
    )
