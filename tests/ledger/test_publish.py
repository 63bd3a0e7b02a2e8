import orjson
import pytest

from batch.ledger.entries import encode_error
from batch.ledger.publish import (
    error_classes,
    failed_lines,
    publish_object,
    publish_usage,
    usage_rows,
)
from batch.ledger.recover import recover
from tests.ledger.kit import PATHS, RUN, answered, billed, disk, failed, wrote
from tests.virtual import run


@pytest.fixture
def files():
    files = disk()
    again = failed(1, "refused", attempts=3)
    run(wrote(files, failed(1), failed(2), failed(3), again, answered(2), billed(4)))
    return files


def publish(files):
    history = recover(files, PATHS).history
    failures = failed_lines(files, PATHS, history).values()
    publish_usage(files, PATHS, usage_rows(history, RUN, failures))


def test_failed_lines_are_those_without_a_result_as_their_last_error_says(files):
    failed_now = failed_lines(files, PATHS, recover(files, PATHS).history)

    assert {line: (one.class_, one.attempts) for line, one in failed_now.items()} == {
        1: ("refused", 3),
        3: ("timeout", 1),
    }
    assert error_classes(failed_now.values()) == {"refused": 1, "timeout": 1}


@pytest.mark.parametrize("tail", [b'{"x_run":{', bytes(50), b"\0\0}\n", b"{}\n"])
def test_failed_lines_are_found_beside_a_torn_tail_that_nobody_has_cut_yet(files, tail):
    files.put(PATHS.errors, files.content(PATHS.errors) + tail)

    assert set(failed_lines(files, PATHS, recover(files, PATHS).history)) == {1, 3}


def test_where_nothing_failed_the_log_is_not_read():
    files = disk()
    run(wrote(files, answered(1)))
    files.put(PATHS.errors, encode_error(failed(9), RUN, 0))
    history = recover(files, PATHS).history
    history.failed.discard(9)

    assert failed_lines(files, PATHS, history) == {}


def test_usage_is_published_as_a_line_for_each_hour_model_endpoint_and_key(files):
    publish(files)

    (row,) = map(orjson.loads, files.content(PATHS.usage).splitlines())
    assert row["object"] == "usage.bucket"
    assert (row["num_succeeded"], row["num_wasted"], row["num_model_requests"]) == (1, 1, 2)
    assert (row["input_tokens"], row["seconds"]) == (84, 0.1)


def test_published_again_it_is_the_same_to_the_byte(files):
    publish(files)
    first = files.content(PATHS.usage)
    files.remove(PATHS.checkpoint)

    publish(files)

    assert files.content(PATHS.usage) == first


def test_an_object_is_published_whole(files):
    publish_object(files, PATHS.manifest, {"a": 1})

    assert orjson.loads(files.content(PATHS.manifest)) == {"a": 1}
    assert files.identity(f"{PATHS.manifest}.tmp") is None


def test_what_may_be_billed_is_that_of_the_last_error_of_lines_that_have_no_answer():
    files = disk()
    doubts = {"maybe_billed": 2}
    first, again = failed(1, **doubts), failed(1, attempts=3, maybe_billed=5)
    run(wrote(files, first, again, failed(2, **doubts), answered(2, maybe_billed=1)))
    publish(files)

    rows = map(orjson.loads, files.content(PATHS.usage).splitlines())
    assert sum(row["num_maybe_billed"] for row in rows) == 5 + 1
