from __future__ import annotations

import pytest

from batch.errors import BadUsage
from batch.mock.dials import Dials
from batch.mock.faults import FAULTS, NAMES, Faults, parse_faults


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("429=5%,500=1%,reset=0.5%", {"fail_429": 0.05, "fail_500": 0.01, "reset": 0.005}),
        (" 502-html = 0.25 , cut=100% ", {"fail_502_html": 0.25, "cut": 1.0}),
        ("429-hint=1%,slow-bytes=0", {"fail_429_hint": 0.01, "slow_bytes": 0.0}),
        ("", {}),
    ],
)
def test_faults_are_read_as_people_write_them(text: str, values: dict[str, float]) -> None:
    assert parse_faults(text) == pytest.approx(values)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("418=1%", "429, 429-hint, 500"),
        ("429", "no probability"),
        ("429=five", "no probability"),
        ("429=120%", "no probability"),
        ("429=-1%", "no probability"),
        ("429=nan", "no probability"),
    ],
)
def test_a_wrong_fault_is_refused_with_what_would_be_right(text: str, said: str) -> None:
    with pytest.raises(BadUsage, match=said):
        parse_faults(text)


def test_every_fault_is_a_dial_and_has_a_name() -> None:
    assert set(FAULTS) <= set(Dials.__struct_fields__)
    assert set(NAMES.values()) == set(FAULTS)


def test_each_fault_comes_about_as_often_as_its_dial_says() -> None:
    faults = Faults(Dials(fail_429=0.1, cut=0.02))

    fates = [faults.fate(str(n), 1).fault for n in range(10_000)]

    assert 900 < fates.count("fail_429") < 1100
    assert 150 < fates.count("cut") < 250
    assert set(fates) == {None, "fail_429", "cut"}


def test_a_latency_lies_within_its_jitter_around_its_mean() -> None:
    faults = Faults(Dials(latency_ms=200, latency_jitter=0.5))

    latencies = [faults.fate(str(n), 1).latency for n in range(2000)]

    assert 0.1 <= min(latencies) < 0.105
    assert 0.295 < max(latencies) < 0.3
    assert sum(latencies) / len(latencies) == pytest.approx(0.2, rel=0.03)


@pytest.mark.parametrize(
    "dials",
    [
        Dials(fail_429=0.6, fail_500=0.6),
        Dials(cut=-0.1),
        Dials(latency_ms=-1),
        Dials(latency_jitter=2),
    ],
)
def test_impossible_dials_are_refused(dials: Dials) -> None:
    with pytest.raises(BadUsage):
        Faults(dials)
