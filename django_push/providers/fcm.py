"""Firebase Cloud Messaging, HTTP v1: Android, and Apple and web apps that use Firebase.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send
https://firebase.google.com/docs/cloud-messaging/error-codes

An address is a registration token, or ``fid:`` and a Firebase installation id.
"""

from __future__ import annotations

import re
import selectors
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import orjson
from django.utils.translation import gettext_noop

from ..conf import push_settings
from ..exceptions import InvalidRegistration
from ..http2 import Answer, Request
from ..messages import Account, Device, Envelope, Result, Status
from . import checking
from .base import CredentialFile, Field, Preview, Probe
from .fcm_credential import PROJECT_ID, load_secret, read_file
from .fcm_payload import PAYLOAD_LIMIT, WRAPPING, build, size
from .http2 import Authorization, Http2Provider, Prepared, by_status, decoded, retry_after
from .oauth import ServiceAccountAuthorization
from .payload import dumps

__all__ = ["FID", "REASONS", "FcmProvider", "translate"]

FID = "fid:"
"""Begins an address that is a Firebase installation id."""

REASONS: Mapping[str, Status] = {
    # FCM's own error codes, in an FcmError.
    "UNREGISTERED": Status.UNREGISTERED,
    "SENDER_ID_MISMATCH": Status.SUSPECT,  # a token of another project
    "INVALID_ARGUMENT": Status.REJECTED,  # unless it is about the token: see _verdict
    "QUOTA_EXCEEDED": Status.DEFERRED,
    "UNAVAILABLE": Status.DEFERRED,
    "INTERNAL": Status.DEFERRED,
    "THIRD_PARTY_AUTH_ERROR": Status.UNAUTHORIZED,  # APNs or Web Push is set up wrong in Firebase
    # Google's general ones, when there is no FcmError.
    "UNAUTHENTICATED": Status.UNAUTHORIZED,  # after the token was renewed once
    "PERMISSION_DENIED": Status.UNAUTHORIZED,
    "RESOURCE_EXHAUSTED": Status.DEFERRED,
    "DEADLINE_EXCEEDED": Status.DEFERRED,
    "ABORTED": Status.DEFERRED,
}
"""Error codes that Google documents. Any other is ``failed``; without one the status decides."""

QUOTA_PAUSE = 60.0
"""Seconds to wait after a 429 that does not say how long, as Google asks."""

_ABOUT_QUOTA = frozenset(("QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED"))
_BAD_TOKEN = re.compile(r"(registration token|installation id).*not (a )?valid", re.I | re.S)
_TOKEN = re.compile(r"[A-Za-z0-9_:.~%+/=\-]{1,1024}")
_FID = re.compile(r"fid:[A-Za-z0-9_\-]{1,100}")


class FcmProvider(Http2Provider[Prepared]):
    """Google's devices. ``Prepared.body`` is what follows the target in the request's body."""

    name = "fcm"
    verbose_name = "Google"
    network = "fcm"
    payload_limit = PAYLOAD_LIMIT
    expired = frozenset(("UNAUTHENTICATED",))
    file_help = gettext_noop(
        "The JSON file of a service account: in the Firebase console under Project settings > "
        "Service accounts > Generate new private key."
    )
    fields: ClassVar[Sequence[Field]] = (
        Field(
            name="topic",
            label=gettext_noop("Project id"),
            help=gettext_noop("Such as my-app-12345; it is in the file."),
            pattern=PROJECT_ID,
        ),
    )

    @property
    def origin(self) -> str:
        return str(push_settings.FCM_URL).rstrip("/")

    def pseudo(self, authority: str) -> list[tuple[str, str]]:
        path = f"/v1/projects/{self.account.topic}/messages:send"
        return [*super().pseudo(authority), (":path", path)]

    def authorization(self, selector: selectors.BaseSelector, owner: object) -> Authorization:
        return ServiceAccountAuthorization(load_secret(self.account.secret), selector, owner)

    def prepare(self, envelope: Envelope) -> Prepared:
        built = build(envelope)
        body = dumps(built)
        if len(body) + WRAPPING > PAYLOAD_LIMIT:
            self._check_size(size(built))  # worth its time only near the limit
        return Prepared((("content-type", "application/json"),), body[1:] + b"}")

    def payload_size(self, envelope: Envelope) -> int:
        return size(build(envelope))

    def requests(
        self, prepared: Prepared, devices: Sequence[tuple[int, str, int]]
    ) -> list[Request]:
        """The token is spliced in, so that a message is serialised once for all devices."""
        joined = "".join([address for _, address, _ in devices])
        if '"' in joined or "\\" in joined:
            # One look at all addresses: none may end the JSON string that it is put into.
            raise ValueError("an address with a quote or a backslash")
        head, rest = b'{"message":{"token":"', b'",' + prepared.body
        if FID in joined:
            return [(key, b"", b"", _head(address) + rest) for key, address, _number in devices]
        return [
            (key, b"", b"", head + address.encode("ascii") + rest)
            for key, address, _number in devices
        ]

    def preview(self, prepared: Prepared, device: Device) -> Preview:
        [(_, _, _, body)] = self.requests(prepared, [device])
        return Preview(dict(prepared.headers), orjson.loads(body))

    def probe(self) -> Probe[Prepared]:
        """With ``validate_only`` Google looks at everything and sends nothing."""
        prepared = self.prepare(checking.envelope())
        body = prepared.body[:-1] + b',"validate_only":true}'
        return Probe(Prepared(prepared.headers, body), checking.throwaway())

    def read(self, answer: Answer) -> Result:
        return translate(answer)

    @classmethod
    def read_file(cls, name: str, content: bytes, password: str = "") -> CredentialFile:
        return read_file(content)

    @classmethod
    def validate_account(cls, account: Account) -> None:
        super().validate_account(account)
        load_secret(account.secret)

    @classmethod
    def check_address(cls, address: str) -> str:
        form = _FID if address.startswith(FID) else _TOKEN
        if not form.fullmatch(address):
            raise InvalidRegistration(
                "A registration token of Google has letters, digits and - _ : only, at most 1024. "
                "Write a Firebase installation id as fid:<id>.",
                code="invalid_token",
                field="address",
            )
        return address


def translate(answer: Answer) -> Result:
    """An answer of FCM that is not a 200, by the table."""
    error = decoded(answer.body).get("error")
    if not isinstance(error, dict):
        error = {}
    details = [each for each in error.get("details") or () if isinstance(each, dict)]
    code = next((each["errorCode"] for each in details if "errorCode" in each), "")
    reason = str(code or error.get("status") or f"HTTP {answer.status}")
    message = str(error.get("message") or "")
    wait = retry_after(answer.headers)
    if wait is None and (reason in _ABOUT_QUOTA or answer.status == 429):
        wait = QUOTA_PAUSE
    return Result(
        _verdict(reason, bool(code), message, details, answer.status),
        reason,
        message[:200],
        retry_after=wait,
    )


def _head(address: str) -> bytes:
    if address.startswith(FID):
        return b'{"message":{"fid":"' + address[len(FID) :].encode("ascii")
    return b'{"message":{"token":"' + address.encode("ascii")


def _verdict(
    reason: str, is_fcm: bool, message: str, details: Sequence[Mapping[str, Any]], status: int
) -> Status:
    """The table, and the one error code that means two things.

    ``INVALID_ARGUMENT`` kills a token only if FCM itself says that the token is not valid; with
    ``fieldViolations`` it is the payload.
    """
    if reason == "INVALID_ARGUMENT" and is_fcm and _BAD_TOKEN.search(message):
        violations = any(each.get("fieldViolations") for each in details)
        return Status.REJECTED if violations else Status.UNREGISTERED
    return REASONS.get(reason) or by_status(status)
