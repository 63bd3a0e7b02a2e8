"""Nobody takes a package for sound because nobody could be asked.

``python -m tests.compat.audit`` asks about all that the product brings along. Here it is its
judgement that is tried, on what pip-audit may say.
"""

from __future__ import annotations

import json
from importlib.metadata import version

import pytest

from tests.compat.audit import NotAsked, brought_along, judged

PINNED = {"jinja2": "3.1.3", "yarl": "1.0"}


def report(**known: dict[str, object]) -> str:
    """Return what pip-audit writes."""
    told = [{"name": name, "version": "1", **more} for name, more in known.items()]
    return json.dumps({"dependencies": told})


def test_what_is_known_against_a_package_is_told_with_its_name() -> None:
    told = report(Jinja2={"vulns": [{"id": "CVE-1"}]}, yarl={"vulns": []})

    assert judged(told, PINNED) == {"CVE-1": "Jinja2 1"}


def test_packages_against_which_nothing_is_known_are_sound() -> None:
    assert judged(report(jinja2={"vulns": []}, yarl={"vulns": []}), PINNED) == {}


@pytest.mark.parametrize(
    "told",
    [
        "",
        "no JSON",
        report(jinja2={"vulns": []}),
        report(jinja2={"vulns": []}, yarl={"skip_reason": "it was not found"}),
    ],
    ids=["nothing", "nonsense", "one is missing", "one is not known there"],
)
def test_what_nobody_was_asked_about_is_not_sound(told: str) -> None:
    with pytest.raises(NotAsked):
        judged(told, PINNED)


def test_all_that_is_brought_along_is_asked_about() -> None:
    packages = brought_along()

    assert {"aiohttp", "yarl", "multidict", "jinja2", "markupsafe", "orjson"} <= packages.keys()
    assert "pytest" not in packages
    assert packages["yarl"] == version("yarl")
