from tests.proofs.soak import Scale, prove


def test_twenty_seconds_with_every_dial_turned_leave_both_ledgers_equal():
    report = prove(Scale(seconds=20, seed=34))

    print(report)
    assert report.results > 0
