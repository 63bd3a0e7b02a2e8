"""How a record looks: side by side or stacked, never wider than the frame, never a command."""

from __future__ import annotations

import json

import pytest

from batch.records import Saved
from batch.results.record import decode_record
from batch.results.view import Frame, Shown, clean, cut, lines, width_of, wrapped
from batch.wire import Piece
from tests.results.desk import RUN, answer, encode_error, encode_result, error


def plain(text, _role):
    return text


def record(body=None, **changed):
    raw = None if body is None else json.dumps(body).encode()
    return decode_record(encode_result(answer(1, raw, **changed), RUN, 0))


def view(one, prompt=(), width=100, most=None):
    return list(lines(Shown(one, prompt, "out.run"), Frame(width, most), plain))


ASKED = (Piece("user", "What is it?"),)


def test_a_wide_terminal_has_prompt_and_answer_side_by_side():
    shown = view(record(), ASKED, width=80)

    assert shown[0].startswith("── line 1 · row-1 · gpt-4o-mini · stop · 40 in, 7 out · 840 ms ──")
    assert shown[1:] == [
        f"{'user:':38} │ answer 1",
        f"{'What is it?':38} │",
    ]


def test_a_narrow_terminal_has_them_below_one_another():
    assert view(record(), ASKED, width=79)[1:] == ["user:", "What is it?", "──", "answer 1"]


@pytest.mark.parametrize("width", [20, 33, 79, 80, 81, 120])
def test_no_line_is_wider_than_the_terminal(width):
    words = (
        "a much longer text with 很多中文字符在里面没有空格 and someverylongwordthatfitsnowhere" * 9
    )
    body = {"choices": [{"message": {"content": words}}]}

    shown = view(record(body), (Piece("user", words),), width=width)

    assert max(map(width_of, shown)) <= width
    assert width_of(shown[0]) == width


@pytest.mark.parametrize("text", ["\x1b[2J", "a\x07b", "\x9b31m", "\u202egnp", "\x00", "a\rb"])
def test_what_data_hold_commands_no_terminal(text):
    body = {"choices": [{"message": {"content": text, "refusal": text}}]}
    one = record(body, custom_id=text, model=text)

    shown = view(one, (Piece(text, text),))

    assert all(line.isprintable() for line in shown)
    assert clean(text) != text


def test_emoji_that_are_joined_stay_joined():
    family = "👨\u200d👩\u200d👧"

    assert clean(family) == family


def test_a_long_text_is_cut_and_says_so():
    body = {"choices": [{"message": {"content": "\n".join("abcdefgh")}}]}

    assert view(record(body), most=3)[1:] == ["a", "b", "… more: --full"]
    assert len(view(record(body), most=8)) == 9


def test_a_text_is_broken_after_a_space_or_between_wide_characters():
    assert list(wrapped("one two three", 8)) == ["one two", "three"]
    assert list(wrapped("abcdefgh", 3)) == ["abc", "def", "gh"]
    assert list(wrapped("中文字符", 5)) == ["中文", "字符"]
    assert list(wrapped("", 5)) == [""]


def test_a_text_that_is_cut_fits():
    assert cut("中文字符", 5) == "中文…"
    assert cut("short", 5) == "short"


def test_an_error_shows_its_class_and_its_message():
    one = decode_record(encode_error(error(3), RUN, 0))

    shown = view(one)

    assert shown[0].startswith("── line 3 · row-3 · gpt-4o-mini · timeout · 840 ms")
    assert shown[1:] == ["timeout:", "timeout of 3"]


def test_calls_vectors_and_files_are_shown_where_there_is_no_text():
    call = {
        "choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}}]
    }
    vector = {"data": [{"index": 0, "embedding": [0.5, 1, 2, 3, 4]}]}

    assert view(record(call))[1:] == ["calls f:", "{}"]
    assert view(record(vector, endpoint="/v1/embeddings"))[1:] == [
        "embedding:",
        "5 numbers: 0.5, 1, 2, 3, …",
    ]


def test_a_file_is_shown_with_where_it_is():
    made = answer(1)
    outcome = made.outcome
    file = Saved("a-0-0.png", 1234, "00", "image/png")
    made = type(made)(
        **{name: getattr(made, name) for name in made.__struct_fields__}
        | {"outcome": type(outcome)(b"{}", None, "stop", None, files=(file,))}
    )

    shown = view(decode_record(encode_result(made, RUN, 0)))

    assert shown[1:] == ["file:", "out.run/files/a-0-0.png  image/png, 1,234 bytes"]


def test_a_body_that_nobody_understands_is_shown_as_it_is():
    assert view(record({"odd": 1}, endpoint="/v9/new"))[1:] == ["body:", '{"odd": 1}']
