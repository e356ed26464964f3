from __future__ import annotations

from typing import Any

import orjson
import pytest

from django_push.http2 import Answer
from django_push.messages import Result, Status
from django_push.providers.fcm import QUOTA_PAUSE, REASONS, translate

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
BAD_TOKEN = "The registration token is not a valid FCM registration token"


def body(
    status: str, message: str = "", code: str = "", violations: list[Any] | None = None
) -> bytes:
    details: list[dict[str, Any]] = []
    if code:
        details.append({"@type": FCM_ERROR, "errorCode": code})
    if violations is not None:
        details.append({"@type": BAD_REQUEST, "fieldViolations": violations})
    return orjson.dumps({"error": {"status": status, "message": message, "details": details}})


def read(status: int, content: bytes, **headers: str) -> Result:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return translate(Answer(1, status, named, content))


VIOLATION = [{"field": "message.data[0].value", "description": "Invalid value"}]
ANSWERS = {
    "dead": (404, body("NOT_FOUND", code="UNREGISTERED"), Status.UNREGISTERED),
    "bad token": (
        400, body("INVALID_ARGUMENT", BAD_TOKEN, "INVALID_ARGUMENT"), Status.UNREGISTERED
    ),
    "no FcmError": (400, body("INVALID_ARGUMENT", BAD_TOKEN), Status.REJECTED),
    "both": (
        400, body("INVALID_ARGUMENT", BAD_TOKEN, "INVALID_ARGUMENT", VIOLATION), Status.REJECTED
    ),
    "payload": (
        400, body("INVALID_ARGUMENT", "Invalid value", "", VIOLATION), Status.REJECTED
    ),
    "too big": (
        400, body("INVALID_ARGUMENT", "Android message is too big", "INVALID_ARGUMENT"),
        Status.REJECTED,
    ),
    "other sender": (403, body("PERMISSION_DENIED", "", "SENDER_ID_MISMATCH"), Status.SUSPECT),
    "no right": (403, body("PERMISSION_DENIED"), Status.UNAUTHORIZED),
    "quota": (429, body("RESOURCE_EXHAUSTED", "", "QUOTA_EXCEEDED"), Status.DEFERRED),
    "general quota": (429, body("RESOURCE_EXHAUSTED"), Status.DEFERRED),
    "unavailable": (503, body("UNAVAILABLE", "", "UNAVAILABLE"), Status.DEFERRED),
    "internal": (500, body("INTERNAL", "", "INTERNAL"), Status.DEFERRED),
    "deadline": (504, body("DEADLINE_EXCEEDED"), Status.DEFERRED),
    "aborted": (409, body("ABORTED"), Status.DEFERRED),
    "APNs in Firebase": (
        401, body("UNAUTHENTICATED", "", "THIRD_PARTY_AUTH_ERROR"), Status.UNAUTHORIZED
    ),
    "token": (401, body("UNAUTHENTICATED"), Status.UNAUTHORIZED),
    "not found": (404, body("NOT_FOUND"), Status.FAILED),
    "new": (400, body("FAILED_PRECONDITION", "", "SOMETHING_NEW"), Status.FAILED),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name: str) -> None:
    status, content, verdict = ANSWERS[name]
    assert read(status, content).status is verdict


def test_every_reason_of_the_table_is_tried_above() -> None:
    assert {read(*ANSWERS[name][:2]).reason for name in ANSWERS} >= set(REASONS)


def test_googles_own_words_are_kept() -> None:
    result = read(404, body("NOT_FOUND", "Requested entity was not found.", "UNREGISTERED"))
    assert result.reason == "UNREGISTERED"
    assert result.detail == "Requested entity was not found."


def test_a_quota_is_waited_for_a_minute_unless_told() -> None:
    quota = body("RESOURCE_EXHAUSTED", "", "QUOTA_EXCEEDED")
    assert read(429, quota).retry_after == QUOTA_PAUSE == 60
    assert read(429, quota, retry_after="7").retry_after == 7
    assert read(429, b"").retry_after == 60
    assert read(503, body("UNAVAILABLE"), retry_after="9").retry_after == 9
    assert read(500, body("INTERNAL")).retry_after is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"error": "x"}',
        b'{"error": {"details": ["x", 1]}}',
        b'{"error": 1}',
    ],
)
def test_answers_of_a_proxy(content: bytes) -> None:
    assert read(502, content).status is Status.DEFERRED
    assert read(429, content).status is Status.DEFERRED
    result = read(404, content)
    assert (result.status, result.reason) == (Status.FAILED, "HTTP 404")
