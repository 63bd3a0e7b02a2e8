"""Protocols that were altered: whether the crashed stories find out that a rule is broken.

Each row edits the source of one file in a copy of the package. What is harmful must be caught;
what survives has its reason here, and must go on surviving, or the reason is no longer true.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
# What is looked at before a mutant counts as surviving: stories in which much happens.
SEEDS, IMAGES = (3, 9, 0, 1, 31), 1_000
CAUGHT, SURVIVED = 1, 0  # exit codes


class Mutant(NamedTuple):
    """One rule that is broken by an edit."""

    name: str
    file: str  # in batch/
    old: str  # stands there exactly once
    new: str
    survives: str = ""  # why it does no harm; "": it is harmful


class Outcome(NamedTuple):
    """What became of a mutant."""

    caught: bool
    said: str  # the promise that was broken first


def tried(mutant: Mutant, folder: Path) -> Outcome:
    """Explore with an altered package, in a process of its own. Raises if that cannot be done."""
    alter(mutant, folder)
    house = str(folder / "batch")
    flags = ["--pick", *map(str, SEEDS), f"--images={IMAGES}", "--workers=1", f"--house={house}"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash", *flags],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
            "PYTHONHASHSEED": "0",  # as it was the last time
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode not in (CAUGHT, SURVIVED) or "Traceback" in done.stderr:
        raise AssertionError(f"{mutant.name}: neither caught nor survived:\n{done.stderr}")
    return Outcome(done.returncode == CAUGHT, done.stdout.strip().splitlines()[-1])


def alter(mutant: Mutant, folder: Path) -> None:
    """Put a copy of the package into a folder, and break the rule there."""
    ignored = shutil.ignore_patterns("jobs")  # a link, and data
    shutil.copytree(ROOT / "batch", folder / "batch", ignore=ignored)
    path = folder / "batch" / mutant.file
    source = path.read_text()
    if source.count(mutant.old) != 1:
        times = source.count(mutant.old)
        raise AssertionError(f"{mutant.name}: what it alters stands {times} times in {mutant.file}")
    path.write_text(source.replace(mutant.old, mutant.new))


WRITER, BOOK, LOG = "ledger/writer.py", "ledger/book.py", "ledger/log.py"
SCAN, RECOVER, COMPACT = "ledger/scan.py", "ledger/recover.py", "ledger/compact.py"
HOLD = "ledger/hold.py"

HARMFUL: Final = (
    Mutant(
        "records are told to be safe before they are written",
        WRITER,
        """\
        await self._offload(lambda: self._write(group))
        for log, lines in enumerate(group.lines):
            if lines:
                self._acknowledge(log, lines)
""",
        """\
        for log, lines in enumerate(group.lines):
            if lines:
                self._acknowledge(log, lines)
        await self._offload(lambda: self._write(group))
""",
    ),
    Mutant(
        "a group is written and not synced",
        LOG,
        """\
                self.size += len(block)
            self._files.sync(self._fd)
""",
        """\
                self.size += len(block)
""",
    ),
    Mutant(
        "the names in the run's folder are not synced",
        BOOK,
        "        self._files.sync_folder(self._paths.folder)\n",
        "",
    ),
    Mutant(
        "the name of the results is not synced",
        BOOK,
        "        self._files.sync_folder(self._paths.parent)\n",
        "",
    ),
    Mutant(
        "a torn tail is left where it is",
        BOOK,
        "                if end.keep < log.size:\n",
        "                if end.keep < 0:\n",
    ),
    Mutant(
        "what is found is not synced, where a tail is cut",
        LOG,
        "        self.size = length\n        self.sync()\n",
        "        self.size = self.synced = length\n",
    ),
    Mutant(
        "what is found is not synced, where no tail is cut",
        BOOK,
        "                    log.sync()\n",
        "                    pass\n",
    ),
    Mutant(
        "the checkpoint is saved before the group that it tells of",
        WRITER,
        """\
        await self._offload(lambda: self._write(group))
        for log, lines in enumerate(group.lines):
            if lines:
                self._acknowledge(log, lines)
""",
        """\
        for log, lines in enumerate(group.lines):
            if lines:
                self._acknowledge(log, lines)
        if self.after_commit is not None:
            await self.after_commit()
        await self._offload(lambda: self._write(group))
""",
    ),
    Mutant(
        "the checkpoint leaves out the group up to whose end it says to have read",
        WRITER,
        """\
        await self._offload(lambda: self._write(group))
        for log, lines in enumerate(group.lines):
""",
        """\
        await self._offload(lambda: self._write(group))
        if self.after_commit is not None:
            await self.after_commit()
        for log, lines in enumerate(group.lines):
""",
    ),
    Mutant(
        "the checkpoint is believed whatever became of the logs",
        RECOVER,
        """\
        and at.identity == files.identity(path)
        and _goes_on(_tail(files, path, at.offset), at)
""",
        "",
    ),
    Mutant(
        "the checkpoint is believed without its checksum",
        "checkpoint.py",
        "        if data is None or data[:CHECKSUM] != _checksum(data[CHECKSUM:]):\n",
        "        if data is None:\n",
    ),
    Mutant(
        "an acknowledged entry is counted twice",
        BOOK,
        "                self.history.note_entry(entry)\n",
        "                self.history.note_entry(entry)\n" * 2,
    ),
    Mutant(
        "a line without its line break counts",
        SCAN,
        "        yield Stretch(offset, [rest], holed=True, whole=False)\n",
        '        yield Stretch(offset, [rest + b"\\n"], holed=True)\n',
    ),
    Mutant(
        "half a pack counts",
        SCAN,
        "        if held == lines:\n",
        "        if held:\n",
    ),
    Mutant(
        "the errors are compacted without a sync",
        COMPACT,
        "        files.sync(fd)\n",
        "",
    ),
    Mutant(
        "what is there is removed before another file takes its place",
        "files.py",
        "        files.replace(temporary, path)\n",
        "        files.remove(path)\n        files.replace(temporary, path)\n",
    ),
    Mutant(
        "the journal's header is not synced",
        BOOK,
        """\
            self._logs[JOURNAL].write([encode_entry(Entry(kind="header", run=run))])
""",
        """\
            journal, header = self._logs[JOURNAL], encode_entry(Entry(kind="header", run=run))
            write_all(self._files, journal._fd, header)
            journal.size += len(header)
""",
    ),
    Mutant(
        "paid work is sent without an intent",
        "deliver.py",
        '                if call.repeat == "once":\n                    await',
        '                if call.repeat == "never":\n                    await',
    ),
    Mutant(
        "what a line was told before it failed is forgotten",
        "ledger/state.py",
        "if n < parts or one[1] > attempts",
        "if one[1] > attempts",
    ),
    Mutant(
        "paid work is sent before its intent is safe",
        "deliver.py",
        'await means.journal.keep(unit.entry("intent", request.part))',
        'means.journal.note(unit.entry("intent", request.part))',
    ),
    Mutant(
        "a request is sent before it is on record that it is at risk",
        "gate/purse.py",
        "            await self._word.keep(said)\n",
        '            __import__("asyncio").ensure_future(self._word.keep(said))\n',
    ),
    Mutant(
        "a session that ends in order says nothing of what faults left in the dark",
        "gate/purse.py",
        "            await self._word.keep(self.at_risk)\n",
        "            await self._word.keep(ZERO)\n",
    ),
    Mutant(
        "what a task may cost is left to whoever goes on with it",
        "deliver.py",
        "                means.purse.lost(unit.spent())\n            unit.let_go()\n",
        """\
                left = means.purse.at_risk * 0 if unit.state is not None else None
                means.purse._settle(unit.spent(), left)
            unit.let_go()
""",
    ),
    Mutant(
        "what a task was owed is taken off as soon as it goes on",
        "gate/purse.py",
        "            return self.budget.take_over(told, owed)\n",
        "            self._word.settle(owed)\n"
        "            return self.budget.take_over(told, owed)\n",
    ),
    Mutant(
        "what a task was owed is taken off where nobody knows its cost",
        "gate/purse.py",
        '        """Give up on a call: of one that has left nobody will know what it cost."""\n',
        "        if kept.earlier:\n            self._word.settle(kept.owed)\n",
    ),
    Mutant(
        "what a task was owed stays on record beside what it did cost",
        "gate/purse.py",
        "            self._word.settle(owed)\n",
        "            pass\n",
    ),
    Mutant(
        "more is taken off a session's word than its task was owed",
        "ledger/reserves.py",
        "        self._earlier[owed.at] = left, currency\n",
        "        self._earlier[owed.at] = str(Decimal(left) - 1), currency\n",
    ),
    Mutant(
        "an intent that an earlier session left is passed over",
        "deliver.py",
        "(begun.state is None and not begun.intent)",
        "begun.state is None",
    ),
    Mutant(
        "a task's name is put on record after the wait",
        "deliver.py",
        "        if step.state != unit.state:  # a poll that brought no news needs no new entry\n",
        "        await means.sleep(step.seconds)\n        if step.state != unit.state:\n",
    ),
    Mutant(
        "what a failed attempt cost is put on record some time later",
        "deliver.py",
        "await self._kept(request.model, billed)",
        "asyncio.get_running_loop().call_later(3, journal.note, billed)",
    ),
    Mutant(
        "what an answer cost is put into the journal too",
        "deliver.py",
        "in rejected_usage(verdict, last, asked):\n",
        'in (*rejected_usage(verdict, last, asked), ("answered", last.usage)):\n',
    ),
    Mutant(
        "a part that is on record is put there again",
        "deliver.py",
        "                if len(answers) > len(on_record):\n",
        "                if answers:\n",
    ),
    Mutant(
        "answers are put aside before their journal",
        HOLD,
        """\
        if begun:
            files.replace(paths.folder, f"{paths.folder}.{suffix}")
        # Else a power loss may take back this one alone, be it of a command that was killed here.
        files.sync_folder(paths.parent)
        if files.identity(paths.results):
            files.replace(paths.results, f"{paths.results}.{suffix}")
""",
        """\
        if files.identity(paths.results):
            files.replace(paths.results, f"{paths.results}.{suffix}")
        if begun:
            files.replace(paths.folder, f"{paths.folder}.{suffix}")
""",
    ),
    Mutant(
        "a journal is put aside, and its answers before that is safe",
        HOLD,
        "        files.sync_folder(paths.parent)\n        if files.identity(paths.results):\n",
        "        if files.identity(paths.results):\n",
    ),
    Mutant(
        "the names of what was put aside are not synced",
        HOLD,
        "        files.sync_folder(paths.parent)\n    except",
        "    except",
    ),
    Mutant(
        "the answers of an older run are removed",
        HOLD,
        '            files.replace(paths.results, f"{paths.results}.{suffix}")\n',
        "            files.remove(paths.results)\n",
    ),
    Mutant(
        "a file is named before it is synced",
        "media.py",
        "        self._files.sync(self._fd)\n",
        "",
    ),
    Mutant(
        "the name of a file is not synced",
        "media.py",
        "        self._files.sync_folder(self._folder)\n",
        "",
    ),
    Mutant(
        "a summary is put in place before it is synced",
        "files.py",
        "        write_all(files, fd, data)\n        files.sync(fd)\n",
        "        write_all(files, fd, data)\n",
    ),
    Mutant(
        "a day has its place before its summary says so",
        "nightly/shelf.py",
        """\
            publish_object(files, before.manifest, told)
            files.replace(partition.partial, partition.folder)
""",
        """\
            files.replace(partition.partial, partition.folder)
            publish_object(files, after.manifest, told)
""",
    ),
    Mutant(
        "a day's new place is not synced",
        "nightly/shelf.py",
        "            files.sync_folder(partition.parent)\n",
        "",
    ),
    Mutant(
        "a day that a killed process left in its place is told before that is synced",
        "nightly/shelf.py",
        "        files.remove(partition.lock)\n        files.sync_folder(partition.parent)\n",
        "        files.remove(partition.lock)\n",
    ),
)

SURVIVORS: Final = (
    Mutant(
        "results are written before the journal",
        WRITER,
        """\
        for log, lines in zip(self._logs, group.lines, strict=True):
            if lines:
""",
        """\
        for log, lines in reversed([*zip(self._logs, group.lines, strict=True)]):
            if lines:
""",
        survives="whatever must go before is awaited, so that it stands in an earlier group",
    ),
    Mutant(
        "a checkpoint is believed of another file of the same name",
        RECOVER,
        "        and at.identity == files.identity(path)\n",
        "",
        survives="what stands before its offset tells the file apart as well",
    ),
    Mutant(
        "a checkpoint is believed of a log that does not reach so far, or says other there",
        RECOVER,
        "        and _goes_on(_tail(files, path, at.offset), at)\n",
        "",
        survives="what it tells of was synced before: only people and backups make logs shorter",
    ),
    Mutant(
        "a compacted log's name is not synced",
        COMPACT,
        "    files.sync_folder(os.path.dirname(path))\n",
        "",
        survives="the old and the new log say the same; the next session syncs the folder",
    ),
    Mutant(
        "damage before what was on stable storage is cut as a torn tail",
        SCAN,
        "        if later is not None and later.synced > end.keep:\n",
        "        if later is not None and later.synced > end.size:\n",
        survives="no crash leaves damage before what was synced: it is for disks and for people",
    ),
    Mutant(
        "nothing is said of a submit that provably came to nothing",
        "deliver.py",
        '            journal.note(unit.entry("void", request.part))\n',
        "            pass\n",
        survives="a crash then ends the line as outcome_unknown: cautious, and never paid twice",
    ),
)
MUTANTS: Final = (*HARMFUL, *SURVIVORS)
