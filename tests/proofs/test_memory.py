from tests.proofs.memory import prove


def test_ten_times_the_lines_take_no_more_memory():
    list(prove((1_000, 10_000), concurrency=64))
