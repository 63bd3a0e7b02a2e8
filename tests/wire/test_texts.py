"""What people read of requests and answers, whichever format they are of."""

from __future__ import annotations

import json
import struct
from base64 import b64encode

import pytest

from batch.records import Done
from batch.wire import formats
from tests.wire.test_contract import FORMATS, good_replies, samples_of

# Of these a body alone does not tell whether its line asked for a film or after one.
TASKS = ("videos", "kling")


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in TASKS])
def test_the_text_of_a_body_is_the_content_of_its_answer(name):
    wire = formats()[name]
    answers = [
        step.answer
        for good in good_replies(name)
        if isinstance(step := wire.next(good.request, good.state, good.reply), Done)
    ]

    assert answers
    for answer in answers:
        if not answer.files:  # where a text linked to them, the body has their names by now
            assert wire.text(answer.body) == answer.content


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_that_was_asked_or_answered_is_too_odd_to_be_shown(name):
    wire = formats()[name]
    bodies = [one.body for one in samples_of(name)]
    odd = [b"", b"null", b"[]", b"{}", b'{"choices":[1],"content":{},"output":"x","data":{}}']

    for body in (*bodies, *odd):
        wire.text(body)
        assert all(piece.text for piece in wire.prompt(body))
        assert all(piece.who for piece in wire.beside(body))
        wire.vectors(body)


def body(**fields):
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        (
            "chat",
            body(
                messages=[
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": [{"type": "text", "text": "What is it?"}]},
                    {"role": "user", "content": [{"type": "image_url", "image_url": "data:x"}]},
                ]
            ),
            [("system", "Be brief."), ("user", "What is it?"), ("user", "[image_url]")],
        ),
        (
            "responses",
            body(instructions="Be brief.", input="What is it?"),
            [("instructions", "Be brief."), ("user", "What is it?")],
        ),
        (
            "responses",
            body(input=[{"role": "user", "content": [{"type": "input_text", "text": "Hm?"}]}]),
            [("user", "Hm?")],
        ),
        (
            "messages",
            body(
                system=[{"type": "text", "text": "S"}], messages=[{"role": "user", "content": "U"}]
            ),
            [("system", "S"), ("user", "U")],
        ),
        (
            "gemini",
            body(
                system_instruction={"parts": [{"text": "S"}]},
                contents=[{"parts": [{"text": "U"}, {"inlineData": {"data": "AA=="}}]}],
            ),
            [("system", "S"), ("user", "U\n[inlineData]")],
        ),
        ("embeddings", body(input=["a", "b"]), [("input", '["a","b"]')]),
        ("speech", body(input="Hello", voice="x"), [("input", "Hello")]),
        ("transcription", body(file="file:a.wav"), [("file", "file:a.wav")]),
        ("transcription", body(file="A" * 9000), [("file", "[sound]")]),
        (
            "rerank",
            body(query="q", documents=["a", {"text": "b"}]),
            [("query", "q"), ("document 0", "a"), ("document 1", "b")],
        ),
        ("images", body(prompt="a cat"), [("prompt", "a cat")]),
        ("kling", body(prompt="a cat"), [("prompt", "a cat")]),
        ("midjourney", body(prompt="a cat"), [("prompt", "a cat")]),
    ],
)
def test_a_prompt_is_shown_turn_by_turn(name, asked, said):
    assert [(one.who, one.text) for one in formats()[name].prompt(asked)] == said


@pytest.mark.parametrize(
    ("name", "answer", "beside"),
    [
        (
            "chat",
            body(
                choices=[
                    {
                        "message": {
                            "reasoning_content": "hm",
                            "reasoning": "hm",
                            "tool_calls": [{"function": {"name": "f", "arguments": '{"a":1}'}}],
                        }
                    },
                    {"message": {"content": "two", "refusal": "no"}},
                ]
            ),
            [("reasoning", "hm"), ("calls f", '{"a":1}'), ("choice 2", "two"), ("refusal", "no")],
        ),
        ("chat", body(choices=[{"message": {"reasoning": "hm"}}]), [("reasoning", "hm")]),
        (
            "chat",
            body(
                choices=[
                    {
                        "message": {
                            "content": [
                                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                                {"type": "text", "text": "Hi"},
                            ]
                        }
                    }
                ]
            ),
            [("reasoning", "hm")],
        ),
        (
            "responses",
            body(
                output=[
                    {
                        "type": "reasoning",
                        "summary": [],
                        "content": [{"type": "reasoning_text", "text": "hm"}],
                    }
                ]
            ),
            [("reasoning", "hm")],
        ),
        (
            "responses",
            body(
                output=[
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
                    {"type": "function_call", "name": "f", "arguments": "{}"},
                    {"type": "apply_patch_call", "operation": {"path": "a"}},
                    {"type": "message", "content": [{"type": "refusal", "refusal": "no"}]},
                ]
            ),
            [
                ("reasoning", "hm"),
                ("calls f", "{}"),
                ("calls apply_patch_call", '{"path":"a"}'),
                ("refusal", "no"),
            ],
        ),
        (
            "messages",
            body(
                content=[
                    {"type": "thinking", "thinking": "hm"},
                    {"type": "tool_use", "name": "f", "input": {"a": 1}},
                    {"type": "tool_use", "name": "answer", "input": {"label": "x"}},
                    {"type": "mcp_tool_use", "name": "echo", "input": {}},
                ]
            ),
            [("thinking", "hm"), ("calls f", '{"a":1}'), ("calls echo", "{}")],
        ),
        (
            "gemini",
            body(
                candidates=[
                    {
                        "content": {
                            "parts": [
                                {"text": "hm", "thought": True},
                                {"function_call": {"name": "f", "args": {"a": 1}}},
                            ]
                        }
                    }
                ]
            ),
            [("thought", "hm"), ("calls f", '{"a":1}')],
        ),
    ],
)
def test_what_stands_beside_the_text_is_shown_too(name, answer, beside):
    assert [(one.who, one.text) for one in formats()[name].beside(answer)] == beside


def test_vectors_are_float32_in_the_order_of_their_numbers_however_they_are_written():
    first, second = struct.pack("<2f", 0.5, -1.0), struct.pack("<2f", 0.25, 2.0)
    answer = body(
        data=[
            {"index": 1, "embedding": [0.25, 2.0]},
            {"index": 0, "embedding": b64encode(first).decode()},
        ]
    )

    assert formats()["embeddings"].vectors(answer) == [first, second]


@pytest.mark.parametrize("vector", [["a"], [1e300], "AAA", "not base64", [None]])
def test_what_is_no_vector_is_an_empty_one(vector):
    answer = body(data=[{"index": 0, "embedding": vector}])

    assert formats()["embeddings"].vectors(answer) == [b""]
