"""FCM HTTP v1: a request in, Google's answer out. No I/O.

Source: firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send.
"""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from .behaviour import Behaviour
from .certificates import Identity
from .fates import PREFIX_LENGTH, Fate
from .fcm_errors import (
    FATE_CODE,
    USUAL_CODE,
    bad_request,
    fcm_error,
    not_found,
    not_json,
    permission_denied,
    unauthenticated,
)
from .fcm_rules import rule_violations, target_of
from .fcm_schema import Violation, canonical, violations
from .oauth import AccessTokens
from .wire import JSON_TYPE, Answer, Header, Record, Request

PREFIX = b"/v1/projects/"
SUFFIX = b"/messages:send"
_BEARER = b"bearer "
_TOKEN_CHARACTERS = (string.ascii_letters + string.digits + "_:.-").encode()
_MIN_TOKEN, _MAX_TOKEN = 16, 4096
_TOKEN_KEY = b'"token":"'
_MAX_CACHED = 512


@dataclass(slots=True)
class Message:
    """What a request body says. Apart from `value` it is the same for all tokens of a push."""

    fault: Answer | None
    target: str = "token"
    value: bytes = b""
    dry_run: bool = False


class Fcm:
    """The simulated service, for one project."""

    def __init__(
        self,
        identity: Identity,
        tokens: AccessTokens,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._project = identity.project_id
        self._path = PREFIX + identity.project_id.encode() + SUFFIX
        self._name = f"projects/{identity.project_id}/messages/"
        self._tokens = tokens
        self._clock = clock
        self._messages: dict[bytes, Message] = {}
        self._shared: dict[tuple[Header, ...], tuple[Header, ...]] = {}
        self._serial = 0
        self._run = secrets.token_hex(8)
        self.behave(Behaviour())

    def behave(self, behaviour: Behaviour) -> None:
        """Take over the settings that are this provider's."""
        self._behaviour = behaviour
        self._fates = behaviour.fate_table()

    def answer(self, request: Request) -> Answer:
        """Judge one request as Google would."""
        fields = request.fields
        del fields[b":path"]
        shared = self._share(tuple(fields.items()))
        record = Record("fcm", "production", b"", b"", shared, request.body)
        answer = self._refusal(request) or self._judge(record)
        answer.record = record
        return answer

    def forced(self, answer: Answer) -> Answer:
        """Return what the behaviour's ``status`` makes of an answer."""
        status = self._behaviour.status or answer.status
        code = self._behaviour.reason or USUAL_CODE[status]
        forced = fcm_error(code, self._behaviour.retry_after)
        forced.status = status
        forced.record = answer.record
        return forced

    def _refusal(self, request: Request) -> Answer | None:
        fields, path = request.fields, request.path
        if path != self._path:
            path = path.partition(b"?")[0]
        if not path.endswith(SUFFIX) or fields.get(b":method") != b"POST":
            return not_found()
        authorization = fields.get(b"authorization", b"")
        if authorization[:7].lower() != _BEARER:
            return unauthenticated(missing=True)
        refuse = self._behaviour.credentials == "refuse"
        if refuse or not self._tokens.is_good(authorization[7:].strip()):
            return unauthenticated(missing=False)
        if path != self._path:
            project = path[len(PREFIX) : -len(SUFFIX)].decode("latin-1")
            return permission_denied(project)
        return None

    def _judge(self, record: Record) -> Answer:
        message = self._message(record.body)
        record.token = message.value
        if message.fault is not None:
            fault = message.fault
            return Answer(fault.status, fault.headers, fault.body, fault.outcome)
        fate = Fate.SENT
        if message.target in ("token", "fid"):
            if not _is_token(message.value):
                return fcm_error("INVALID_ARGUMENT")
            fate = self._fates.get(message.value[:PREFIX_LENGTH].lower(), Fate.SENT)
            if fate in FATE_CODE:
                return fcm_error(FATE_CODE[fate], self._behaviour.retry_after)
        return self._accept(record, fate, dry_run=message.dry_run)

    def _accept(self, record: Record, fate: Fate, *, dry_run: bool) -> Answer:
        if dry_run:
            name = f"{self._name}fake_message_id"
        else:
            self._serial += 1
            name = f"{self._name}0:{int(self._clock() * 1e6)}%{self._run}{self._serial:08x}"
        record.ident = name.encode()
        answer = Answer(200, (JSON_TYPE,), b'{\n  "name": "%s"\n}\n' % record.ident)
        if dry_run:
            answer.outcome = "validated"
        if fate is Fate.SLOW:
            answer.delay = self._behaviour.slow_ms / 1000
        elif fate is Fate.GOAWAY:
            answer.goaway = True
        return answer

    def _message(self, body: bytes) -> Message:
        """Read a body; bodies that differ in nothing but the token are read once.

        The token is cut out where ``"token":"`` occurs exactly once and the value is made of
        characters that mean nothing in JSON, so that the rest reads the same with any other.
        """
        before, key, rest = body.partition(_TOKEN_KEY)
        token, quote, after = rest.partition(b'"')
        if not quote or _TOKEN_KEY in after or not _is_token(token):
            return _read(body)
        template = before + key + quote + after
        known = self._messages.get(template)
        if known is None:
            known = _read(body)
            if known.target != "token" or known.value != token:
                return known
            if len(self._messages) >= _MAX_CACHED:
                self._messages.clear()
            self._messages[template] = known
        return Message(known.fault, "token", token, known.dry_run)

    def _share(self, fields: tuple[Header, ...]) -> tuple[Header, ...]:
        if len(self._shared) >= _MAX_CACHED:
            self._shared.clear()
        return self._shared.setdefault(fields, fields)


def _is_token(value: bytes) -> bool:
    # translate() leaves what a token never has, in a third of a regular expression's time.
    fits = _MIN_TOKEN <= len(value) <= _MAX_TOKEN
    return fits and not value.translate(None, _TOKEN_CHARACTERS)


def _read(body: bytes) -> Message:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Message(not_json(str(error)))
    if not isinstance(document, dict):
        return Message(not_json("Root element must be a message."))
    return _check(canonical(document))


def _check(document: dict[str, Any]) -> Message:
    faults: list[Violation] = list(violations(document))
    message = document.get("message")
    if faults:
        value = _value(message, "token") if isinstance(message, dict) else b""
        return Message(bad_request(faults, is_message=False), "token", value)
    message = message or {}
    target = target_of(message) or "token"
    faults = list(rule_violations(message))
    fault = bad_request(faults, is_message=True) if faults else None
    return Message(fault, target, _value(message, target), bool(document.get("validate_only")))


def _value(message: dict[str, Any], target: str) -> bytes:
    value = message.get(target)
    if not isinstance(value, str):
        return b""
    return value.encode() if target in ("token", "fid") else f"{target}:{value}".encode()
