"""What people read when lines cannot be sent: what, why, what to do, and how many wait."""

from __future__ import annotations

import msgspec
import pytest

from batch.gate.breakers import Breaker
from batch.session.advice import closures, counted, paragraphs

URL = "http://gateway.example/v1"
REFUSED = "the gateway refuses this key (HTTP 401): this token is not valid"
UNKNOWN = "this key may not call this model, or there is no such model (HTTP 503): no channel"


def told(*records: Breaker, pending: int | None = None) -> str:
    lines = sum(one.lines for one in records)
    found = paragraphs(closures(records), lines if pending is None else pending, URL)
    return "\n\n".join("\n".join(paragraph) for paragraph in found)


def of_model(model: str, *answered: str, key: str = "K", lines: int = 1) -> Breaker:
    return Breaker(
        "model",
        model,
        key,
        f"environment variable {key}",
        "model_not_found",
        UNKNOWN,
        frozenset(answered),
        lines,
    )


def of(code: str, message: str, scope: str = "key", **more: object) -> Breaker:
    return Breaker(
        scope=scope,  # type: ignore[arg-type]
        model="m",
        key="K",
        place="environment variable K",
        code=code,
        message=message,
        lines=500,
        **more,  # type: ignore[arg-type]
    )


def test_a_refused_key_is_told_with_the_place_it_came_from() -> None:
    assert told(of("bad_key", REFUSED)) == (
        "key 'K': the gateway refuses this key (HTTP 401): this token is not valid\n"
        "500 lines wait for it. Put a valid key into environment variable K, and run the same "
        "command again."
    )


def test_a_model_that_a_key_may_not_call_is_told_with_the_settings_to_add() -> None:
    assert told(of_model("claude-opus-4", lines=12)) == (
        "key 'K', model 'claude-opus-4': this key may not call this model, or there is no such "
        "model (HTTP 503): no channel\n"
        "12 lines wait for it. wbatch models lists what each key may call. If another key may, "
        "name it with --key 'claude-*=env:NAME'\n"
        "or in ~/.config/wbatch/config.toml, before other [[keys]] (NAME: the variable it is in):\n"
        "[[keys]]\n"
        'match = "claude-*"\n'
        'env = "NAME"'
    )


@pytest.mark.parametrize("code", ["untrusted_certificate", "proxy_refuses"])
def test_a_barred_way_is_told_once_for_all_keys(code: str) -> None:
    first = of(code, "the proxy p.example:1 (HTTPS_PROXY) wants a user and a password. ")
    other = msgspec.structs.replace(first, key="OTHER")

    assert told(first, other) == (
        "the proxy p.example:1 (HTTPS_PROXY) wants a user and a password\n"
        "1,000 lines wait for it. When that is mended, run the same command again."
    )
    assert [one.document()["key"] for one in closures([first, other])] == [None]


def test_an_empty_account_is_told_to_be_filled() -> None:
    said = told(of("no_money", "the account is empty (HTTP 403)", scope="account"))

    assert said.startswith("key 'K': the account is empty (HTTP 403)\n500 lines wait")
    assert said.endswith("Put money into the account, and run the same command again.")


def test_a_wrong_address_is_told_with_the_address() -> None:
    said = told(of("wrong_base_url", "this is not the gateway's API (HTTP 404)"))

    assert said.startswith(f"{URL}: this is not the gateway's API (HTTP 404)\n500 lines wait")
    assert "--base-url or OPENAI_BASE_URL" in said


def test_an_account_upstream_is_told_to_be_nobody_elses_business_here() -> None:
    assert "Only who runs the gateway" in told(of("upstream_account", "empty", scope="model"))


def test_models_without_a_key_are_told_once_with_a_line_for_each_family() -> None:
    names = ["claude-a", "claude-b", "gemini-1", "o3"]

    said = told(*(Breaker("missing", name, lines=2) for name in names))

    assert said.startswith("no key is for 4 models (claude-a, claude-b, gemini-1, o3)\n8 lines")
    assert "--key 'claude-*=env:NAME' --key 'gemini-*=env:NAME' --key o3=env:NAME" in said
    assert said.count("[[keys]]\n") == 3


def test_twenty_models_of_one_key_are_one_paragraph() -> None:
    said = told(*(of_model(f"claude-{n}") for n in range(20)))

    assert said.startswith(
        "key 'K', 20 models (claude-0, claude-1, claude-2, claude-3 and 16 more)"
    )
    assert said.count("\n") == 5
    assert "20 lines wait" in said


def test_two_keys_are_two_paragraphs() -> None:
    assert told(of_model("a-1", key="A"), of_model("a-1", key="B")).count("\n\n") == 1


@pytest.mark.parametrize(
    ("model", "answered", "pattern"),
    [
        ("gpt-4o-mini", (), "gpt-*"),
        ("mj_imagine", (), "mj_*"),
        ("BAAI/bge-m3", (), "BAAI/*"),
        ("o3", (), "o3"),
        ("odd[1]", (), "odd[[]*"),
        ("gpt-5", ("gpt-4o",), "gpt-5"),  # the key serves the family, and is to go on with it
        ("gpt-5", ("claude-1",), "gpt-*"),
    ],
)
def test_a_pattern_is_proposed_that_leaves_alone_what_works(
    model: str, answered: tuple[str, ...], pattern: str
) -> None:
    assert f'match = "{pattern}"' in told(of_model(model, *answered))


@pytest.mark.parametrize(
    ("lines", "pending", "said"),
    [
        (1, 1, "1 line waits for it."),
        (1200, 1200, "1,200 lines wait for it."),
        (8, 500, "at least 8 of 500 lines wait for it."),
    ],
)
def test_what_was_not_read_yet_is_not_pretended_to_be_known(
    lines: int, pending: int, said: str
) -> None:
    assert said in told(of_model("m", lines=lines), pending=pending)


def test_what_works_again_is_told_with_the_lines_that_were_turned_away() -> None:
    record = of("upstream_account", "its account is empty", scope="model", mended=True)

    assert told(record) == (
        "key 'K', model 'm' was not used for a while: its account is empty\n"
        "It answers again. 500 lines wait for it. To ask the rest: run the same command again."
    )


def test_names_that_others_chose_stay_on_one_line_and_short() -> None:
    said = told(of_model("evil\n\x1b[31m" + "x" * 300))

    assert "\x1b" not in said
    assert max(len(line) for line in said.split("\n")[:1]) < 250


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 lines"), (1, "1 line"), (2, "2 lines"), (1_000, "1,000 lines")]
)
def test_one_is_not_many(count: int, said: str) -> None:
    assert counted(count, "line") == said
