"""Apple Push Notification service, by token key or by certificate.

https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns
"""

from __future__ import annotations

import re
import selectors
import ssl
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import orjson
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from ..conf import push_settings
from ..exceptions import InvalidCredential, InvalidPush, InvalidRegistration, PayloadTooLarge
from ..http2 import Answer, Request, literal
from ..messages import Account, Device, Envelope, Environment, PushType, Result, Status
from . import checking
from .apns_credential import PushCertificate, TokenKey, load_secret, read_file
from .apns_payload import PAYLOAD_LIMIT, build, limit_for
from .apns_token import TokenAuthorization
from .base import CredentialFile, Field, Preview, Probe
from .clientcert import load_client_certificate
from .http2 import (
    Authorization,
    Http2Provider,
    Prepared,
    by_status,
    decoded,
    new_context,
    retry_after,
)

__all__ = ["REASONS", "ApnsProvider"]

TOKEN_UPDATES_PAUSE = 1200.0
"""Seconds: Apple wants no new provider token more often than every 20 minutes."""

REASONS: Mapping[str, Status] = {
    # The device has no app any more, or a new token. Apple delays this on purpose.
    "Unregistered": Status.UNREGISTERED,
    "ExpiredToken": Status.UNREGISTERED,
    # Wrong environment or wrong topic, or a malformed token: one device's fault or our set-up's.
    "BadDeviceToken": Status.SUSPECT,
    "DeviceTokenNotForTopic": Status.SUSPECT,
    # The request is at fault, and would be for every device.
    "BadCollapseId": Status.REJECTED,
    "BadExpirationDate": Status.REJECTED,
    "BadMessageId": Status.REJECTED,
    "BadPriority": Status.REJECTED,
    "DuplicateHeaders": Status.REJECTED,
    "InvalidPushType": Status.REJECTED,
    "MissingDeviceToken": Status.REJECTED,
    "PayloadEmpty": Status.REJECTED,
    "PayloadTooLarge": Status.REJECTED,
    "BadPath": Status.REJECTED,
    "MethodNotAllowed": Status.REJECTED,
    # The account.
    "BadCertificate": Status.UNAUTHORIZED,
    "BadCertificateEnvironment": Status.UNAUTHORIZED,
    "ExpiredProviderToken": Status.UNAUTHORIZED,  # after it was renewed once
    "InvalidProviderToken": Status.UNAUTHORIZED,
    "MissingProviderToken": Status.UNAUTHORIZED,
    "Forbidden": Status.UNAUTHORIZED,
    "UnrelatedKeyIdInToken": Status.UNAUTHORIZED,
    "BadEnvironmentKeyIdInToken": Status.UNAUTHORIZED,
    # Its bundle id, which the message does not choose: mended there, the push goes on.
    "BadTopic": Status.UNAUTHORIZED,
    "MissingTopic": Status.UNAUTHORIZED,
    "TopicDisallowed": Status.UNAUTHORIZED,
    # Later.
    "TooManyRequests": Status.DEFERRED,  # to this device
    "TooManyProviderTokenUpdates": Status.DEFERRED,
    "IdleTimeout": Status.DEFERRED,
    "InternalServerError": Status.DEFERRED,
    "ServiceUnavailable": Status.DEFERRED,
    "Shutdown": Status.DEFERRED,
}
"""Reasons that Apple documents. Any other is ``failed``; without a reason the status decides."""

_REFUSALS = [
    reason
    for reason, status in REASONS.items()
    if status is Status.UNAUTHORIZED and reason != "ExpiredProviderToken"
]
_ABOUT_TOPIC = frozenset(("BadTopic", "MissingTopic", "TopicDisallowed"))
_LONGEST_TOKEN = 400
_TOKEN = re.compile(rf"[A-Za-z0-9_\-]{{1,{_LONGEST_TOKEN}}}")
_TOKEN_CHARACTERS = (string.ascii_letters + string.digits + "-_").encode()
_HEX = re.compile(r"[0-9A-Fa-f]{64,}")
_PATH = "/3/device/"
_PATH_HEADS = tuple(
    literal(":path", _PATH + "0" * length)[: -length or None]
    for length in range(_LONGEST_TOKEN + 1)
)
"""The literal ``:path`` up to the token, by the token's length."""
_NODE = 0xFFFF_FFFF_FFFF  # a UUID's last group has 48 bits
_ID_HEAD = literal("apns-id", "0" * 36)[:-36]


@dataclass(frozen=True, slots=True)
class ApnsPrepared(Prepared):
    """An APNs payload."""

    id_format: bytes
    """``apns-id`` as a literal but for the installation: see :meth:`ApnsProvider.requests`."""


class ApnsProvider(Http2Provider[ApnsPrepared]):
    """Apple devices."""

    name = "apns"
    verbose_name = "Apple"
    network = "apns"
    payload_limit = PAYLOAD_LIMIT
    about_device = frozenset(("TooManyRequests",))
    expired = frozenset(("ExpiredProviderToken",))
    file_help = gettext_noop(
        "A token key (.p8), or a push certificate with its private key (.p12 or .pem). "
        "A token key does not expire and serves all your apps."
    )
    fields: ClassVar[tuple[Field, ...]] = (
        Field(
            name="topic",
            label=gettext_noop("Bundle id"),
            help=gettext_noop("Such as com.example.app, as in Xcode."),
            pattern=r"[A-Za-z0-9.\-]{1,155}",
        ),
        Field(
            name="key_id",
            label=gettext_noop("Key id"),
            help=gettext_noop(
                "10 letters and digits, beside the key on Apple's page and in the name of the "
                ".p8 file. Not needed for a certificate."
            ),
            pattern=r"[A-Z0-9]{10}",
            required=False,
        ),
        Field(
            name="team_id",
            label=gettext_noop("Team id"),
            help=gettext_noop(
                "10 letters and digits, under Membership on Apple's page. Not needed for a "
                "certificate."
            ),
            pattern=r"[A-Z0-9]{10}",
            required=False,
        ),
    )

    @property
    def origin(self) -> str:
        sandbox = self.account.environment == Environment.SANDBOX
        name = "APNS_SANDBOX_URL" if sandbox else "APNS_PRODUCTION_URL"
        return str(getattr(push_settings, name)).rstrip("/")

    def context(self) -> ssl.SSLContext:
        found = load_secret(self.account.secret)
        if isinstance(found, TokenKey):
            return super().context()
        context = new_context(push_settings.CA_FILE)
        load_client_certificate(context, found.certificate, found.key)
        return context

    def authorization(self, selector: selectors.BaseSelector, owner: object) -> Authorization:
        found = load_secret(self.account.secret)
        if isinstance(found, TokenKey):
            public = self.account.public
            return TokenAuthorization(found.pem, public["key_id"], public["team_id"])
        return Authorization()

    def refusal(self, error: str) -> str:
        """Apple may say it in GOAWAY; TLS 1.3 tells only after the handshake that a client
        certificate is not wanted."""
        if any(reason in error for reason in _REFUSALS):
            return f"Apple refused the credential: {error}"
        about_it = "alert" in error and ("certificate" in error or "unknown ca" in error)
        return f"Apple refused the certificate: {error}" if about_it else ""

    def prepare(self, envelope: Envelope) -> ApnsPrepared:
        if envelope.message.push_type is PushType.LOCATION:
            self._check_token_account()
        headers, body = build(envelope, self.account.topic)
        limit = limit_for(headers)
        if len(body) > limit:
            raise PayloadTooLarge(self.verbose_name, len(body), limit)
        return ApnsPrepared(
            headers, body, _ID_HEAD + envelope.push_id[:24].lower().encode() + b"%012x"
        )

    def payload_size(self, envelope: Envelope) -> int:
        return len(build(envelope, self.account.topic)[1])

    def requests(
        self, prepared: ApnsPrepared, devices: Sequence[tuple[int, str, int]]
    ) -> list[Request]:
        """``apns-id`` is the push's id with the installation's number in its last group, so that
        a repeat bears the same id and Apple's console finds it."""
        joined = "".join([address for _, address, _ in devices])
        if joined.encode("ascii").translate(None, _TOKEN_CHARACTERS):
            # A malformed path would end the connection for all.
            raise ValueError("an address that is not a device token")
        heads, id_format, body = _PATH_HEADS, prepared.id_format, prepared.body
        return [
            (key, heads[len(token)] + token.encode("ascii"), id_format % (number & _NODE), body)
            for key, token, number in devices
        ]

    def preview(self, prepared: ApnsPrepared, device: Device) -> Preview:
        apns_id = prepared.id_format[len(_ID_HEAD) :] % (device.installation & _NODE)
        headers = {
            ":path": _PATH + device.address,
            "apns-id": apns_id.decode(),
            **dict(prepared.headers),
        }
        return Preview(headers, orjson.loads(prepared.body))

    def probe(self) -> Probe[ApnsPrepared]:
        """Apple says ``BadDeviceToken`` of an invented token only after it took the account and
        its topic."""
        return Probe(self.prepare(checking.envelope()), checking.throwaway(), _ABOUT_TOPIC)

    def read(self, answer: Answer) -> Result:
        said = decoded(answer.body)
        reason = str(said.get("reason") or f"HTTP {answer.status}")
        status = REASONS.get(reason) or by_status(answer.status)
        return Result(
            status,
            reason,
            "" if said else answer.body[:200].decode("utf-8", "replace"),
            retry_after=None if status is Status.UNREGISTERED else _wait(reason, answer),
            invalid_since=_moment(said.get("timestamp")) if answer.status == 410 else None,
        )

    def _check_token_account(self) -> None:
        secret = self.account.secret
        if secret and isinstance(load_secret(secret), PushCertificate):
            raise InvalidPush(
                "Location pushes need a token key (.p8): Apple takes none with a certificate.",
                field="push_type",
            )

    @classmethod
    def read_file(cls, name: str, content: bytes, password: str = "") -> CredentialFile:
        return read_file(name, content, password)

    @classmethod
    def validate_account(cls, account: Account) -> None:
        super().validate_account(account)
        found = load_secret(account.secret)
        if isinstance(found, PushCertificate):
            _check_certificate(found, account)
            return
        for spec in cls.fields:
            if not spec.value_in(account):
                raise InvalidCredential(
                    _("%(label)s is missing: a .p8 key does not work without it. %(help)s")
                    % {"label": _(spec.label), "help": _(spec.help)},
                    code="missing",
                    field=spec.name,
                )

    @classmethod
    def check_address(cls, address: str) -> str:
        """Apple: never assume a length. Hexadecimal tokens, which are all known ones, are kept in
        lower case, so that one device has one address."""
        if not _TOKEN.fullmatch(address):
            raise InvalidRegistration(
                "A device token of Apple has only letters, digits, “-” and “_”, at most "
                f"{_LONGEST_TOKEN}. Send it as hexadecimal, without spaces and brackets.",
                code="invalid_token",
                field="address",
            )
        return address.lower() if _HEX.fullmatch(address) else address


def _check_certificate(found: PushCertificate, account: Account) -> None:
    if found.expires_at <= datetime.now(UTC):
        raise InvalidCredential(
            _("The certificate expired on %(date)s. Renew it with Apple and upload the new one.")
            % {"date": found.expires_at.date().isoformat()},
            code="expired",
        )
    if found.environments and account.environment not in found.environments:
        raise InvalidCredential(
            _("This certificate is for %(its)s only; choose that environment.")
            % {"its": ", ".join(found.environments)},
            code="wrong_environment",
            field="environment",
        )
    if found.topics and account.topic not in found.topics:
        raise InvalidCredential(
            _("This certificate is for %(its)s, not for %(topic)s.")
            % {"its": found.topics[0], "topic": account.topic},
            code="wrong_topic",
            field="topic",
        )


def _wait(reason: str, answer: Answer) -> float | None:
    if reason == "TooManyProviderTokenUpdates":
        return TOKEN_UPDATES_PAUSE
    return retry_after(answer.headers)


def _moment(timestamp: object) -> datetime | None:
    """Apple's milliseconds since 1970."""
    if not isinstance(timestamp, int | float):
        return None
    try:
        return datetime.fromtimestamp(timestamp / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
