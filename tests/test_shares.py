"""Each room's share of the settings."""

from __future__ import annotations

from batch.gate.settings import GateSettings, KeyLimits, Limits
from batch.settings import KeySetting, Settings
from batch.settings import Limits as LimitSettings
from batch.shares import gate_settings


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
