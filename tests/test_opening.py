"""What stands against a run is said before its first write."""

import gzip
import os
import re
import threading

import pytest

from batch.errors import BadData, CannotWrite, NoInput
from batch.files import OsFiles
from batch.inputs.settings import MAX_LINE_BYTES
from batch.ledger.book import Book
from batch.ledger.entries import Entry
from batch.ledger.hold import held
from batch.ledger.paths import Paths
from batch.ledger.recover import recover
from batch.opening import Wanted, drop_changed, open_run, recorded_inputs, refuse_output
from tests.ledger.kit import answered, at_once, entry, failed, members, put, said, text_of
from tests.virtual import run

FILES = OsFiles()
IDENTITY = {"model": "gpt-4o-mini", "votes": 1, "mock": False}
ALL = range(1, 7)


class Place:
    """A folder with an input, a run on it, and what comes of opening that again."""

    def __init__(self, folder):
        self.folder = folder
        self.paths = Paths(str(folder / "out.jsonl"))
        self.input = folder / "in.jsonl"
        self.give(dict.fromkeys(ALL, ""))

    def give(self, texts):
        """Write the input; a line's text says how it differs from what was asked."""
        last = max(texts, default=0)
        lines = [text_of(n, texts[n]) if n in texts else b"" for n in range(1, last + 1)]
        self.input.write_bytes(b"\n".join(lines))

    def change(self, *ordinals):
        self.give({n: "!" if n in ordinals else "" for n in ALL})

    def did(self, *units):
        """Have a session write these."""

        async def main():
            found = recover(FILES, self.paths)
            book = Book(FILES, self.paths, "run-000001", 10)
            header = {"identity": IDENTITY, "inputs": [{"path": str(self.input)}]}
            book.begin(found, header)
            book.open(at_once)
            for unit in units:
                put(book, unit)
            await book.close(compact=False)
            book.release()

        run(main())

    def open(self, identity=IDENTITY, keep_answers=False, inputs=None, note_models=False):
        wanted = Wanted(
            inputs=inputs or (str(self.input),),
            max_line_bytes=MAX_LINE_BYTES,
            identity=identity,
            keep_answers=keep_answers,
            note_models=note_models,
        )
        return open_run(FILES, self.paths, recover(FILES, self.paths), wanted)

    def content(self):
        return {p: p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}

    def refused(self, match, **how):
        """Open, be refused, and find that nothing was changed."""
        before = self.content()
        with pytest.raises(BadData, match=match) as raised:
            self.open(**how)
        assert self.content() == before
        return str(raised.value)

    def without_cache(self):
        if os.path.exists(self.paths.checkpoint):
            os.unlink(self.paths.checkpoint)
        return recover(FILES, self.paths)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_a_new_run_is_opened_with_a_census_of_its_lines(place):
    opened = place.open()

    assert opened.found is None
    assert opened.census.lines == 6
    assert not opened.new_identity


def test_a_run_goes_on_where_it_was(place):
    place.did(answered(1), failed(2))

    opened = place.open()

    assert members(opened.found.history.answered) == {1}
    assert (opened.new_identity, opened.dropped) == (False, set())


def test_lines_that_were_added_at_the_end_are_fine(place):
    place.did(*map(answered, ALL))
    place.give(dict.fromkeys(range(1, 12), ""))

    assert place.open().census.lines == 11


def test_lines_that_were_not_asked_yet_may_change(place):
    place.did(answered(1), failed(2))
    place.change(3, 4, 5, 6)

    assert not place.open().dropped


# Changed lines.


@pytest.mark.parametrize("keep_answers", [False, True])
def test_a_changed_line_with_an_answer_is_refused_and_named(place, keep_answers):
    place.did(answered(1), answered(2), failed(3))
    place.change(2)

    said = place.refused("line 2; .* 2 answers, 1 of them to lines", keep_answers=keep_answers)

    assert "--new-run" in said
    assert "--keep-answers" not in said


def test_two_answered_lines_that_changed_places_are_refused(place):
    place.did(answered(1), answered(2))
    first, second, *rest = place.input.read_bytes().splitlines()
    place.input.write_bytes(b"\n".join([second, first, *rest]))

    place.refused("lines 1, 2;")


def test_many_changed_lines_are_counted_and_the_first_are_named(place):
    place.did(*map(answered, reversed(ALL)))
    place.change(*ALL)

    place.refused("lines 1, 2, 3 and 3 more; .* 6 answers, 6 of them")


def test_a_changed_line_that_failed_twice_is_counted_once(place):
    place.did(failed(2), failed(2, attempts=2))
    place.change(2)

    place.refused("since they were asked: line 2;")


@pytest.mark.parametrize("log", ["errors", "results"])
def test_a_changed_line_is_refused_beside_a_torn_tail_too(place, log):
    place.did(answered(1), failed(2))
    with open(getattr(place.paths, log), "ab") as file:
        file.write(b'{"x_run":{"line":5')
    place.change(1)

    place.refused("line 1;")


def test_a_changed_line_that_failed_is_refused_with_both_ways_out(place):
    place.did(answered(1), failed(2))
    place.change(2)

    said = place.refused("line 2; .* 1 answer, 0 of them")

    assert "--keep-answers" in said
    assert "--new-run" in said


def test_a_changed_line_that_failed_is_pending_again_with_keep_answers(place):
    place.did(answered(1), failed(2), failed(2, attempts=2), failed(3))
    place.change(2)

    opened = place.open(keep_answers=True)
    drop_changed(FILES, place.paths, opened)

    known = opened.found.history
    assert (members(known.answered), members(known.failed)) == ({1}, {3})
    assert opened.dropped == {2}
    assert said(place.without_cache().history) == said(known)


@pytest.mark.parametrize("tail", [b'{"x_run":{"line":2', b"\0" * 50, b'{"x_run":\0\0}\n'])
def test_changed_lines_are_dropped_beside_a_torn_tail_too(place, tail):
    place.did(failed(2), failed(3))
    with open(place.paths.errors, "ab") as file:
        file.write(tail)
    place.change(2)

    opened = place.open(keep_answers=True)
    drop_changed(FILES, place.paths, opened)
    place.did(failed(2, text="!"))

    assert members(place.without_cache().history.failed) == {2, 3}
    place.open()


def test_a_crash_before_changed_lines_are_dropped_leaves_them_to_the_same_command(place):
    place.did(answered(1), failed(2))
    place.change(2)

    place.open(keep_answers=True)
    again = place.open(keep_answers=True)

    assert again.dropped == {2}


def test_what_was_dropped_may_be_answered_and_stays_so(place):
    place.did(answered(1), failed(2))
    place.change(2)
    drop_changed(FILES, place.paths, place.open(keep_answers=True))

    place.did(answered(2, text="!"))

    opened = place.open()
    assert members(place.without_cache().history.answered) == {1, 2}
    assert not opened.dropped
    place.change()
    place.refused("line 2;")


def test_a_changed_line_with_paid_work_under_way_is_refused(place):
    # Given a task that is known by its id: its end would be taken for the answer of another line
    place.did(answered(1), entry("intent", 2), entry("task", 2, state={"id": "t"}))
    place.change(2)

    said = place.refused("line 2; .* 1 answer, 0 of them")

    assert "--keep-answers" in said


def test_paid_work_of_a_changed_line_stays_on_record_with_keep_answers_until_it_is_asked(place):
    place.did(entry("task", 2, state={"id": "t"}), entry("task", 3, state={"id": "u"}))
    place.change(2)

    opened = place.open(keep_answers=True)
    drop_changed(FILES, place.paths, opened)

    assert set(opened.found.history.open) == {2, 3}


def test_paid_work_that_a_dropped_error_had_ended_is_on_record_again(place):
    place.did(entry("intent", 2), failed(2, "outcome_unknown"), entry("intent", 3), failed(3))
    assert not place.open().found.history.open
    place.change(2)

    opened = place.open(keep_answers=True)
    drop_changed(FILES, place.paths, opened)

    known = opened.found.history
    assert set(known.open) == {2}
    assert said(place.without_cache().history) == said(known)


# Shortened inputs.


@pytest.mark.parametrize("keep_answers", [False, True])
def test_inputs_that_became_shorter_are_refused(place, keep_answers):
    place.did(*map(answered, ALL))
    place.give({1: "", 2: ""})

    place.refused("shorter: 4 lines .* 6 answers", keep_answers=keep_answers)


def test_a_line_that_became_blank_is_gone(place):
    place.did(answered(1), answered(2))
    place.give({n: "" for n in ALL if n != 2})

    place.refused("shorter: 1 line that was done is no longer there")


def test_a_line_that_was_taken_out_of_the_middle_is_refused(place):
    place.did(answered(1), answered(2), answered(3))
    lines = place.input.read_bytes().splitlines()
    place.input.write_bytes(b"\n".join(lines[:1] + lines[2:]))

    place.refused("lines 2, 3;")


# Other settings.


def test_other_settings_are_refused_and_named(place):
    place.did(answered(1))

    said = place.refused(
        'model was "gpt-4o-mini" and is now "gpt-4o"', identity=IDENTITY | {"model": "gpt-4o"}
    )

    assert "has 1 answer that was asked" in said
    assert "--keep-answers" in said
    assert "--new-run" in said
    assert "votes" not in said


def test_a_setting_that_came_or_went_differs(place):
    place.did(answered(1))

    place.refused("schema was not set and is now 1", identity=IDENTITY | {"schema": 1})
    place.refused("votes was 1 and is now not set", identity={**IDENTITY, "votes": None})


def test_other_settings_are_to_be_noted_with_keep_answers(place):
    place.did(answered(1))
    other = IDENTITY | {"model": "gpt-4o"}

    opened = place.open(identity=other, keep_answers=True)

    assert opened.new_identity
    assert members(opened.found.history.answered) == {1}


OTHER_ENDPOINT = {**IDENTITY, "endpoint": "/v1/images/generations"}


def test_tasks_under_way_are_not_left_behind_for_another_endpoint(place):
    place.did(answered(1), entry("task", 2, state={"id": "t"}))

    said = place.refused("1 task under way", identity=OTHER_ENDPOINT, keep_answers=True)

    assert 'it was not set and is now "/v1/images/generations"' in said
    assert "--new-run" in said


@pytest.mark.parametrize(
    ("last", "identity"),
    [(answered(2), OTHER_ENDPOINT), (answered(1), {**IDENTITY, "model": "gpt-4o"})],
    ids=["ended", "other model"],
)
def test_what_asks_no_task_at_another_endpoint_goes_on_under_other_settings(place, last, identity):
    place.did(entry("task", 2, state={"id": "t"}), last)

    assert place.open(identity=identity, keep_answers=True).new_identity


@pytest.mark.parametrize("keep_answers", [False, True])
def test_a_rehearsal_and_a_real_run_never_share_a_file(place, keep_answers):
    place.did(answered(1))
    rehearsal = {**IDENTITY, "mock": True}

    said = place.refused("was no rehearsal", identity=rehearsal, keep_answers=keep_answers)

    assert "--new-run" in said
    assert "--keep-answers" not in said


def test_a_real_run_does_not_go_on_with_a_rehearsal(place):
    place.did(answered(1), Entry(kind="settings", run={"identity": {**IDENTITY, "mock": True}}))

    place.refused("was a rehearsal", keep_answers=True)


def test_a_run_with_nothing_on_record_goes_on_under_other_settings(place):
    place.did()

    opened = place.open({**IDENTITY, "model": "gpt-4o"})

    assert opened.new_identity


@pytest.mark.parametrize("unit", [[failed(2)], [entry("intent", 2)]], ids=["error", "intent"])
def test_an_error_or_work_that_was_begun_is_enough_to_refuse_other_settings(place, unit):
    place.did(*unit)

    with pytest.raises(BadData, match="other settings"):
        place.open({**IDENTITY, "model": "gpt-4o"})


def test_parameters_are_named_as_they_were_written(place):
    place.did(answered(1))

    with pytest.raises(BadData, match=re.escape('params was not set and is now {"max_tokens":20}')):
        place.open({**IDENTITY, "params": '{"max_tokens":20}'})


def test_settings_that_were_noted_are_those_of_the_run_from_then_on(place):
    place.did(answered(1), Entry(kind="settings", run={"identity": IDENTITY | {"votes": 3}}))

    assert not place.open(identity=IDENTITY | {"votes": 3}).new_identity
    place.refused("votes was 3 and is now 1")


def test_who_names_no_settings_gets_those_of_the_run(place):
    place.did(answered(1))

    assert not place.open(identity=None).new_identity


# Output equal to input.


def linked(place, way):
    """Return the output under another name for the input."""
    out = place.folder / "out.jsonl"
    if way == "symlink":
        out.symlink_to(place.input)
    elif way == "hard link":
        os.link(place.input, out)
    return Paths(str(place.input if way == "name" else out))


@pytest.mark.parametrize("way", ["name", "symlink", "hard link"])
def test_an_output_that_is_the_input_is_refused(place, way):
    paths = linked(place, way)
    before = place.input.read_bytes()

    with pytest.raises(BadData, match=f"{place.input} is both input and output"):
        refuse_output((str(place.input),), paths)

    assert place.input.read_bytes() == before


@pytest.mark.parametrize("log", ["results", "errors", "journal"])
def test_a_log_of_the_run_is_no_input_of_it(place, log):
    place.did(answered(1), failed(2))

    place.refused("is both input and output", inputs=(getattr(place.paths, log),))
    place.refused("a pattern such as \\*.jsonl finds it too", inputs=(getattr(place.paths, log),))


def test_an_output_that_is_a_folder_is_refused(place):
    (place.folder / "out.jsonl").mkdir()

    with pytest.raises(CannotWrite, match=r"is a folder\. Name a file"):
        refuse_output((str(place.input),), place.paths)


def test_standard_input_is_no_file_of_that_name(place):
    refuse_output(("-",), Paths(str(place.folder / "-")))


# Inputs that cannot be had.


def test_a_bad_input_of_a_new_run_leaves_no_folder_behind(place):
    place.input.write_bytes(gzip.compress(text_of(1))[:-8])

    with pytest.raises(BadData), held(FILES, place.paths):
        place.open()

    assert os.listdir(place.folder) == ["in.jsonl"]


def test_the_inputs_of_a_run_are_those_its_header_names(place):
    place.did(answered(1))

    assert recorded_inputs(recover(FILES, place.paths).history, place.paths) == (str(place.input),)


def piped(place):
    header = {"identity": IDENTITY, "inputs": [{"path": "-"}, {"path": "/data/b.jsonl"}]}
    book = Book(FILES, place.paths, "run-000001", 10)
    book.begin(None, header)
    book.release()
    return recover(FILES, place.paths).history


def test_what_came_from_standard_input_is_read_again_from_its_copy(place):
    history = piped(place)
    with open(place.paths.spool, "wb") as file:
        file.write(b"{}")

    assert recorded_inputs(history, place.paths) == (place.paths.spool, "/data/b.jsonl")


@pytest.mark.parametrize("changed", [(2,), ()], ids=["other lines", "the same lines"])
def test_the_copy_of_a_stream_is_replaced_only_by_one_that_fits_the_run(place, changed):
    # Given a run of a pipe, and that pipe with what it is to hold now
    place.did(answered(1), answered(2))
    copy = place.folder / "out.run" / "cache" / "stdin.jsonl.1"
    copy.write_bytes(b"as it was")
    place.change(*changed)
    content, pipe = place.input.read_bytes(), place.folder / "pipe"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=lambda: pipe.write_bytes(content))
    feeder.start()

    if changed:
        with pytest.raises(BadData, match="have changed"):
            place.open(inputs=(str(pipe),))
    else:
        place.open(inputs=(str(pipe),))
    feeder.join()

    assert copy.read_bytes() == (b"as it was" if changed else content)
    assert not copy.with_name(f"{copy.name}.new").exists()


def test_standard_input_whose_copy_is_gone_is_asked_for_again(place):
    with pytest.raises(NoInput, match=re.escape("Pipe it in again with: wbatch run - -o")):
        recorded_inputs(piped(place), place.paths)


@pytest.mark.parametrize("begun", [False, True])
def test_the_models_that_lines_name_are_noted_if_somebody_asks(tmp_path, begun):
    place = Place(tmp_path)
    place.input.write_bytes(b'{"model":"a"}\n{"model":"b"}\n')
    if begun:
        place.did()

    assert place.open(note_models=True).models == {"a", "b"}
    assert place.open().models is None  # nobody asked
