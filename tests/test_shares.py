"""Each room's share of the settings."""

from __future__ import annotations

import pytest

from batch.gate.settings import GateSettings, KeyLimits, Limits
from batch.settings.tree import KeySetting, RequestSettings, Settings
from batch.settings.tree import Limits as LimitSettings
from batch.shares import gate_settings, likely_keys


def test_the_gate_gets_the_limits_of_the_account_and_of_each_key() -> None:
    settings = Settings(
        output="o",
        limits=LimitSettings(concurrency=9, rpm=600, tpm=7000, rpm_bucket=10, tpm_bucket=50),
        keys=(
            KeySetting(
                match="a-*", env="A", concurrency=2, rpm=60, tpm=700, rpm_bucket=3, tpm_bucket=4
            ),
            KeySetting(match="*", env="B"),
        ),
    )

    assert gate_settings(settings) == GateSettings(
        concurrency=9,
        rpm=600,
        tpm=7000,
        rpm_bucket=10,
        tpm_bucket=50,
        keys=(
            KeyLimits(match="a-*", concurrency=2, rpm=60, tpm=700, rpm_bucket=3, tpm_bucket=4),
            KeyLimits(match="*"),
        ),
    )


def test_of_two_keys_for_one_pattern_the_limits_are_those_of_the_one_that_is_used() -> None:
    keys = (KeySetting(match="a-*", env="MINE"), KeySetting(match="a-*", env="A", rpm=60))

    gate = gate_settings(Settings(output="o", keys=keys))

    assert Limits(rpm=gate.of_key("a-*").rpm) == Limits()


KEYS = ("a-*", "b-*", "b-2", "*")
LIKELY = [
    ("each by the first pattern that fits", {"a-1", "b-2"}, {}, {"a-*", "b-*"}),
    ("the last one for all others", {"c"}, {}, {"*"}),
    ("that of the settings if lines name none", {"", "a-1"}, {"model": "b-1"}, {"a-*", "b-*"}),
    ("that of the settings for lines that name one too", {"a-1"}, {"model": "b-1"}, {"a-*"}),
    ("that which takes the place of all", {"", "a-1"}, {"override_model": "c"}, {"*"}),
    ("that which takes the place of too many", None, {"override_model": "c"}, {"*"}),
    ("all if a line and the settings name none", {"", "a-1"}, {}, {*KEYS}),
    ("all if nobody knows", None, {"model": "b-1"}, {*KEYS}),
    ("none if there is no line", set(), {}, set()),
]  # fmt: skip


@pytest.mark.parametrize(("why", "models", "asked", "keys"), LIKELY, ids=[w for w, *_ in LIKELY])
def test_keys_are_likely_to_get_lines_as_the_lines_name_models(
    why: str, models: set[str] | None, asked: dict[str, str], keys: set[str]
) -> None:
    settings = Settings(output="o", request=RequestSettings(**asked))

    assert likely_keys(KEYS, models, settings) == keys


def test_no_key_is_likely_to_get_lines_of_a_model_that_no_pattern_fits() -> None:
    assert likely_keys(("a-*",), {"b-1"}, Settings(output="o")) == frozenset()
