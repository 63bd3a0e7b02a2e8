"""On which line a setting stands, and texts that are written and read back."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.settings.toml import Lines, quoted

TEXT = '''\
# rpm = 0, in a remark
top = 1

[limits]
  rpm = 5   # [keys]
"tpm" = 7
deep.er = 1

[[keys]]
match = "a"
[[keys]]
match = "b"
note = """
rpm = 6
[nowhere]
"""
env = 'X'
[keys.inner]
one = 1
[[keys]]
[media . makes]
"gpt-*" = "image"
'my.own' = "text"
[gateway]
timeouts = { idle = 5,
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("top", 2),
        ("limits", 4),
        ("limits rpm", 5),
        ("limits tpm", 6),
        ("limits deep", 7),
        ("limits deep er", 7),
        ("keys", 9),
        ("keys 0", 9),
        ("keys 0 match", 10),
        ("keys 1", 11),
        ("keys 1 match", 12),
        ("keys 1 rpm", 11),
        ("keys 1 env", 17),
        ("keys 1 inner one", 19),
        ("keys 2", 20),
        ("media", 21),
        ("media makes gpt-*", 22),
        ("media makes my.own", 23),
        ("gateway timeouts idle", 25),
        ("nowhere", 1),
        ("", 1),
    ],
)
def test_a_setting_is_found_on_its_line_or_on_that_of_what_is_around_it(
    path: str, line: int
) -> None:
    assert Lines(TEXT).of(tuple(path.split())) == line


def test_line_breaks_are_those_of_the_standard_alone() -> None:
    text = 'a = "\u2028"\r\nb = 1\r\n'

    assert tomllib.loads(text) == {"a": "\u2028", "b": 1}
    assert Lines(text).of(("b",)) == 2


@given(st.text())
def test_a_text_is_read_back_as_it_was_written(text: str) -> None:
    written = quoted(text)

    assert tomllib.loads(f"a = {written}") == {"a": text}
    assert written.isprintable()
