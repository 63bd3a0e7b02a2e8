from tests.proofs.tasks import Scale, prove


def test_twenty_kills_of_three_hundred_tasks_submit_and_fetch_nothing_in_vain():
    report = prove(Scale(wait=15))

    print(report)
    assert report.films + report.unknown == report.scale.lines
