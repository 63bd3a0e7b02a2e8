"""All notices of one command."""

from __future__ import annotations

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from batch.files import OsFiles
from batch.notices.ended import Ended
from batch.notices.notices import Notices, Ways, ping_address
from batch.notices.post import Patience
from tests.notices.ends import Listener, ended

SHORT = Patience(seconds=0.05, tries=1)


def tell(ways: Ways, what: Ended) -> list[str]:
    async def all_of_it() -> list[str]:
        notices = Notices(ways, OsFiles())
        return [*await notices.begun(), *await notices.ended(what)]

    return asyncio.run(all_of_it())


def test_a_health_check_is_told_of_the_beginning_and_of_the_end_with_one_number() -> None:
    with Listener(200) as listener:
        assert tell(Ways(health_url=listener.url), ended(77)) == []

    start, end = listener.told
    assert urlsplit(start.path).path.endswith("/s3cret-place/start")
    assert urlsplit(end.path).path.endswith("/s3cret-place/77")
    numbers = [parse_qs(urlsplit(one.path).query)["rid"] for one in (start, end)]
    assert numbers[0] == numbers[1]
    assert start.body == ""
    assert end.body.splitlines()[0] == "triage: exit code 77, some lines failed"
    assert end.body.endswith("next     wbatch retry")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://hc.example/abc", "https://hc.example/abc/0?rid=n"),
        ("https://hc.example/abc/", "https://hc.example/abc/0?rid=n"),
        ("https://hc.example/abc?a=1", "https://hc.example/abc/0?a=1&rid=n"),
    ],
)
def test_what_is_told_stands_at_the_end_of_the_address(url: str, address: str) -> None:
    assert ping_address(url, "0", "n") == address


@pytest.mark.parametrize(
    ("always", "code", "told"), [(False, 0, 0), (False, 3, 1), (True, 0, 1), (True, 3, 1)]
)
def test_a_webhook_is_told_of_failures_or_of_all(always: bool, code: int, told: int) -> None:
    with Listener(200) as listener:
        assert tell(Ways(webhook_url=listener.url, always=always), ended(code)) == []

    assert len(listener.told) == told
    for one in listener.told:
        assert one.type == "application/json"
        assert json.loads(one.body)["text"].startswith("triage: ")


def test_metrics_are_put_in_place_whole_for_everybody_to_read(tmp_path: Path) -> None:
    path = tmp_path / "triage.prom"
    before = os.umask(0o077)
    try:
        assert tell(Ways(prometheus_file=str(path)), ended()) == []
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o644
    assert 'wbatch_last_exit_code{job="triage"} 0' in path.read_text()
    assert [one.name for one in tmp_path.iterdir()] == ["triage.prom"]


def test_jobs_that_end_at_the_same_time_all_have_their_numbers_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "wbatch.prom"
    ways = Ways(prometheus_file=str(path))

    with ThreadPoolExecutor(8) as several:
        said = list(several.map(lambda n: tell(ways, ended(0, job=f"job-{n}")), range(24)))

    assert not any(said)
    assert all(f'wbatch_last_exit_code{{job="job-{n}"}} 0' in path.read_text() for n in range(24))
    assert os.listdir(tmp_path) == ["wbatch.prom"]


def test_a_link_to_a_file_of_metrics_stays_one(tmp_path: Path) -> None:
    link = tmp_path / "wbatch.prom"
    link.symlink_to("real.prom")

    assert tell(Ways(prometheus_file=str(link)), ended(0)) == []

    assert link.is_symlink()
    assert (tmp_path / "real.prom").read_text().startswith("# HELP wbatch_")


def test_metrics_that_another_job_holds_for_too_long_are_a_line(tmp_path: Path) -> None:
    path = tmp_path / "wbatch.prom"
    held = OsFiles().lock(f"{path}.lock")

    (said,) = tell(Ways(prometheus_file=str(path), patience=SHORT), ended())

    os.close(held)
    assert said.startswith(f"metrics: {path}: ")
    assert not path.exists()


def test_each_notice_that_fails_is_a_line_and_keeps_no_other_from_being_sent(
    tmp_path: Path,
) -> None:
    other = tmp_path / "other.prom"
    other.write_text("node_load1 0.3\n")
    with Listener() as deaf, Listener(200) as listener:
        ways = Ways(deaf.url, listener.url, True, str(other), patience=SHORT)

        lines = tell(ways, ended())

    assert len(listener.told) == 1
    host = urlsplit(deaf.url).netloc
    assert lines == [
        f"health check: {host} gave no answer within 0.05 s",
        f"metrics: {other}: it holds something else, and was left as it is",
        f"health check: {host} gave no answer within 0.05 s",
    ]
    assert other.read_text() == "node_load1 0.3\n"


@pytest.mark.parametrize("place", ["missing/a.prom", ".", "pipe.prom"])
def test_metrics_that_cannot_be_written_are_a_line(tmp_path: Path, place: str) -> None:
    os.mkfifo(tmp_path / "pipe.prom")

    (line,) = tell(Ways(prometheus_file=str(tmp_path / place)), ended())

    assert line.startswith(f"metrics: {tmp_path / place}: ")


def test_certificates_that_cannot_be_read_are_a_line() -> None:
    lines = tell(Ways(webhook_url="https://127.0.0.1:1/x", ca_bundle="/no/ca.pem"), ended(3))

    assert lines == ["webhook: /no/ca.pem: No such file or directory"]
