"""The house with one promise broken, a row each: proof that the state machine can fail.

Each is a copy of the package with one text replaced, in a folder of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parents[2]
BROKEN: Final = re.compile(r"^(?:\s*\|?\s*)tests\.stateful\.promises\.Broken: (.*)$", re.MULTILINE)


class Mutant(msgspec.Struct, frozen=True):
    """One text of the package, and what it is replaced by."""

    name: str
    file: str
    old: str
    new: str


MUTANTS: Final[Sequence[Mutant]] = (
    Mutant(
        "an answer counts before it is on stable storage",
        "ledger/writer.py",
        """        await self._offload(lambda: self._write(group))
        for log, lines in enumerate(group.lines):
            if lines:
                self._acknowledge(log, lines)
""",
        """        for log, lines in enumerate(group.lines):
            if lines:
                self._acknowledge(log, lines)
        await self._offload(lambda: self._write(group))
""",
    ),
    Mutant(
        "paid work is submitted without an intent",
        "deliver.py",
        """                if call.repeat == "once":
                    await""",
        """                if call.repeat == "never":
                    await""",
    ),
    Mutant(
        "paid work is submitted before its intent is safe",
        "deliver.py",
        'await means.journal.keep(unit.entry("intent", request.part))',
        'means.journal.note(unit.entry("intent", request.part))',
    ),
    Mutant(
        "logs are written and not synced",
        "ledger/log.py",
        """                self.size += len(block)
            self._files.sync(self._fd)
""",
        """                self.size += len(block)
""",
    ),
    Mutant(
        "a torn tail stays where it is",
        "ledger/book.py",
        "if end.keep < log.size:",
        "if end.keep < 0:",
    ),
    Mutant(
        "a paid failure is billed twice",
        "deliver.py",
        """            await self._kept(request.model, billed)
""",
        """            await self._kept(request.model, billed)
            await self._kept(request.model, billed)
""",
    ),
    Mutant(
        "a paid failure is not billed",
        "deliver.py",
        """            await self._kept(request.model, billed)
""",
        "",
    ),
    Mutant(
        "a changed line passes",
        "opening/lines.py",
        "        if refused.count:\n",
        "        if refused.count < 0:\n",
    ),
    Mutant(
        "changed settings pass",
        "opening/settings.py",
        "    if differs and not keep_answers:\n",
        "    if differs and identity is None:\n",
    ),
    Mutant(
        "a doubtful call is repeated for ever",
        "retry.py",
        'Rule("ambiguous", repeats=1)',
        'Rule("ambiguous", repeats=9)',
    ),
    Mutant(
        "paid work is sent again after a failure that proves nothing",
        "retry.py",
        "return once and not failure.precedes_work and not refused",
        "return once and failure.precedes_work and refused",
    ),
    Mutant(
        "the cache is believed whatever the logs are",
        "ledger/recover.py",
        "    return all(\n        (at := cached.positions.get(name)) is not None\n",
        "    return any(\n        (at := cached.positions.get(name)) is not None\n",
    ),
    Mutant(
        "nobody is kept out",
        "ledger/hold.py",
        "lock = files.lock(paths.lock)",
        "lock = files.append(paths.lock)",
    ),
    Mutant(
        "failed lines are asked again by the same command",
        "plan.py",
        "wanted = ordinal in redo if redo is not None else not ended(ordinal)",
        "wanted = ordinal in redo if redo is not None else ordinal not in history.answered",
    ),
    Mutant(
        "a doubtful call is not told of",
        "deliver.py",
        "            unit.maybe_billed += 1\n",
        "            unit.maybe_billed += 0\n",
    ),
    Mutant(
        "half a pack counts",
        "ledger/scan.py",
        """        place, lines = mark.pack or ALONE
        if place""",
        """        place, lines = ALONE
        if place""",
    ),
    Mutant(
        "errors are dropped that still stand",
        "ledger/compact.py",
        "    kept = set(last.values())\n",
        "    kept = set(list(last.values())[1:])\n",
    ),
    Mutant(
        "what was begun of a line that changed is forgotten by the cache alone",
        "opening/run.py",
        "            take_up(files, opened.found, opened.dropped)\n",
        "",
    ),
    Mutant(
        "answers are thrown away by a new run",
        "ledger/hold.py",
        'files.replace(paths.results, f"{paths.results}.{suffix}")',
        "files.remove(paths.results)",
    ),
)


def fits(mutant: Mutant, text: str) -> bool:
    """Return whether there is one place where a mutant can be made."""
    return text.count(mutant.old) == 1


def caught(mutant: Mutant, examples: int) -> str | None:
    """Return which promise was seen broken; None if none was."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "batch", folder / "batch", symlinks=True)
        (folder / "jobs").symlink_to(ROOT / "jobs")
        (folder / "tests").symlink_to(ROOT / "tests")
        path = folder / "batch" / mutant.file
        text = path.read_text()
        assert fits(mutant, text), f"{mutant.file} has not this text once: {mutant.old}"
        path.write_text(text.replace(mutant.old, mutant.new))
        done = subprocess.run(
            [sys.executable, "-m", "tests.stateful", "--quick", "--examples", str(examples)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
    if not done.returncode:
        return None
    found = BROKEN.search(done.stderr)
    return found[1] if found else done.stderr.strip().splitlines()[-1]
