"""The script of a labeling run as a rule: from answers to more requests or a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batch.errors import BadConfig, Refused
from batch.labeling.kinds import Fitting, Labels
from batch.labeling.script import Labeling, recorded
from batch.labeling.votes import Elected, elect
from batch.records import Answer, Flaw, Label, Vote
from batch.script import Ask, Verdict
from batch.wire import formats
from tests.labeling.kit import Talk, answer, body_of, choices, row
from tests.rig import rows

YES, NO, MAYBE = (f'{{"label": "{label}"}}' for label in ("yes", "no", "maybe"))
BAD = "I cannot tell"


def script(**more: Any) -> Labeling:
    return Labeling(Labels(("yes", "no", "maybe")), known=lambda: {"talk": Talk()}, **more)


def judged(one: Labeling, *said: str) -> Verdict:
    verdict = one.more([row()], [answer(text) for text in said])
    assert isinstance(verdict, Verdict)
    return verdict


def asked(one: Labeling, *said: str) -> dict[str, Any]:
    step = one.more([row()], [answer(text) for text in said])
    assert isinstance(step, Ask)
    assert [request.part for request in step.requests] == [len(said)]
    return body_of(step.requests[0])


def test_a_line_is_asked_with_the_labels_as_the_schema_of_its_answer() -> None:
    (request,) = script().begin([row()]).requests

    assert body_of(request) == {
        "line": 1,
        "schema": {
            "type": "object",
            "properties": {"label": {"type": "string", "enum": ["yes", "no", "maybe"]}},
            "required": ["label"],
            "additionalProperties": False,
        },
    }


def test_an_object_that_does_not_fit_is_asked_for_again_with_the_place_and_the_schema() -> None:
    schema = '{"type":"object","properties":{"stars":{"maximum":5}}}'
    one = Labeling(Fitting(schema), known=lambda: {"talk": Talk()})

    then = asked(one, '{"stars": 6}')["then"]

    assert then.startswith('That cannot be used: the answer does not fit: ["stars"] 6 is greater')
    assert then.endswith(f"Answer with JSON only, that fits this JSON Schema: {schema}")


def test_a_good_answer_is_the_lines_own_and_is_asked_for_once() -> None:
    verdict = judged(script(), YES)

    assert verdict == Verdict((answer(YES),), Label("yes", 1, (Vote("yes"),)))


def test_each_vote_names_the_labels_in_another_order() -> None:
    one = script(votes=3)
    steps = [one.begin([row()]), *(one.more([row()], [answer(YES)] * n) for n in (1, 2))]

    orders = [choices(step.requests[0]) for step in steps if isinstance(step, Ask)]

    assert orders == [["yes", "no", "maybe"], ["no", "maybe", "yes"], ["maybe", "yes", "no"]]


# Votes in their order → label, its share, whether there is a tie, whose answer is kept.
VOTES = [
    ((YES,), "yes", 1.0, False, 0),
    ((YES, YES, YES), "yes", 1.0, False, 0),
    ((NO, YES, YES), "yes", 2 / 3, False, 1),
    ((NO, YES, MAYBE), "no", 1 / 3, True, 0),
    ((NO, YES), "no", 0.5, True, 0),
    ((YES, NO, NO, YES), "yes", 0.5, True, 0),
    ((MAYBE, YES, NO, YES, NO), "yes", 2 / 5, True, 1),
    # A spoiled vote counts, but for nobody.
    ((BAD, YES, YES), "yes", 2 / 3, False, 1),
    ((BAD, BAD, YES), "yes", 1 / 3, False, 2),
    ((NO, BAD, YES), "no", 1 / 3, True, 0),
]


@pytest.mark.parametrize(("said", "label", "share", "tie", "place"), VOTES)
def test_the_majority_is_the_label_and_of_a_tie_the_vote_that_came_first(
    said: tuple[str, ...], label: str, share: float, tie: bool, place: int
) -> None:
    verdict = judged(script(votes=len(said), retries=0), *said)

    assert verdict.outcomes == (answer(said[place]),)
    assert verdict.label is not None
    assert (verdict.label.value, verdict.label.tie) == (label, tie)
    assert verdict.label.confidence == pytest.approx(share)
    assert verdict.label.requests == len(said)
    assert len(verdict.label.votes) == len(said)


def test_a_tie_may_be_left_without_a_label() -> None:
    told = judged(script(votes=2, tie="abstain"), NO, YES).label
    decided = judged(script(votes=3, tie="abstain"), NO, YES, YES).label

    assert told is not None
    assert decided is not None
    assert (told.value, told.tie, decided.value) == (None, True, "yes")


def test_an_answer_that_fits_nothing_is_asked_for_again_with_the_reason() -> None:
    body = asked(script(), BAD)

    assert body["said"] == BAD
    assert body["then"] == (
        'That cannot be used: "I cannot tell" is none of the labels. Answer with JSON only, such '
        'as {"label":"yes"}. It must be one of these: "yes", "no", "maybe".'
    )
    assert body["schema"]["properties"]["label"]["enum"] == ["yes", "no", "maybe"]


# Answers → which vote is asked next, None: it has its verdict; with three votes and two re-asks.
WAYS = [
    ((), 0, False),
    ((YES,), 1, False),
    ((BAD,), 0, True),
    ((BAD, YES), 1, False),
    ((BAD, BAD), 0, True),
    ((BAD, BAD, BAD), 1, False),  # no re-ask is left: the vote is spoiled
    ((BAD, BAD, BAD, BAD), 2, False),
    ((YES, BAD, BAD), 1, True),
    ((YES, BAD, NO), 2, False),
    ((YES, NO), 2, False),
    ((BAD, YES, BAD, NO), 2, False),
    ((BAD, YES, BAD, NO, BAD), None, False),
]


@pytest.mark.parametrize(("said", "turn", "again"), WAYS)
def test_re_asks_are_counted_for_the_line_and_votes_for_themselves(
    said: tuple[str, ...], turn: int | None, again: bool
) -> None:
    one = script(votes=3)
    step = one.more([row()], [answer(text) for text in said]) if said else one.begin([row()])

    if turn is None:
        assert isinstance(step, Verdict)
        return
    assert isinstance(step, Ask)
    (request,) = step.requests
    first = ("yes", "no", "maybe")[turn]
    assert (choices(request)[0], "then" in body_of(request)) == (first, again)


def test_a_line_costs_at_most_its_votes_and_its_re_asks() -> None:
    for votes in (1, 2, 3):
        for retries in (0, 1, 4):
            one, answers = script(votes=votes, retries=retries), list[Answer]()
            while isinstance(one.more([row()], answers) if answers else None, Ask | None):
                answers.append(answer(BAD))

            assert len(answers) == votes + retries


def test_a_line_without_any_good_answer_ends_as_an_error_that_keeps_the_last() -> None:
    verdict = judged(script(retries=1), BAD, "no idea")

    message = '"no idea" is none of the labels (asked 2 times)'
    assert verdict.outcomes == (Flaw("label_invalid", message, answer("no idea")),)
    assert verdict.label == Label(None, 2, (Vote(None),), 0.0)


def test_what_was_mended_stands_with_its_vote() -> None:
    label = judged(script(votes=2), "Yes.", YES).label

    assert label is not None
    assert label.votes == (Vote("yes", ("bare", "punctuation", "case")), Vote("yes"))


def test_an_answer_that_a_filter_stopped_is_not_asked_for_again() -> None:
    verdict = script().more([row()], [answer("", "filter")])

    assert isinstance(verdict, Verdict)
    assert isinstance(verdict.outcomes[0], Flaw)
    assert verdict.outcomes[0].message == "a content filter stopped the answer"


def test_an_answer_without_text_is_asked_for_again_without_it() -> None:
    step = script().more([row()], [answer(None)])

    assert isinstance(step, Ask)
    assert body_of(step.requests[0])["said"] == ""


def test_a_line_whose_answer_is_no_text_is_refused_before_it_is_asked() -> None:
    embedding = rows(1, "embeddings")

    with pytest.raises(Refused, match="no text that fits a schema, and so cannot be labeled"):
        Labeling(Labels(("a", "b"))).begin(embedding)


SCHEMA = '{"type":"object","properties":{"mood":{"enum":["up","down"]}}}'
KINDS = [Labels(("a", "b,c")), Labels(("a", "b"), "mood"), Fitting(SCHEMA), Fitting(SCHEMA, "mood")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_script_is_made_again_from_the_identity_of_its_run(kind: Labels | Fitting) -> None:
    one = Labeling(kind, votes=3, retries=1, tie="abstain")

    again = recorded(one.identity())

    assert again is not None
    assert again.identity() == one.identity()
    assert again.kind.schema(1) == kind.schema(1)


def test_other_labels_votes_or_schemas_make_another_run() -> None:
    scripts = [
        *(Labeling(kind) for kind in KINDS),
        *(Labeling(KINDS[0], votes=2), Labeling(KINDS[0], retries=0)),
        Labeling(KINDS[0], tie="abstain"),
        Labeling(Labels(("b,c", "a"))),
    ]

    assert len({str(sorted(one.identity().items())) for one in scripts}) == len(scripts)
    assert recorded({"script": "once"}) is None


@pytest.mark.parametrize("labels", [(), ("a",), ("a", ""), ("a", " b"), ("a", "a")])
def test_labels_that_cannot_be_told_apart_are_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(BadConfig, match=r"^labels: "):
        Labels(labels)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "not an object"),
        ('{"type": "thing"}', "is no JSON Schema"),
        ('{"$ref": "#/nowhere"}', "does not stand in it.*'/nowhere' does not exist"),
        ('{"$ref": "https://example.com/a.json"}', "does not stand in it.*example.com"),
    ],
)
def test_a_schema_that_is_none_is_refused_in_words(schema: str, message: str) -> None:
    with pytest.raises(BadConfig, match=message):
        Fitting(schema)


def test_a_schema_is_told_nothing_by_other_files(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"type": "string"}')

    with pytest.raises(BadConfig, match="points to what does not stand in it, and nothing else"):
        Fitting(f'{{"$ref": "{(tmp_path / "other.json").as_uri()}"}}')


def test_votes_are_counted() -> None:
    assert elect([None, None]) is None
    assert elect(["a"]) == Elected(0, 1.0, False)
    assert elect([None, "b", "a", "b"]) == Elected(1, 0.5, False)
    assert elect(["b", "a"]) == Elected(0, 0.5, True)


def test_every_format_that_talks_takes_a_schema_and_a_second_question() -> None:
    bodies = {
        "chat": b'{"messages":[{"role":"user","content":"hi"}]}',
        "responses": b'{"input":"hi"}',
        "messages": b'{"max_tokens":5,"messages":[{"role":"user","content":"hi"}]}',
        "gemini": b'{"contents":[{"parts":[{"text":"hi"}]}]}',
    }
    schema = Labels(("yes", "no")).schema(0)
    for name, body in bodies.items():
        wire = formats()[name]

        asked = wire.with_schema(body, schema)
        again = wire.go_on(asked, "hm", "Answer yes or no.")

        assert asked != body
        assert wire.with_schema(asked, schema) == asked  # a body's own form stays
        assert b'"hm"' in again
        assert b"Answer yes or no." in again
        assert b'"hm"' not in wire.go_on(asked, "", "Answer yes or no.")
