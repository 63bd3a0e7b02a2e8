"""What a reply with a bad status, or an error under a good one, is called."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch import errors
from batch.records import Reply, Saved
from batch.usage import Meter, Usage
from batch.wire._http import no_answer, one_line, read_failure, read_json, reported
from batch.wire._retry_after import retry_after


def said(code: object = "", kind: str = "new_api_error", text: str = "no") -> bytes:
    return json.dumps(
        {"error": {"message": text, "type": kind, "param": "", "code": code}}
    ).encode()


MONEY = ["insufficient_user_quota", "pre_consume_token_quota_failed", "quota_not_enough"]
UPSTREAM_MONEY = [
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_error",
    "enforced_spend_limit_reached",
    "contract_spend_limit_reached",
]
REFUSED = [
    "invalid_request",
    "bad_request_body",
    "read_request_body_failed",
    "convert_request_failed",
    "sensitive_words_detected",
    "prompt_blocked",
    "model_price_error",
    "invalid_api_type",
    "api_not_implemented",
    "missing_prompt",
    "invalid_size",
    "invalid_json",
    "invalid_multipart_form",
    "content_policy_violation",
    "context_length_exceeded",
    "channel:param_override_invalid",
    "channel:model_mapped_error",
    "violation_fee.grok.csam",
]
CHANNEL = [
    "do_request_failed",
    "bad_response",
    "bad_response_body",
    "bad_response_status_code",
    "read_response_body_failed",
    "empty_response",
    "channel:no_available_key",
    "channel:invalid_key",
    "query_data_error",
    "update_data_error",
    "aws_invoke_error",
]


def anthropic(kind: str, text: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": text}}).encode()


DECISIONS = [
    # On /v1/messages: Go's word for an upstream's error without a type, and the gateway's own ones
    # without their code.
    (401, anthropic("<nil>", "invalid x-api-key"), errors.UpstreamAccount),
    (429, anthropic("<nil>", "slow down"), errors.Saturated),
    (403, anthropic("new_api_error", "token quota is not enough, 3 left"), errors.NoMoney),
    (403, anthropic("new_api_error", "预扣费额度失败, 用户剩余额度: 0"), errors.NoMoney),
    (500, anthropic("new_api_error", "field messages is required"), errors.Refused),
    (500, anthropic("new_api_error", "sensitive_words_detected (request id: x)"), errors.Refused),
    (500, anthropic("new_api_error", "something else"), errors.ServerTrouble),
    *((403, said(code), errors.NoMoney) for code in MONEY),
    (500, said("insufficient_user_quota"), errors.NoMoney),
    (400, b'{"code":4,"description":"quota_not_enough ","type":"upstream_error"}', errors.NoMoney),
    (402, said(), errors.NoMoney),
    *((429, said(code, "openai_error"), errors.UpstreamAccount) for code in UPSTREAM_MONEY),
    (402, said("", "billing_error"), errors.UpstreamAccount),
    (401, said(), errors.BadKey),
    (401, said("", "one_api_error"), errors.BadKey),
    (401, b"", errors.BadKey),
    (401, said("invalid_api_key", "invalid_request_error"), errors.UpstreamAccount),
    (401, said("", "authentication_error"), errors.UpstreamAccount),
    (403, said(text="no access to model gpt-5"), errors.UnknownModel),
    (403, said(text="该令牌无权访问模型 gpt-5"), errors.UnknownModel),
    (403, said("access_denied", text="your IP is not on the list"), errors.BadKey),
    (403, said(text="the user is banned"), errors.BadKey),
    (403, said("", "permission_error", "no such model for you"), errors.Refused),
    # A page for people is none of the gateway's, unless its status says enough.
    *(
        (status, b" <!doctype html><p>blocked", errors.Barred)
        for status in (400, 403, 406, 407, 410, 415, 418, 421, 422, 451, 501)
    ),
    *((status, b"<html>not here</html>", errors.WrongUrl) for status in (404, 405)),
    (302, b"<html>log in</html>", errors.Redirected),
    *((status, b"<html>too large</html>", errors.Refused) for status in (413, 414, 431)),
    (401, b"<html>who are you?</html>", errors.BadKey),
    (402, b"<html>pay</html>", errors.NoMoney),
    (429, b"<html>slow down</html>", errors.Throttled),
    *((status, b"<html>sorry</html>", errors.ServerTrouble) for status in (408, 500, 502, 503)),
    *((status, b"<html>too late</html>", errors.Interrupted) for status in (504, 524)),
    (403, b"RBAC: access denied", errors.Refused),
    (400, b'{"error":{"mess', errors.Refused),
    (503, said("model_not_found"), errors.UnknownModel),
    (404, said("model_not_found", "invalid_request_error"), errors.UnknownModel),
    (400, said("invalid_model_name"), errors.UnknownModel),
    (503, said("no_available_channel"), errors.UnknownModel),
    *((500, said(code), errors.Refused) for code in REFUSED),
    *((status, said(), errors.Refused) for status in (400, 404, 405, 413, 415, 422, 501)),
    (404, said("", "invalid_request_error", "Invalid URL (POST /x)"), errors.WrongUrl),
    (400, said("", "invalid_request_error", "Invalid URL in part 1"), errors.Refused),
    *((status, b"", errors.Redirected) for status in (301, 302, 303, 304, 307, 308)),
    *((status, said(), errors.ServerTrouble) for status in (408, 409, 425)),
    (429, said(), errors.Throttled),
    (429, b"", errors.Throttled),
    (429, said("", "rate_limit_error"), errors.Saturated),
    (429, said(429, "upstream_error", "当前分组上游负载已饱和"), errors.Saturated),
    (429, b'{"code":30,"description":"full"}', errors.Saturated),
    (529, b"", errors.Overloaded),
    (500, said("", "overloaded_error"), errors.Overloaded),
    (503, said("system_cpu_overloaded"), errors.Overloaded),
    (503, said("system_memory_overloaded"), errors.Overloaded),
    (503, said(), errors.ServerTrouble),
    *((500, said(code), errors.ChannelTrouble) for code in CHANNEL),
    (500, said("get_channel_failed"), errors.NoChannel),
    (503, said("get_channel_failed"), errors.NoChannel),
    (401, said("channel:invalid_key"), errors.ChannelTrouble),
    # This one comes with the upstream's own status, which says more.
    (429, said("bad_response_status_code", "openai_error"), errors.Saturated),
    (504, said("bad_response_status_code"), errors.Interrupted),
    (500, said("", "new_api_panic"), errors.Crashed),
    (500, said("", "one_api_panic"), errors.Crashed),
    *((status, said(), errors.ServerTrouble) for status in (500, 502, 520, 521, 522, 523, 525)),
    *((status, said(), errors.Interrupted) for status in (504, 524)),
    (418, b"", errors.Refused),
    (404, said("", "not_found_error", "model: claude-sonet-4-5"), errors.UnknownModel),
    (
        404,
        said(404, "", "models/gemini-flahs is not found for API version v1beta"),
        errors.UnknownModel,
    ),
    (404, said("", "not_found_error", "no such file, model: x"), errors.Refused),
    *((status, b"", errors.ServerTrouble) for status in (101, 199, 600, 999)),
]


@pytest.mark.parametrize(("status", "body", "kind"), DECISIONS)
def test_a_failure_gets_its_class(status: int, body: bytes, kind: type) -> None:
    assert type(read_failure(Reply(status, {}, body))) is kind


SHAPES = [
    ("A", 403, said("insufficient_user_quota"), errors.NoMoney, "insufficient_user_quota", "no"),
    ("A without param", 429, b'{"error":{"message":"slow","type":"new_api_error","code":""}}',
     errors.Throttled, "new_api_error", "slow"),
    ("A with a number", 500, said(500, "upstream_error"), errors.ServerTrouble, "500", "no"),
    ("A with null", 400, said(None, "<nil>"), errors.Refused, "upstream_error", "no"),
    ("B", 529, b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}',
     errors.Overloaded, "overloaded_error", "busy"),
    ("C", 429, b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"q","details":[]}}',
     errors.Saturated, "429", "q"),
    ("D", 400, b'{"code":"task_not_exist","message":"gone","data":null}',
     errors.Refused, "task_not_exist", "gone"),
    ("E", 400, b'{"code":4,"description":"task_no_found ","type":"upstream_error"}',
     errors.Refused, "4", "task_no_found"),
    ("F", 200, b'{"code":24,"description":"banned","properties":{"bannedWord":"x"}}',
     errors.NotAnAnswer, "24", "banned"),
    ("F, queue full", 200, b'{"code":23,"description":"full"}', errors.Saturated, "23", "full"),
    ("G", 200, b'{"code":1201,"message":"bad","request_id":"r"}',
     errors.NotAnAnswer, "1201", "bad"),
    ("H", 404, b'{"error":"midjourney_task_not_found"}',
     errors.Refused, None, "midjourney_task_not_found"),
    ("in a list, as Google wraps it", 400,
     b'[{"error":{"code":400,"message":"Unknown name","status":"INVALID_ARGUMENT"}}]',
     errors.Refused, "400", "Unknown name"),
    ("FastAPI", 422, b'{"detail":"n is too large"}', errors.Refused, None, "n is too large"),
    ("FastAPI, with more", 422, b'{"detail":[{"loc":["body"],"msg":"x"}]}', errors.Refused, None,
     ""),
    ("I", 200, b'{"success":false,"message":"no models"}', errors.NotAnAnswer, None, "no models"),
    ("J", 500, b'{"error":{"message":"lost","type":"server_error"}}',
     errors.ServerTrouble, "server_error", "lost"),
    ("K", 429, b"", errors.Throttled, None, ""),
    ("L", 502, b"<html><h1>Bad Gateway</h1></html>", errors.ServerTrouble, None, "a web page"),
    ("L as text", 503, b"upstream connect error", errors.ServerTrouble, None, "connect error"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "status", "body", "kind", "code", "text"), SHAPES, ids=[row[0] for row in SHAPES]
)
def test_every_shape_of_an_error_is_read(
    shape: str, status: int, body: bytes, kind: type, code: str | None, text: str
) -> None:
    with pytest.raises(errors.CallFailed) as caught:
        read_json(Reply(status, {}, body))

    failure = caught.value
    assert type(failure) is kind
    assert failure.vendor_code == code
    assert text in failure.message
    assert f"HTTP {status}" in failure.message
    assert failure.status == status
    assert failure.body == (body or None)


def minimax(code: int) -> bytes:
    went = {"status_code": code, "status_msg": "in MiniMax's words"}
    return json.dumps({"id": "1", "choices": None, "base_resp": went}).encode()


INSIDE_200 = [
    (said("insufficient_user_quota"), errors.NoMoney),
    (said("model_not_found"), errors.UnknownModel),
    (said("do_request_failed"), errors.ChannelTrouble),
    (said("", "rate_limit_error"), errors.Saturated),
    (said("", "invalid_request_error"), errors.Refused),
    (said("", "authentication_error"), errors.UpstreamAccount),
    (said(503, "upstream_error"), errors.ServerTrouble),
    (b'{"error":{"status":"DEADLINE_EXCEEDED","code":504,"message":"x"}}', errors.Interrupted),
    (said("data_residency_mismatch"), errors.Refused),
    (minimax(1002), errors.Saturated),
    (minimax(1008), errors.UpstreamAccount),
    (minimax(1026), errors.Refused),
    (minimax(1033), errors.ServerTrouble),
    (minimax(9999), errors.NotAnAnswer),
    (said("never_seen", "never_seen"), errors.NotAnAnswer),
    (b'{"error":"something"}', errors.NotAnAnswer),
    (b"<html>hello</html>", errors.WebPage),
    (b"", errors.NotAnAnswer),
    (b"[1]", errors.NotAnAnswer),
    (b"null", errors.NotAnAnswer),
    (b'{"a":NaN}', errors.NotAnAnswer),
    (b'{"a":"\xff"}', errors.NotAnAnswer),
    (b'{"choices":[{"mess', errors.CutAnswer),
    (b"[" * 100_000, errors.NotAnAnswer),
]


@pytest.mark.parametrize(("body", "kind"), INSIDE_200)
def test_a_good_status_is_no_proof_of_an_answer(body: bytes, kind: type) -> None:
    with pytest.raises(errors.CallFailed) as caught:
        read_json(Reply(200, {}, body))

    assert type(caught.value) is kind


PROOFS = [
    # status, body, whether it provably came before any work
    (429, said("", "rate_limit_error"), True),
    (200, said("", "rate_limit_error"), False),
    (200, said(429, "upstream_error"), False),
    (200, b'{"code":23,"description":"the queue is full","result":""}', True),
    (200, said("get_channel_failed"), True),
    (200, said("model_not_found"), True),
]


@pytest.mark.parametrize(("status", "body", "proven"), PROOFS)
def test_a_limit_told_in_the_place_of_an_answer_is_no_proof_that_nothing_was_done(
    status: int, body: bytes, proven: bool
) -> None:
    with pytest.raises(errors.CallFailed) as caught:
        read_json(Reply(status, {}, body))

    assert caught.value.precedes_work is proven


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":null,"id":"x"}',
        b'{"choices":[],"base_resp":{"status_code":0,"status_msg":""}}',
        b'{"choices":[],"base_resp":{"status_code":true}}',
        b'{"choices":[],"base_resp":[1]}',
        b'{"code":1,"description":"submitted","result":"7"}',
        b'{"code":22,"description":"queued","result":"7"}',
        b'{"code":0,"message":"","data":{}}',
        b'{"code":"success","message":"","data":{}}',
        b'{"success":true}',
        b'\xef\xbb\xbf{"id":"x"}',
    ],
)
def test_what_only_looks_like_an_error_is_an_answer(body: bytes) -> None:
    assert isinstance(read_json(Reply(200, {}, body)), dict)


def test_an_unknown_error_gets_the_class_that_is_asked_for() -> None:
    document = {"error": {"message": "x"}}

    assert isinstance(reported(document, unknown=errors.CutAnswer), errors.CutAnswer)
    assert reported({"id": "x"}) is None


def test_a_failure_carries_what_its_record_needs() -> None:
    headers = {"x-oneapi-request-id": "gw-1", "x-request-id": "up-1", "retry-after": "7"}
    text = "a\x1b[31m\n\u2028b" + "x" * 5000

    failure = read_failure(Reply(500, headers, said(text=text)))

    assert failure.request_id == "gw-1"
    assert failure.retry_after == 7.0
    assert failure.body is not None
    assert len(failure.body) == 2048
    assert failure.message.isprintable()
    assert len(failure.message) < 400
    assert "a [31m b" in failure.message


TITLES = [
    (b"<html><title>Just a moment...</title>", 'a web page, "Just a moment..."'),
    (b'<HTML>\n<TITLE lang="en">\n  Access\n denied\n</TITLE>', 'a web page, "Access denied"'),
    (b"<title>Tom &amp; Jerry\x1b[31m&#x202e;</title>", 'a web page, "Tom & Jerry [31m"'),
    (b"<title>" + 300 * b"x" + b"</title>", f'a web page, "{100 * "x"}"'),
    (b"<title>cut off", 'a web page, "cut off"'),
    (b"<title> </title>", "a web page"),
    (b"<title></title><p>>text<", "a web page"),
    (b"<title", "a web page"),
    (b"<svg/>" + 20_000 * b" " + b"<title>far away</title>", "a web page"),
    (b"<title>\xff\xfe</title>", 'a web page, "\ufffd\ufffd"'),
]


@pytest.mark.parametrize(("body", "told"), TITLES)
def test_a_page_is_told_by_its_title(body: bytes, told: str) -> None:
    failure = read_failure(Reply(403, {}, body))

    assert failure.message.endswith(f"check --base-url and any proxy (HTTP 403): {told}")


def test_a_page_under_a_good_status_is_told_by_its_title_too() -> None:
    with pytest.raises(errors.WebPage, match='a web page, "Welcome": is this the address'):
        read_json(Reply(200, {}, b"<html><title>Welcome</title>"))


def test_the_vendors_request_id_is_the_second_choice() -> None:
    assert read_failure(Reply(500, {"x-request-id": "up-1"}, b"")).request_id == "up-1"


def test_a_redirect_says_where_to() -> None:
    failure = read_failure(Reply(301, {"location": "https://other.example/v1"}, b""))

    assert "check the base URL" in failure.message
    assert "https://other.example/v1" in failure.message


def test_a_file_where_json_was_expected_is_no_answer() -> None:
    with pytest.raises(errors.NotAnAnswer):
        read_json(Reply(200, {}, Saved("x.mp3", 3, "0", "audio/mpeg")))


def test_a_reply_without_an_answer_keeps_its_usage() -> None:
    usage = Usage({Meter.INPUT: 3})

    failure = no_answer(Reply(200, {}, b"{}"), errors.NotAnAnswer, "why", usage)

    assert (failure.usage, failure.status, failure.message) == (usage, 200, "why")


NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT

PAUSES = [
    ({}, None),
    ({"retry-after": "3"}, 3.0),
    ({"retry-after": "0"}, 0.0),
    ({"retry-after": "1.5"}, 1.5),
    ({"retry-after": " 2 "}, 2.0),
    ({"retry-after": "-1"}, None),
    ({"retry-after": "abc"}, None),
    ({"retry-after": ""}, None),
    ({"retry-after": "nan"}, None),
    ({"retry-after": "inf"}, None),
    ({"retry-after": "1e9"}, 900.0),
    ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
    ({"retry-after": "Tue, 14 Nov 2023 22:13:50 -0000"}, 30.0),
    ({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0.0),
    ({"retry-after": "Tue, 14 Nov 2033 22:00:00 GMT"}, 900.0),
    ({"retry-after": "Tue, 99 Nov 2023 22:00:00 GMT"}, None),
    ({"retry-after-ms": "250"}, 0.25),
    ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
    ({"retry-after-ms": "soon", "retry-after": "3"}, 3.0),
]


@pytest.mark.parametrize(("headers", "seconds"), PAUSES)
def test_the_server_says_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@given(st.text())
def test_no_retry_after_is_too_odd(value: str) -> None:
    pause = retry_after({"retry-after": value, "retry-after-ms": value}, NOW)

    assert pause is None or 0 <= pause <= 900


def test_a_date_is_compared_with_the_end_of_the_reply() -> None:
    headers = {"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}

    failure = read_failure(Reply(429, headers, b"", started_at=NOW, ms=10_000))

    assert failure.retry_after == 20.0


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b'{"a":1}', b'{"a":1}'),
        (b'{\r\n  "a": 12345678901234567890.10,\n "b": "x\\ny"\n}\n',
         b'{  "a": 12345678901234567890.10, "b": "x\\ny"}'),
        (b"\xef\xbb\xbf{}", b"{}"),
    ],
)  # fmt: skip
def test_json_becomes_one_line_without_a_changed_value(body: bytes, line: bytes) -> None:
    assert one_line(body) == line
    assert json.loads(line) == json.loads(body.removeprefix(b"\xef\xbb\xbf"))


def test_json_that_is_one_line_is_not_copied() -> None:
    body = b'{"a":1}'

    assert one_line(body) is body


@given(st.integers(100, 999), st.binary() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["error", "code", "type", "message", "description", "status", "success"]),
        inner,
    ),
    max_leaves=6,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_reply_is_too_odd(status: int, body: bytes) -> None:
    with contextlib.suppress(errors.CallFailed):
        assert isinstance(read_json(Reply(status, {}, body)), dict)
