"""Reading a run while another process writes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batch.checkpoint import encode, save
from batch.errors import BadData, CannotWrite, NoInput
from batch.files import OsFiles
from batch.ledger.paths import Paths
from batch.ledger.recover import positions, recover
from batch.results.logs import Held, Logs
from batch.results.record import decode_record
from tests.results.desk import RUN, Run, answer, error


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path, 9)


def names(lines):
    return [decode_record(line).custom_id for line in lines]


def test_what_is_written_meanwhile_is_not_read(run):
    run.answer(answer(1))
    run.fail(error(2))

    with Logs(run.paths) as logs:
        run.answer(answer(3))
        run.fail(error(4))

        assert names(logs.results()) == ["row-1"]
        assert names(logs.errors()) == ["row-2"]
        assert names(line for _, line in logs.in_order(errors=True)) == ["row-1", "row-2"]


def test_errors_that_are_compacted_meanwhile_are_read_as_they_were(run):
    run.fail(error(1, "timeout"), error(1, "refused"), error(2))

    with Logs(run.paths) as logs:
        Path(f"{run.paths.errors}.tmp").write_bytes(b"")
        os.replace(f"{run.paths.errors}.tmp", run.paths.errors)

        found = [decode_record(line).x_run.class_ for line in logs.errors()]

    assert found == ["refused", "timeout"]


def test_reading_leaves_nothing_behind_and_holds_nothing_open(run):
    run.answer(answer(1))
    before = sorted(str(path) for path in run.folder.rglob("*"))
    held = len(os.listdir("/proc/self/fd"))

    with Logs(run.paths, str(run.folder)) as logs:
        list(logs.in_order(errors=True))

    assert sorted(str(path) for path in run.folder.rglob("*")) == before
    assert len(os.listdir("/proc/self/fd")) == held


def test_where_there_is_no_place_for_the_order_of_the_lines_that_is_said(run):
    run.answer(answer(1))

    with (
        Logs(run.paths, str(run.folder / "gone")) as logs,
        pytest.raises(CannotWrite, match="no room to put the lines in order: No such file"),
    ):
        list(logs.in_order(errors=False))


def test_a_line_is_found_by_a_custom_id_that_others_merely_contain(run):
    run.answer(answer(1, custom_id='a"custom_id":"b",'), answer(2, custom_id="b"))
    run.fail(error(3))

    with Logs(run.paths) as logs:
        by_id, by_place = logs.find("b", None), logs.find(None, 3)
        missing = logs.find("nobody", None), logs.find(None, 9)

    assert decode_record(by_id or b"").x_run.line == 2
    assert decode_record(by_place or b"").custom_id == "row-3"
    assert missing == (None, None)


def test_a_line_is_found_by_its_own_custom_id_and_not_by_what_its_answer_holds(run):
    run.answer(answer(1, b'{"custom_id":"b","n":1}'), answer(2, custom_id="b"))

    with Logs(run.paths) as logs:
        found = logs.find("b", None)

    assert decode_record(found or b"").x_run.line == 2


def test_a_run_without_any_record_is_empty_and_one_that_never_began_is_missing(run, tmp_path):
    with Logs(run.paths) as logs:
        assert list(logs.results()) == list(logs.in_order(errors=True)) == []

    with pytest.raises(NoInput, match="no run was begun there"):
        Logs(Paths(str(tmp_path / "none.jsonl")))


def test_a_damaged_log_is_refused_as_by_a_run(run):
    run.answer(answer(1), answer(2), answer(3))
    content = run.output.read_bytes()
    size = len(content)
    later = content.splitlines(keepends=True)[2].replace(b'"synced":0', b'"synced":%d' % size)
    run.output.write_bytes(content[:10] + b"XX" + content[12:] + later)

    with pytest.raises(BadData, match="damaged"):
        Logs(run.paths)


def test_a_held_file_stays_as_long_as_it_was_and_others_do_not(tmp_path):
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"one\n")
    other.write_bytes(b"one\n")
    held = Held(str(path))

    for one in (path, other):
        one.write_bytes(b"one\ntwo\n")

    assert (held.length(str(path)), held.length(str(other))) == (4, 8)
    held.close_all()


def test_a_result_that_was_damaged_since_its_checkpoint_is_told_and_does_not_end_the_reading(run):
    run.answer(*(answer(line) for line in range(1, 10)))
    files = OsFiles()
    found = recover(files, run.paths)
    ends = tuple(end.keep for end in found.ends)
    files.make_folder(run.paths.cache)
    save(files, run.paths.checkpoint, encode(RUN, found.history, positions(files, run.paths, ends)))
    whole = run.output.read_bytes()
    run.output.write_bytes(b"#" + whole[1:])

    with Logs(run.paths) as logs:
        lines = list(logs.results())

    assert len(lines) == 9
    with pytest.raises(BadData):
        decode_record(lines[0])
    assert names(lines[1:]) == [f"row-{line}" for line in range(2, 10)]
