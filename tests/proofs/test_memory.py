import pytest

from tests.proofs import bytes as pictures
from tests.proofs.memory import MB, prove


def test_ten_times_the_lines_take_no_more_memory():
    list(prove((1_000, 10_000), concurrency=64))


@pytest.mark.parametrize(("kind", "lines"), [("files", 60), ("answers", 12), ("bodies", 12)])
def test_large_pictures_take_no_more_memory_than_is_allowed_for_what_is_in_flight(kind, lines):
    pictures.prove(pictures.Case(kind, lines, 10 * MB, "32MiB", concurrency=16))
