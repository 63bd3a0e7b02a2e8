"""Asks pip-audit whether a package that the product brings along is known to be weak.

``python -m tests.compat.audit`` ends with 0 if nothing is known, 1 if something is, and 2 if nobody
could be asked: then nothing is known, and that is no pass.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PATIENCE = 300  # seconds
PRODUCT = "wenwen-batch"
WEAK, NOT_ASKED = 1, 2


class NotAsked(Exception):
    """Nobody could be asked about at least one package."""


def brought_along() -> dict[str, str]:
    """Return the packages that an install of the product brings along, and their versions here."""
    found: dict[str, str] = {}
    ahead = [Requirement(PRODUCT)]
    while ahead:
        wanted = ahead.pop()
        name = canonicalize_name(wanted.name)
        if name in found:
            continue
        here = distribution(wanted.name)
        found[name] = here.version
        needs = [Requirement(one) for one in here.requires or ()]
        ahead += [one for one in needs if one.marker is None or one.marker.evaluate({"extra": ""})]
    del found[PRODUCT]
    return found


def judged(report: str, packages: Mapping[str, str]) -> dict[str, str]:
    """Return what is known against packages, and of which it is. Raises ``NotAsked``."""
    try:
        told = json.loads(report)["dependencies"]
    except ValueError:
        raise NotAsked("pip-audit gave no report") from None
    answered = {canonicalize_name(one["name"]) for one in told if "vulns" in one}
    if unknown := packages.keys() - answered:
        raise NotAsked(f"nothing is known there of {', '.join(sorted(unknown))}")
    return {
        weak["id"]: f"{one['name']} {one['version']}"
        for one in told
        for weak in one.get("vulns", ())
    }


def ask(packages: Mapping[str, str]) -> dict[str, str]:
    """Ask about packages. Raises ``NotAsked``."""
    with tempfile.TemporaryDirectory() as folder:
        pins, report = Path(folder) / "pins.txt", Path(folder) / "report.json"
        pins.write_text("".join(f"{name}=={version}\n" for name, version in packages.items()))
        command = [
            *(sys.executable, "-m", "pip_audit", "--requirement", str(pins)),
            *("--no-deps", "--disable-pip", "--progress-spinner", "off"),
            *("--format", "json", "--output", str(report)),
        ]
        said = subprocess.run(
            command, check=False, timeout=PATIENCE, capture_output=True, text=True
        )
        if not report.exists():
            raise NotAsked(f"pip-audit gave no report: {said.stderr.strip()}")
        return judged(report.read_text(), packages)


def main() -> int:
    """Ask, and say what is known."""
    packages = brought_along()
    try:
        found = ask(packages)
    except (NotAsked, subprocess.TimeoutExpired) as why:
        print(f"nobody could be asked, so that nothing is known: {why}", file=sys.stderr)
        return NOT_ASKED
    for weakness, package in found.items():
        print(f"{package}: {weakness}")
    print(f"{len(packages)} packages, {len(found)} known weaknesses")
    return WEAK if found else 0


if __name__ == "__main__":
    sys.exit(main())
