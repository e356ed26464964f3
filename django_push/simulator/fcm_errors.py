"""FCM's error bodies (firebase.google.com/docs/cloud-messaging/error-codes)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from .fates import Fate
from .fcm_schema import Violation
from .wire import JSON_TYPE, Answer

ERRORS = {
    "INVALID_ARGUMENT": (
        400,
        "INVALID_ARGUMENT",
        "The registration token is not a valid FCM registration token",
    ),
    "THIRD_PARTY_AUTH_ERROR": (401, "UNAUTHENTICATED", "Auth error from APNS or Web Push Service"),
    "SENDER_ID_MISMATCH": (403, "PERMISSION_DENIED", "SenderId mismatch"),
    "UNREGISTERED": (404, "NOT_FOUND", "Requested entity was not found."),
    "QUOTA_EXCEEDED": (429, "RESOURCE_EXHAUSTED", "Quota exceeded for the message target."),
    "INTERNAL": (500, "INTERNAL", "Internal error encountered."),
    "UNAVAILABLE": (503, "UNAVAILABLE", "The service is currently unavailable."),
}
"""FCM's error codes: HTTP status, canonical status, message."""

USUAL_CODE = {
    400: "INVALID_ARGUMENT",
    401: "THIRD_PARTY_AUTH_ERROR",
    403: "SENDER_ID_MISMATCH",
    404: "UNREGISTERED",
    410: "UNREGISTERED",
    413: "INVALID_ARGUMENT",
    429: "QUOTA_EXCEEDED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
FATE_CODE = {
    Fate.UNREGISTERED: "UNREGISTERED",
    Fate.EXPIRED_TOKEN: "UNREGISTERED",
    Fate.BAD_TOKEN: "INVALID_ARGUMENT",
    Fate.WRONG_APP: "SENDER_ID_MISMATCH",
    Fate.TOO_MANY: "QUOTA_EXCEEDED",
    Fate.UNAVAILABLE: "UNAVAILABLE",
    Fate.INTERNAL: "INTERNAL",
}
RETRY_AFTER = {429: 60, 503: 10}
"""Seconds. Google asks those who get a 429 without ``retry-after`` to wait for a minute."""

_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_NO_CREDENTIAL = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login "
    "cookie or other valid authentication credential."
)
_BAD_CREDENTIAL = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie "
    "or other valid authentication credential."
)


def fcm_error(code: str, retry_after: int | None = None) -> Answer:
    """Answer with one of FCM's own error codes, in an FcmError."""
    status, canonical, message = ERRORS.get(code, (400, "INVALID_ARGUMENT", code))
    details = [{"@type": _FCM_ERROR, "errorCode": code}]
    answer = _error(status, canonical, message, details, code)
    wait = RETRY_AFTER.get(status) if retry_after is None else retry_after
    if wait is not None and status in RETRY_AFTER:
        answer.headers = (*answer.headers, (b"retry-after", b"%d" % wait))
    return answer


def bad_request(faults: Sequence[Violation], *, is_message: bool) -> Answer:
    """Answer that the payload is wrong. `is_message`: FCM itself said so, not the JSON parser."""
    shown = [{"field": fault.field, "description": fault.description} for fault in faults]
    details: list[Mapping[str, Any]] = [{"@type": _BAD_REQUEST, "fieldViolations": shown}]
    if is_message:
        details.append({"@type": _FCM_ERROR, "errorCode": "INVALID_ARGUMENT"})
    text = "\n".join(fault.description for fault in faults)
    return _error(400, "INVALID_ARGUMENT", text, details, "INVALID_ARGUMENT")


def not_json(text: str) -> Answer:
    """Answer that the body is not JSON."""
    message = f"Invalid JSON payload received. {text}"
    return _error(400, "INVALID_ARGUMENT", message, [], "INVALID_ARGUMENT")


def unauthenticated(*, missing: bool) -> Answer:
    """Answer that there is no access token, or none that is good."""
    reason = "CREDENTIALS_MISSING" if missing else "ACCESS_TOKEN_EXPIRED"
    message = _NO_CREDENTIAL if missing else _BAD_CREDENTIAL
    answer = _error(401, "UNAUTHENTICATED", message, [_info(reason)], "UNAUTHENTICATED")
    challenge = (b"www-authenticate", b'Bearer realm="https://accounts.google.com/"')
    answer.headers = (*answer.headers, challenge)
    return answer


def permission_denied(project: str) -> Answer:
    """Answer that the account may not send for `project`."""
    message = (
        "Permission 'cloudmessaging.messages.create' denied on resource "
        f"'//cloudresourcemanager.googleapis.com/projects/{project}' (or it may not exist)."
    )
    details = [_info("IAM_PERMISSION_DENIED")]
    return _error(403, "PERMISSION_DENIED", message, details, "PERMISSION_DENIED")


def not_found() -> Answer:
    """Answer to an address that Google does not have."""
    return _error(404, "NOT_FOUND", "Method not found.", [], "NOT_FOUND")


def _info(reason: str) -> Mapping[str, Any]:
    metadata = {
        "service": "fcm.googleapis.com",
        "method": "google.firebase.fcm.v1.FcmService.SendMessage",
    }
    return {
        "@type": _ERROR_INFO,
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": metadata,
    }


def _error(
    code: int, status: str, message: str, details: Sequence[Mapping[str, Any]], outcome: str
) -> Answer:
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    if details:
        error["details"] = details
    return Answer(code, (JSON_TYPE,), orjson.dumps({"error": error}), outcome)
