"""APNs: a request in, Apple's answer out. No I/O.

The rules and reasons are those of developer.apple.com, "Sending notification requests to APNs"
and "Handling notification responses from APNs". Where Apple does not say in which order it looks,
or which of two reasons it gives, the choice made here is said in docs/simulator.md.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import orjson

from .apns_auth import ApnsCredentials, Grant
from .behaviour import Behaviour
from .certificates import Identity
from .fates import PREFIX_LENGTH, Fate
from .wire import JSON_TYPE, Answer, Header, Record, Request

PATH = b"/3/device/"
REASONS = {
    "BadCollapseId": 400,
    "BadDeviceToken": 400,
    "BadExpirationDate": 400,
    "BadMessageId": 400,
    "BadPriority": 400,
    "BadTopic": 400,
    "DeviceTokenNotForTopic": 400,
    "DuplicateHeaders": 400,
    "InvalidPushType": 400,
    "MissingDeviceToken": 400,
    "MissingTopic": 400,
    "PayloadEmpty": 400,
    "TopicDisallowed": 400,
    "BadCertificate": 403,
    "BadCertificateEnvironment": 403,
    "ExpiredProviderToken": 403,
    "InvalidProviderToken": 403,
    "MissingProviderToken": 403,
    "Forbidden": 403,
    "BadPath": 404,
    "MethodNotAllowed": 405,
    "ExpiredToken": 410,
    "Unregistered": 410,
    "PayloadTooLarge": 413,
    "TooManyProviderTokenUpdates": 429,
    "TooManyRequests": 429,
    "InternalServerError": 500,
    "ServiceUnavailable": 503,
    "Shutdown": 503,
}
"""Apple's reasons and the status each comes with."""

USUAL_REASON = {
    400: "BadDeviceToken",
    401: "InvalidProviderToken",
    403: "InvalidProviderToken",
    404: "BadPath",
    410: "Unregistered",
    413: "PayloadTooLarge",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}
SUFFIXES = {
    "alert": "",
    "background": "",
    "voip": ".voip",
    "complication": ".complication",
    "fileprovider": ".pushkit.fileprovider",
    "location": ".location-query",
    "liveactivity": ".push-type.liveactivity",
    "pushtotalk": ".voip-ptt",
    "widgets": ".push-type.widgets",
    "controls": ".push-type.controls",
    "mdm": "",
}
"""What each push type appends to the bundle id to make the topic."""

PAYLOAD_LIMIT = 4096
VOIP_PAYLOAD_LIMIT = 5120
COLLAPSE_ID_LIMIT = 64

_FATE_REASON = {
    Fate.UNREGISTERED: "Unregistered",
    Fate.EXPIRED_TOKEN: "ExpiredToken",
    Fate.BAD_TOKEN: "BadDeviceToken",
    Fate.WRONG_APP: "DeviceTokenNotForTopic",
    Fate.TOO_MANY: "TooManyRequests",
    Fate.UNAVAILABLE: "ServiceUnavailable",
    Fate.INTERNAL: "InternalServerError",
}
_HEX = b"0123456789abcdefABCDEF"
_MIN_TOKEN, _MAX_TOKEN = 64, 400
"""Hexadecimal digits. Apple warns not to count on a length; these are far outside what is seen."""
_ID_CHARACTERS = b"0123456789abcdef-"
_ID_LENGTH = 36
_TOPIC = re.compile(r"[A-Za-z0-9.-]{1,255}")
_PRIORITIES = (b"1", b"5", b"10")
_MAX_CACHED = 512


@dataclass(slots=True)
class Verdict:
    """What the header fields alone decide; the same for every device of a push."""

    reason: str | None
    environment: str
    fields: tuple[Header, ...]
    push_type: str = "alert"
    limit: int = PAYLOAD_LIMIT
    expires: float = 0.0


Key = tuple[str, bytes | None, tuple[Header, ...]]


class Apns:
    """The simulated service, for production and sandbox."""

    def __init__(self, identity: Identity, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._credentials = ApnsCredentials(identity, clock)
        self._verdicts: dict[Key, Verdict] = {}
        self._payloads: dict[tuple[str, bytes], tuple[str | None, bytes]] = {}
        self._serial = 0
        self._id_prefix = str(uuid4())[:24]
        self.behave(Behaviour())

    def behave(self, behaviour: Behaviour) -> None:
        """Take over the settings that are this provider's."""
        self._behaviour = behaviour
        self._fates = behaviour.fate_table()
        self._credentials.refuse = behaviour.credentials == "refuse"
        self._credentials.update_interval = behaviour.token_update_interval
        self._verdicts.clear()

    def expire_credentials(self) -> None:
        """Treat every provider token seen so far as too old."""
        self._credentials.expire_all()
        self._verdicts.clear()

    def answer(self, request: Request) -> Answer:
        """Judge one request as Apple would."""
        fields = request.fields
        repeated = request.count > len(fields)
        del fields[b":path"]
        ident = fields.pop(b"apns-id", None)
        verdict = self._verdict(request, tuple(fields.items()))
        payload_fault, body = self._payload(verdict, request.body)
        token = request.path[len(PATH) :]
        reason = "DuplicateHeaders" if repeated else verdict.reason
        if ident is None:
            ident = self._new_id()
        elif not _is_message_id(ident):
            reason, ident = reason or "BadMessageId", self._new_id()
        if reason is None and not _is_token(token):
            reason = "BadDeviceToken" if token else "MissingDeviceToken"
        record = Record("apns", verdict.environment, token, ident, verdict.fields, body)
        if reason is None and payload_fault is None:
            return self._deliver(record)
        return self._refuse(reason or payload_fault, record)

    def forced(self, answer: Answer) -> Answer:
        """Return what the behaviour's ``status`` makes of an answer."""
        assert answer.record is not None
        status = self._behaviour.status or answer.status
        forced = self._refuse(self._behaviour.reason or USUAL_REASON[status], answer.record)
        forced.status = status
        return forced

    def _deliver(self, record: Record) -> Answer:
        fate = self._fates.get(record.token[:PREFIX_LENGTH].lower(), Fate.SENT)
        if fate is not Fate.SENT:
            sandbox = record.environment == "sandbox"
            if fate is Fate.SANDBOX_ONLY and not sandbox:
                return self._refuse("BadDeviceToken", record)
            if fate in _FATE_REASON:
                return self._refuse(_FATE_REASON[fate], record)
        headers: tuple[Header, ...] = ((b"apns-id", record.ident),)
        if record.environment == "sandbox":
            headers = (*headers, (b"apns-unique-id", str(uuid4()).encode()))
        answer = Answer(200, headers, record=record)
        if fate is Fate.SLOW:
            answer.delay = self._behaviour.slow_ms / 1000
        elif fate is Fate.GOAWAY:
            answer.goaway = True
        return answer

    def _refuse(self, reason: str | None, record: Record) -> Answer:
        assert reason is not None
        status = REASONS.get(reason, 400)
        document: dict[str, object] = {"reason": reason}
        if status == 410:
            gone = self._clock() - self._behaviour.unregistered_ago
            document["timestamp"] = int(gone * 1000)
        headers = [(b"apns-id", record.ident), JSON_TYPE]
        retry_after = self._behaviour.retry_after
        if retry_after is not None and status in (429, 503):
            headers.append((b"retry-after", b"%d" % retry_after))
        return Answer(status, tuple(headers), orjson.dumps(document), reason, record)

    def _new_id(self) -> bytes:
        self._serial += 1
        return f"{self._id_prefix}{self._serial:012x}".encode()

    def _verdict(self, request: Request, fields: tuple[Header, ...]) -> Verdict:
        """Judge the header fields, once for all requests that have the same ones."""
        key = (request.peer.environment, request.peer.certificate, fields)
        verdict = self._verdicts.get(key)
        if verdict is None or (verdict.expires and verdict.expires < self._clock()):
            verdict, lasting = self._judge(request, fields)
            if lasting:
                if len(self._verdicts) >= _MAX_CACHED:
                    self._verdicts.clear()
                self._verdicts[key] = verdict
        return verdict

    def _judge(self, request: Request, fields: tuple[Header, ...]) -> tuple[Verdict, bool]:
        given, peer = request.fields, request.peer
        sandbox = peer.environment == "sandbox" or b"sandbox" in given.get(b":authority", b"")
        environment = "sandbox" if sandbox else "production"
        grant = self._credentials.check(given.get(b"authorization"), peer.certificate, environment)
        push_type = given.get(b"apns-push-type", b"alert").decode("latin-1")
        reason = _method_fault(given) or grant.reason or _header_fault(given, push_type, grant)
        limit = VOIP_PAYLOAD_LIMIT if push_type == "voip" else PAYLOAD_LIMIT
        verdict = Verdict(reason, environment, fields, push_type, limit, grant.expires)
        return verdict, grant.lasting

    def _payload(self, verdict: Verdict, body: bytes) -> tuple[str | None, bytes]:
        """Return what is wrong with a body, and the one copy of it that is kept."""
        if len(body) > verdict.limit:
            return "PayloadTooLarge", body
        key = (verdict.push_type, body)
        known = self._payloads.get(key)
        if known is None:
            if len(self._payloads) >= _MAX_CACHED:
                self._payloads.clear()
            known = self._payloads[key] = (_payload_fault(body, verdict.push_type), body)
        return known


def _method_fault(given: dict[bytes, bytes]) -> str | None:
    return None if given.get(b":method") == b"POST" else "MethodNotAllowed"


def _is_token(token: bytes) -> bool:
    # translate() leaves what is not hexadecimal, in a third of a regular expression's time.
    size = len(token)
    return _MIN_TOKEN <= size <= _MAX_TOKEN and not size % 2 and not token.translate(None, _HEX)


def _is_message_id(ident: bytes) -> bool:
    """Tell whether `ident` is a UUID in lower case, 8-4-4-4-12."""
    return (
        len(ident) == _ID_LENGTH
        and not ident.translate(None, _ID_CHARACTERS)
        and ident[8] == ident[13] == ident[18] == ident[23] == ord("-")
        and ident.count(b"-") == 4
    )


def _header_fault(given: dict[bytes, bytes], push_type: str, grant: Grant) -> str | None:
    if push_type not in SUFFIXES:
        return "InvalidPushType"
    priority = given.get(b"apns-priority", b"10")
    if priority not in _PRIORITIES or (push_type == "background" and priority != b"5"):
        return "BadPriority"
    if not given.get(b"apns-expiration", b"0").isdigit():
        return "BadExpirationDate"
    if not 1 <= len(given.get(b"apns-collapse-id", b"-")) <= COLLAPSE_ID_LIMIT:
        return "BadCollapseId"
    return _topic_fault(given.get(b"apns-topic"), push_type, grant)


def _topic_fault(given: bytes | None, push_type: str, grant: Grant) -> str | None:
    if given is None:
        # Only a certificate for a single topic leaves no doubt which one is meant.
        single = grant.is_certificate and len(grant.topics) == 1
        return None if single else "MissingTopic"
    topic = given.decode("latin-1")
    if not _TOPIC.fullmatch(topic):
        return "BadTopic"
    suffix = SUFFIXES[push_type]
    if grant.is_certificate:
        if topic not in grant.topics or push_type == "location":
            return "TopicDisallowed"
        return None if topic.endswith(suffix) else "InvalidPushType"
    if any(topic == bundle + suffix for bundle in grant.topics):
        return None
    known = any(topic == bundle + other for bundle in grant.topics for other in SUFFIXES.values())
    return "InvalidPushType" if known else "TopicDisallowed"


def _payload_fault(body: bytes, push_type: str) -> str | None:
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "PayloadEmpty"
    if not isinstance(payload, dict) or not payload:
        return "PayloadEmpty"
    if push_type == "mdm":
        return None
    return None if isinstance(payload.get("aps"), dict) else "PayloadEmpty"
