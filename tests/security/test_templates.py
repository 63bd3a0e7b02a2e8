"""A template reaches nothing but its row, and asks the same at every time.

How long it takes and how much it writes nobody bounds: docs/security.md says so.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from batch.errors import BadBody, BadConfig
from batch.template import Text

CANARY = "template-canary-0123456789"
ROW = {"text": "abc", "tags": ["b", "a"], "n": 3, "parts": {"x": "X"}}

ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ text['__class__'] }}",
    "{{ text | attr('__class__') }}",
    "{{ text | attr('_' ~ '_class__') }}",
    "{{ '{0.__class__}'['format'](text) }}",
    "{{ '{0.__class__.__base__}'.format(text) }}",
    "{{ '{x.__class__}'.format_map({'x': text}) }}",
    "{{ ('{0.__globals__}' | format(range)) ~ range.__globals__ }}",
    "{{ range.__globals__ }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context.environment }}",
    "{{ cycler.__init__.__globals__.os.environ }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__.os }}",
    "{{ dict.__base__.__subclasses__() }}",
    "{{ config }}", "{{ request }}", "{{ environ }}", "{{ os.environ }}", "{{ open('a') }}",
    "{{ __import__('os') }}", "{{ __builtins__ }}", "{{ lipsum.__globals__ }}",
    "{% include '/etc/passwd' %}", "{% extends '/etc/passwd' %}",
    "{% import '/etc/passwd' as a %}{{ a }}", "{% from 'os' import environ %}{{ environ }}",
    "{% macro m() %}{{ m.__globals__ }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ caller.__code__ }}{% endmacro %}{% call m() %}{% endcall %}",
    "{% for x in [1] %}{{ loop.__class__ }}{% endfor %}",
    "{% set x = namespace() %}{% set x.__class__ = 1 %}{{ x }}",
    "{{ (range(3) | map(attribute='__class__') | list)[0] }}",
    "{{ [text] | map(attribute='__class__') | join }}",
    "{{ [text] | map('attr', '__class__') | join }}",
    "{{ [text] | groupby('__class__') }}",
    "{{ [text] | sort(attribute='__class__.__base__') }}",
    "{{ tags.append('c') }}{{ tags }}", "{{ row.update({'text': 'x'}) }}", "{{ row.clear() }}",
    "{{ tags.__init__ }}", "{{ (1).__class__ }}", "{{ true.__class__ }}", "{{ none.__class__ }}",
    "{% for k in (none).gi_frame %}{% endfor %}",
    "{{ (tags | map('upper')).gi_frame.f_builtins }}",
    "{{ (tags | map('upper')).gi_code }}",
]  # fmt: skip


@pytest.mark.parametrize("text", ESCAPES)
def test_no_template_reaches_python_the_system_or_another_row(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", CANARY)
    row = {**ROW, "tags": list(ROW["tags"])}  # type: ignore[call-overload]

    with pytest.raises((BadBody, BadConfig)) as refused:
        Text("p.txt", text).render(row)

    assert CANARY not in str(refused.value)
    assert "root:" not in str(refused.value)
    assert row == ROW


VAST = [
    "{{ range(10 ** 9) | list | length }}",
    "{% for x in range(100001) %}{% endfor %}",
    "{{ 'a' * 10 ** 17 }}",
    "{{ ('a' * n ** 40) | length }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}",
    "{{ " + "[" * 900 + "]" * 900 + " }}",
    "{% if 1 %}" * 2000 + "{% endif %}" * 2000,
]


@pytest.mark.parametrize("text", VAST, ids=lambda text: text[:30])
def test_what_no_machine_can_do_is_a_fault_of_the_template(text: str) -> None:
    with pytest.raises((BadBody, BadConfig), match=r"^p\.txt"):
        Text("p.txt", text).render(ROW)


UNMADE = [
    ("what a filter makes of each", "{{ tags | map('upper') }}", "add | list"),
    ("the rows that a filter chooses", "{{ tags | select('eq', 'a') }}", "add | list"),
    ("a range", "{{ range(3) }}", "add | list"),
    ("the name of a function", "{{ text.upper }}", "add its ()"),
    ("something of the templates' own", "{{ joiner }}", "add its ()"),
    ("a thing with a name of its own", "{{ namespace(a=1) }}", "writes no text"),
    ("within a list", "{{ [tags | map('upper')] }}", "p.txt"),
]


@pytest.mark.parametrize(
    ("text", "why"), [row[1:] for row in UNMADE], ids=[row[0] for row in UNMADE]
)
def test_what_python_would_write_as_a_place_in_its_memory_is_a_fault(text: str, why: str) -> None:
    with pytest.raises(BadBody, match=r"p\.txt") as fault:
        Text("p.txt", text).render(ROW)

    assert why in str(fault.value)
    assert " at 0x" not in str(fault.value)


SAME = """
{{ row }} {{ tags | unique | list }} {{ parts.items() | list }} {{ dict(b=1, a=2) }}
{% for group, members in tags | groupby('0') %}{{ group }}{{ members | list }}{% endfor %}
{{ (1, 'a') }} {{ 0.1 + 0.2 }} {{ tags | sort | join(',') }} {{ cycler('x', 'y').next() }}
"""
RENDER = (
    "import sys; from batch.template import Text;"
    "sys.stdout.write(Text('p', sys.argv[1]).render(eval(sys.argv[2])))"
)


def test_every_process_asks_the_same_of_a_row() -> None:
    command = [sys.executable, "-c", RENDER, SAME, repr(ROW)]
    root = str(Path(__file__).parents[2])

    said = {
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            timeout=60,
            env={**os.environ, "PYTHONPATH": root, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }

    assert said == {Text("p", SAME).render(ROW).encode()}
