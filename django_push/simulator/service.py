"""The house behind the doors: hands each request to its provider, disturbs it, records it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Protocol

import orjson

from . import apns, fcm, oauth
from .apns import Apns
from .behaviour import Behaviour
from .certificates import Identity
from .fcm import Fcm
from .fcm_errors import not_found
from .oauth import AccessTokens, TokenEndpoint
from .recorder import Recorder
from .wire import Answer, Peer, Request

FULL_LIMIT = 500
"""Concurrent streams that APNs allows once it trusts a connection; Google allows 100."""
GOOGLE_LIMIT = 100


class Channel(Protocol):
    """What the service needs of a connection."""

    peer: Peer

    @property
    def faults(self) -> int:
        """How often the peer broke the protocol."""

    def reply(self, stream: int, answer: Answer) -> None:
        """Answer now or after the answer's delay."""

    def hold(self, stream: int, answer: Answer) -> None:
        """Keep the answer until `release`."""

    def release(self) -> None:
        """Send what was held."""

    def reset(self, stream: int, code: int) -> None:
        """End the stream without an answer."""

    def cut(self) -> None:
        """Close the connection without a word."""

    def set_limit(self, streams: int | None) -> None:
        """Fix the number of concurrent streams, or let it go up as usual."""


class Service:
    """The simulated providers and what is known about their day."""

    def __init__(
        self,
        identity: Identity,
        recorder: Recorder,
        audiences: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.identity = identity
        self.recorder = recorder
        self.behaviour = Behaviour()
        self._disturbs = False
        self.channels: set[Channel] = set()
        self.connections = 0
        self.past_faults = 0
        self._tokens = AccessTokens(clock)
        self._apns = Apns(identity, clock)
        self._fcm = Fcm(identity, self._tokens, clock)
        self._oauth = TokenEndpoint(identity, self._tokens, audiences, clock)
        self._pushes = 0

    @property
    def faults(self) -> int:
        """How often peers broke the protocol, on closed connections and open ones."""
        return self.past_faults + sum(channel.faults for channel in self.channels)

    def behave(self, document: object) -> Behaviour:
        """Change the behaviour by a JSON object; raises BehaviourError and changes nothing."""
        behaviour = self.behaviour.changed(document)
        self.behaviour = behaviour
        self._disturbs = behaviour.disturbs
        self._pushes = 0
        if isinstance(document, dict) and document.get("credentials") == "expire":
            self._apns.expire_credentials()
            self._tokens.expire_all()
        for provider in (self._apns, self._fcm, self._oauth):
            provider.behave(behaviour)
        for channel in list(self.channels):
            channel.set_limit(behaviour.max_concurrent_streams)
            if not behaviour.stall:
                channel.release()
        return behaviour

    def handle(
        self,
        channel: Channel,
        stream: int,
        headers: tuple[tuple[bytes, bytes], ...],
        body: bytes,
    ) -> None:
        """Judge one request and see to its answer."""
        fields = dict(headers)
        path = fields.get(b":path", b"")
        request = Request(channel.peer, path, fields, len(headers), body)
        if path.startswith(apns.PATH) and channel.peer.is_http2:
            answer = self._apns.answer(request)
        elif path.startswith(fcm.PREFIX):
            answer = self._fcm.answer(request)
        else:
            self._other(channel, stream, request)
            return
        if self._disturbs:
            self._disturb(channel, stream, answer)
            return
        record = answer.record
        if record is not None:
            self.recorder.add(record, answer.status, answer.outcome)
        channel.reply(stream, answer)

    def _other(self, channel: Channel, stream: int, request: Request) -> None:
        path = request.path
        if path.partition(b"?")[0] == oauth.PATH:
            answer, provider = self._oauth.answer(request), "oauth"
        elif path.startswith(b"/3"):
            if not request.peer.is_http2:
                self.recorder.count("apns", "http/1.1")
                channel.cut()  # APNs speaks nothing but HTTP/2
                return
            answer, provider = _bad_path(), "apns"
        else:
            answer, provider = not_found(), "other"
        self.recorder.count(provider, answer.outcome)
        channel.reply(stream, answer)

    def _disturb(self, channel: Channel, stream: int, answer: Answer) -> None:
        behaviour, record = self.behaviour, answer.record
        assert record is not None
        self._pushes += 1
        if self._every(behaviour.close_every):
            self.recorder.add(record, 0, "closed")
            channel.cut()
            return
        if self._every(behaviour.rst_every):
            self.recorder.add(record, 0, "reset")
            channel.reset(stream, behaviour.rst_code)
            return
        if behaviour.status is not None and answer.status == 200:
            provider = self._apns if record.provider == "apns" else self._fcm
            answer = provider.forced(answer)
        answer.delay += behaviour.latency_ms / 1000
        answer.goaway = answer.goaway or self._every(behaviour.goaway_every)
        self.recorder.add(record, answer.status, answer.outcome)
        if behaviour.stall:
            channel.hold(stream, answer)
        else:
            channel.reply(stream, answer)

    def _every(self, count: int) -> bool:
        return count > 0 and self._pushes % count == 0


def _bad_path() -> Answer:
    return Answer(404, (), orjson.dumps({"reason": "BadPath"}), "BadPath")
