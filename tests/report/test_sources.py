"""Which files are read, that no run counts twice, and what is no usage totals."""

from __future__ import annotations

import os

import pytest

from batch.errors import NoInput
from batch.report.sources import LARGEST, read_all
from tests.report.kit import START, row, write


def never(_paths):
    raise AssertionError("the logs were asked")


class Read:
    """What was found, and the buckets that count."""

    def __init__(self, paths, fresh):
        self._begin()
        found = read_all([str(path) for path in paths], fresh, self._begin)
        self.runs, self.files, self.notes = found.runs, found.files, found.notes
        self.skipped = found.skipped

    def _begin(self):
        self.buckets = []
        return self.buckets.extend


def read(*paths, fresh=never):
    return Read(paths, fresh)


def requests(found):
    return sum(one.num_model_requests for one in found.buckets)


@pytest.mark.parametrize("name", ["out.jsonl", "out.run", "out.run/usage.jsonl", "."])
def test_a_run_is_found_by_its_output_its_folder_its_totals_and_what_is_around(tmp_path, name):
    write(tmp_path / "out.run" / "usage.jsonl", row())

    found = read(tmp_path / name)

    assert (requests(found), found.runs, found.files) == (1, 1, 1)


def test_folders_are_searched_with_all_below_them(tmp_path):
    for number in range(3):
        folder = tmp_path / "runs" / f"2026-11-0{number}" / "out.run"
        write(folder / "usage.jsonl", row(run_id=f"run-{number}"))
    write(tmp_path / "runs" / "november.usage.jsonl", row(run_id="run-9"))
    write(tmp_path / "runs" / "other.jsonl", {"not": "ours"})

    found = read(tmp_path / "runs")

    assert (found.runs, found.files, found.skipped) == (4, 4, [])


def test_a_run_and_its_copy_count_once_and_it_is_said(tmp_path):
    one = write(tmp_path / "a" / "out.run" / "usage.jsonl", row())
    two = write(tmp_path / "b" / "out.run" / "usage.jsonl", row())

    found = read(tmp_path)

    assert requests(found) == 1
    assert found.notes == [f"run run-1 is counted once, from {one}; {two} has it too"]


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_of_a_run_and_its_older_copy_the_later_one_counts(tmp_path, order):
    write(tmp_path / "a" / "usage.jsonl", row())
    write(tmp_path / "b" / "usage.jsonl", row(), row(start_time=START + 3600))

    found = read(*(tmp_path / name for name in order))

    assert requests(found) == 2


def test_a_file_named_twice_or_through_a_link_counts_once(tmp_path):
    path = write(tmp_path / "usage.jsonl", row())
    link = tmp_path / "link.jsonl"
    os.symlink(path, link)

    found = read(path, path, link, tmp_path)

    assert (requests(found), found.notes) == (1, [])


def test_totals_that_were_put_into_one_file_are_those_of_several_runs(tmp_path):
    path = write(tmp_path / "all.jsonl", row(), row(run_id="run-2"), row())

    found = read(path)

    assert (found.runs, requests(found)) == (2, 2)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"object":"usage.bu', ":1: the file ends in the middle of a line"),
        (b"not json\n", ":1: this is no JSON"),
        (b'{"custom_id":"a"}\n', ":1: these are no usage totals of wbatch"),
        (b'{"object":"usage.bucket","schema":2}\n', ":1: these are no usage totals of wbatch"),
        (b"\xff\xfe\n", ":1: this is no JSON"),
    ],
)
def test_a_torn_or_foreign_file_is_left_out_as_a_whole_and_named(tmp_path, data, why):
    good = write(tmp_path / "good" / "usage.jsonl", row(run_id="run-2"))
    bad = tmp_path / "bad" / "usage.jsonl"
    bad.parent.mkdir()
    bad.write_bytes(data)

    found = read(tmp_path)

    assert (found.files, requests(found)) == (1, 1)
    assert str(found.skipped[0]).startswith(f"{bad}{why}")
    assert good.exists()


def test_a_file_that_is_too_large_for_totals_is_named_and_not_read(tmp_path):
    path = tmp_path / "usage.jsonl"
    path.touch()
    os.truncate(path, LARGEST + 1)  # a hole: it takes no room

    found = read(path)

    assert [str(one) for one in found.skipped] == [f"{path}: this is too large for usage totals"]
    assert not found.buckets


def test_a_good_beginning_of_a_torn_file_does_not_count(tmp_path):
    path = write(tmp_path / "usage.jsonl", row(), row(start_time=START + 3600))
    path.write_bytes(path.read_bytes()[:-20])

    found = read(path)

    assert (requests(found), len(found.skipped)) == (0, 1)
    assert str(found.skipped[0]).startswith(f"{path}:2: ")


def test_it_is_said_in_which_line_something_foreign_stands(tmp_path):
    path = write(tmp_path / "usage.jsonl", row(), row(start_time=START + 3600), {"a": 1}, row())

    assert str(read(path).skipped[0]).startswith(f"{path}:3: these are no usage totals of wbatch")


@pytest.mark.parametrize("order", [(7, 2), (2, 7), (7, 7)])
def test_of_lines_for_the_same_hour_of_a_run_the_one_with_the_most_requests_counts(tmp_path, order):
    lines = [row(num_model_requests=count) for count in order]
    path = write(tmp_path / "usage.jsonl", lines[0], row(run_id="run-2"), lines[1])

    found = read(path)

    assert [one.num_model_requests for one in found.buckets] == [7, 1]


@pytest.mark.parametrize("field", ["input_tokens", "num_model_requests", "start_time"])
def test_negative_counts_are_nobodys(tmp_path, field):
    path = write(tmp_path / "usage.jsonl", row(**{field: -1}))

    assert len(read(path).skipped) == 1


def test_a_file_without_a_line_is_a_run_that_used_nothing(tmp_path):
    path = write(tmp_path / "usage.jsonl")

    assert (read(path).files, read(path).buckets) == (1, [])


@pytest.mark.parametrize("name", ["missing.jsonl", "empty"])
def test_a_path_without_totals_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()

    with pytest.raises(NoInput, match=name):
        read(tmp_path / name)


def run_folder(tmp_path, made: int):
    """A run whose logs were written at 1000, and its totals at ``made``."""
    (tmp_path / "out.jsonl").write_text("x")
    path = write(tmp_path / "out.run" / "usage.jsonl", row())
    (tmp_path / "out.run" / "journal.jsonl").write_text("x")
    for one, at in ((tmp_path / "out.jsonl", 1000), (path, made)):
        os.utime(one, (at, at))
    os.utime(tmp_path / "out.run" / "journal.jsonl", (1000, 1000))
    return path


def test_totals_that_are_older_than_the_logs_are_made_anew_from_these(tmp_path):
    run_folder(tmp_path, made=999)

    found = read(tmp_path / "out.jsonl", fresh=lambda _: [row(num_model_requests=7)])

    assert requests(found) == 7


def test_totals_that_are_up_to_date_are_read_as_they_are(tmp_path):
    run_folder(tmp_path, made=1001)

    assert requests(read(tmp_path / "out.jsonl")) == 1


def test_a_run_without_totals_yet_is_read_from_its_logs(tmp_path):
    run_folder(tmp_path, made=1).unlink()

    found = read(tmp_path, fresh=lambda _: [row(num_model_requests=7)])

    assert requests(found) == 7


def test_of_logs_that_cannot_be_read_the_totals_still_can(tmp_path):
    run_folder(tmp_path, made=999)

    assert requests(read(tmp_path, fresh=lambda _: None)) == 1
