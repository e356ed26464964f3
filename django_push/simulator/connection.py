"""One TLS connection: moves bytes between the transport and an engine, and keeps its stream limit.

APNs allows one stream until the first push was accepted, then 500; after a refused one it was
seen to fall back to one (developer.apple.com, forum thread 54407).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from .engines import Engine, EngineError
from .engines.http1 import Http1Engine
from .service import FULL_LIMIT, Service
from .wire import Answer, Peer

LINGER = 1.0
"""Seconds for which a connection that was told to go away stays open for its last streams."""


@dataclass(frozen=True, kw_only=True)
class Door:
    """What a port stands for."""

    name: str
    environment: str = "production"
    first_limit: int = 1
    full_limit: int = FULL_LIMIT


class Connection(asyncio.Protocol):
    """The server's end of one connection."""

    def __init__(self, service: Service, door: Door, make_engine: Callable[[], Engine]) -> None:
        self.peer = Peer(environment=door.environment)
        self._service = service
        self._door = door
        self._make_engine = make_engine
        self._engine: Engine
        self._transport: asyncio.Transport
        self._held: list[tuple[int, Answer]] = []
        self._limit = door.first_limit
        self._fixed: int | None = None
        self._highest = 0
        self._pending = 0
        self._last: int | None = None
        self._busy = False
        self._closed = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        tls: Any = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.peer.certificate = tls.getpeercert(binary_form=True)
        is_http2 = tls is not None and tls.selected_alpn_protocol() == "h2"
        self.peer.is_http2 = is_http2
        self._engine = self._make_engine() if is_http2 else Http1Engine()
        self._service.channels.add(self)
        self._service.connections += 1
        self._fixed = self._service.behaviour.max_concurrent_streams
        self._limit = self._fixed or self._door.first_limit
        self._engine.start(self._limit)
        self._flush()

    def data_received(self, data: bytes) -> None:
        service = self._service
        if self._last is not None and self._engine.is_over():
            # Read and dropped: closing with unread data could take the last answers along.
            return
        self._busy = True
        try:
            for stream, headers, body in self._engine.receive(data):
                if self._closed:
                    return
                if self._last is not None and stream > self._last:
                    continue  # promised by GOAWAY: not processed
                self._highest = max(self._highest, stream)
                service.handle(self, stream, headers, body)
        except EngineError:
            self._end()
        finally:
            self._busy = False
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self._held.clear()
        self._service.channels.discard(self)
        self._service.past_faults += self._engine.faults

    def pause_writing(self) -> None:
        # A client that does not read its answers gets no more of them.
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    # Channel

    @property
    def faults(self) -> int:
        return self._engine.faults

    def reply(self, stream: int, answer: Answer) -> None:
        if answer.delay:
            self._pending += 1
            asyncio.get_running_loop().call_later(answer.delay, self._reply_late, stream, answer)
            return
        self._engine.respond(stream, answer)
        if answer.status == 200:
            if self._limit < self._door.full_limit and self._fixed is None:
                self._change_limit(self._door.full_limit)
        elif self._limit > 1 and self._fixed is None and self._service.behaviour.fall_to_one:
            self._change_limit(1)
        if answer.goaway:
            self._goaway()

    def hold(self, stream: int, answer: Answer) -> None:
        self._held.append((stream, answer))

    def release(self) -> None:
        held, self._held = self._held, []
        for stream, answer in held:
            self.reply(stream, answer)
        if held:
            self._flush()

    def reset(self, stream: int, code: int) -> None:
        self._engine.reset(stream, code)

    def cut(self) -> None:
        self._closed = True
        self._transport.abort()

    def set_limit(self, streams: int | None) -> None:
        self._fixed = streams
        if streams is not None and streams != self._limit:
            self._change_limit(streams)
            self._flush()

    # own

    def _reply_late(self, stream: int, answer: Answer) -> None:
        self._pending -= 1
        if not self._closed:
            answer.delay = 0.0
            self.reply(stream, answer)
            self._flush()

    def _change_limit(self, streams: int) -> None:
        self._limit = streams
        try:
            self._engine.limit(streams)
        except EngineError:
            self.cut()

    def _goaway(self) -> None:
        if self._last is not None:
            return
        self._last = self._highest
        debug = orjson.dumps({"reason": self._service.behaviour.goaway_reason})
        self._engine.goaway(self._last, debug)
        asyncio.get_running_loop().call_later(LINGER, self._leave)

    def _leave(self) -> None:
        """Close after a GOAWAY, once the answers that were promised are out."""
        if self._closed:
            return
        if self._pending or self._held:
            asyncio.get_running_loop().call_later(LINGER, self._leave)
        else:
            self._end()

    def _end(self) -> None:
        """Write what is left, then close."""
        if not self._closed:
            self._busy = False
            self._flush()
            self._closed = True
            self._transport.close()

    def _flush(self) -> None:
        """Write what the engine has ready: once per batch of requests, not once per answer."""
        if self._busy or self._closed:
            return
        try:
            data = self._engine.take()
        except EngineError:
            self.cut()
            return
        if data:
            self._transport.write(data)
        if self._last is None and self._engine.is_over():
            self._closed = True
            self._transport.close()
