from tests.proofs.kills import Scale, prove


def test_fifty_kills_lose_no_line_repeat_few_requests_and_leave_every_token_accounted_for():
    report = prove(Scale(kills=50))

    print(report)
    assert report.results + report.errors == report.scale.lines
