"""What ``wbatch models`` says of keys and models, and the settings of keys that it writes."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.catalogue import Catalogue, KeyReport
from batch.cli import answer
from batch.cli.caller import Caller
from batch.cli.models import configuration
from batch.errors import BadKey, CallFailed, NotAnAnswer, Refused, Unreachable, WrongUrl
from batch.settings.config import USER, read_file
from batch.settings.tree import KeySetting, UserSettings, build
from batch.wire.models import Listed
from tests.cli.fake_engine import FakeEngine


def report(
    key: str, *models: str, formats: tuple[str, ...] | None = ("chat",), **more: Any
) -> KeyReport:
    listed = tuple(Listed(model, formats) for model in models)
    return KeyReport(key, f"environment variable {key}", listed, **more)


def said(
    catalogue: Catalogue, capsys: pytest.CaptureFixture[str], *flags: str
) -> tuple[int, str, str]:
    """Return the exit code, and what stands on the two streams."""
    engine = FakeEngine()
    engine.catalogue = catalogue
    code = answer(["models", *flags], Caller(engine, {"XDG_CONFIG_HOME": "/nowhere"}))
    return code, *capsys.readouterr()


TWO = Catalogue(
    "https://g",
    (("claude-*", "B"), ("gpt-5", "B"), ("gpt-*", "A")),
    (
        report("B", "claude-x", formats=("messages", "chat")),
        report("A", "tts-1", "gpt-5", "claude-x", "gpt-4o"),
    ),
)


def test_each_key_has_its_models_with_their_formats_and_where_they_really_go(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = said(TWO, capsys)

    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "B, for claude-*, gpt-5: 1 model",
        "  claude-x  messages, chat",
        "A, for gpt-*: 4 models",
        "  claude-x  chat                      → B",
        "  gpt-4o    chat",
        "  gpt-5     chat                      → B, which may not call it",
        "  tts-1     chat                      → no key",
    ]


@pytest.mark.parametrize(("formats", "shown"), [(None, "not said"), ((), "none of ours")])
def test_a_model_whose_formats_are_not_known_says_so(
    formats: tuple[str, ...] | None, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue = Catalogue("https://g", (("*", "A"),), (report("A", "m", formats=formats),))

    assert f"  m  {shown}\n" in said(catalogue, capsys)[1]


@pytest.mark.parametrize(
    ("failures", "code"),
    [
        ([BadKey("no")], 77),
        ([WrongUrl("no")], 77),
        ([Refused("no")], 77),
        ([Unreachable("no")], 69),
        ([NotAnAnswer("no")], 69),
        ([Unreachable("no"), BadKey("no")], 77),
        ([None, None], 0),
        ([None, Unreachable("no")], 69),
    ],
)
def test_the_exit_code_says_what_kept_a_list_back(
    failures: list[CallFailed | None], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = tuple(report(f"K{n}", failure=one) for n, one in enumerate(failures))

    assert said(Catalogue("https://g", (), reports), capsys)[0] == code


def test_a_key_without_a_list_is_complained_of_and_the_others_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    catalogue = Catalogue(
        "https://g",
        (("a*", "A"), ("b*", "B"), ("*", "C")),
        (
            report("A", "a1", "b1"),
            report("B", failure=BadKey("refused.")),
            report("C", failure=Unreachable("no connection")),
            report("D", failure=Unreachable("no connection")),
        ),
    )

    _, out, err = said(catalogue, capsys)

    assert err.splitlines() == [
        "error: key B: refused. Put a valid one into environment variable B",
        "error: keys C, D: no connection",
    ]
    # Of a key without a list nobody knows what it may not call.
    assert "  b1  chat                      → B\n" in out
    assert "B, for b*: no list\n" in out


def test_json_is_the_one_object_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    reports = (*TWO.reports, report("C", failure=BadKey("no")))
    catalogue = Catalogue(TWO.base_url, TWO.order, reports)

    code, out, _ = said(catalogue, capsys, "--json")

    document = json.loads(out)
    assert (document["object"], document["exit_code"], code) == ("models", 77, 77)
    assert document["keys"][0] == {
        "key": "B",
        "match": ["claude-*", "gpt-5"],
        "error": None,
        "models": [{"model": "claude-x", "formats": ["messages", "chat"], "key": "B"}],
    }
    assert [one["key"] for one in document["keys"][1]["models"]] == [None, "B", "B", "A"]
    assert document["keys"][2]["error"] == {"class": "bad_key", "message": "no"}


def test_nothing_that_a_gateway_says_commands_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    evil = "m\x1b[2J\n\u202e"
    catalogue = Catalogue(
        "https://g",
        (("*", "A"),),
        (report("A", evil), report("B", failure=NotAnAnswer(evil)), report("C", "b-1")),
    )

    table = said(catalogue, capsys)
    toml = said(catalogue, capsys, "--suggest-keys", "A,B,C")

    for stream in (*table[1:], *toml[1:]):
        assert stream
        assert all(line.isprintable() for line in stream.split("\n"))


def test_suggestions_are_settings_and_the_rest_is_said_beside_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    catalogue = Catalogue(
        "https://g",
        (("*", "A"), ("*", "B"), ("*", "key"), ("*", "C"), ("*", "D")),
        (
            report("A", "gpt-4o", "gpt-5"),
            report("B", "claude-x", "claude-y"),
            report("key", "gemini-x"),
            report("C", "gpt-5"),
            report("D"),
        ),
    )

    code, out, err = said(catalogue, capsys, "--suggest-keys", "A,env:B, file:~/a/key,C,D,A")

    assert code == 0
    assert out == (
        '[[keys]]\nmatch = "claude-*"\nenv = "B"\n\n'
        '[[keys]]\nmatch = "gemini-*"\nfile = "~/a/key"\n\n'
        '[[keys]]\nmatch = "*"\nenv = "A"\n'
    )
    assert err.splitlines() == [
        "key C is not needed: others may call all that it may",
        "key D is not needed: it may call no model",
        "put these lines into /nowhere/wbatch/config.toml, in the place of the [[keys]] there:",
    ]
    document = json.loads(
        said(catalogue, capsys, "--suggest-keys", "A,B,file:~/a/key", "--json")[1]
    )
    assert document["suggested"] == [
        {"match": "claude-*", "env": "B"},
        {"match": "gemini-*", "file": "~/a/key"},
        {"match": "*", "env": "A"},
    ]
    assert document["keys"][1]["models"][0]["key"] == "B"


def test_the_places_that_are_asked_are_those_that_were_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    engine = FakeEngine()
    engine.catalogue = Catalogue("https://g", (), ())

    answer(["models", "--suggest-keys", "A,file:b", "--key", "*=env:C"], Caller(engine, {}))

    [(_, settings, places)] = engine.calls
    assert settings.keys == (KeySetting(match="*", env="C"),)
    assert places == (
        KeySetting(match="*", env="A"),
        KeySetting(match="*", file=str(Path("b").absolute())),
    )


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("sk-0123456789abcdef", "looks like a key itself"),
        ("A,file:sk-0123456789abcdef", "looks like a key itself"),
        ("A B", "letters, digits and _"),
        (" , ", "names no variable"),
        ("", "names no variable"),
    ],
)
def test_what_names_no_place_of_a_key_is_refused(
    value: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = FakeEngine()
    engine.catalogue = Catalogue("https://g", (), ())

    code = answer(["models", "--suggest-keys", value], Caller(engine, {}))

    err = capsys.readouterr().err
    assert (code, engine.calls) == (2, [])
    assert says in err
    assert "0123456789" not in err


names = st.one_of(
    st.text(min_size=1, max_size=8),
    st.sampled_from(
        ["sk-model", "0a" * 20, "Bearer x", "eyJabc", 'a"b', "a\\b", "[x]-1", "*", "?"]
    ),
)


@given(st.lists(st.sets(names, max_size=6), min_size=1, max_size=3))
def test_what_is_written_is_read_back_and_sends_each_model_to_a_key_that_may_call_it(
    tmp_path_factory: pytest.TempPathFactory, grants: list[set[str]]
) -> None:
    keys = [f"K{number}" for number in range(len(grants))]
    places = [KeySetting(match="*", env=key) for key in keys]
    reports = [report(key, *sorted(may)) for key, may in zip(keys, grants, strict=True)]
    path = tmp_path_factory.mktemp("config") / "config.toml"

    text = configuration(Catalogue("https://g", (), tuple(reports)).rearranged(), places)
    path.write_text(text, encoding="utf-8")
    settings = build(read_file(str(path), USER, required=True), UserSettings)

    for model in set().union(*grants):
        first = next(key for key in settings.keys if fnmatchcase(model, key.match))
        assert model in grants[keys.index(first.env or "")]
