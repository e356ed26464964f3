"""The control port: plain HTTP on loopback, JSON."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from .behaviour import BehaviourError
from .engines import EngineError
from .engines.http1 import Http1Engine
from .service import Service
from .wire import JSON_TYPE, Answer

_LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
_KNOWN = "GET /status, GET or DELETE /deliveries, GET or PUT /behaviour"


class Control:
    """Answers the control port's requests."""

    def __init__(self, service: Service, facts: dict[str, Any]) -> None:
        self._service = service
        self._facts = facts
        self._routes = {
            ("GET", "/status"): lambda query, body: self.status(),
            ("GET", "/deliveries"): self._deliveries,
            ("DELETE", "/deliveries"): self._clear,
            ("GET", "/behaviour"): lambda query, body: service.behaviour.document(),
            ("PUT", "/behaviour"): self._behave,
        }

    def status(self) -> dict[str, Any]:
        """Return counts by provider and outcome, connections, and how to reach the simulator."""
        service, recorder = self._service, self._service.recorder
        outcomes: dict[str, Counter[str]] = {}
        for (provider, outcome), count in recorder.counts.items():
            outcomes.setdefault(provider, Counter())[outcome] += count
        return {
            **self._facts,
            "last": recorder.last,
            "kept": recorder.kept,
            "outcomes": outcomes,
            "connections": {"open": len(service.channels), "total": service.connections},
            "protocol_faults": service.faults,
            "behaviour": service.behaviour.document(),
        }

    def answer(self, method: str, target: str, body: bytes) -> Answer:
        """Answer one request; faults are 4xx with an ``error`` that says what is possible."""
        url = urlsplit(target)
        route = self._routes.get((method, url.path))
        if route is None:
            return _json({"error": f"There is no {method} {url.path}. There are: {_KNOWN}."}, 404)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        try:
            return _json(route(query, body))
        except ValueError as error:
            return _json({"error": str(error)}, 400)

    def _deliveries(self, query: dict[str, str], body: bytes) -> list[dict[str, Any]]:
        limit = _number(query, "limit", None)
        return self._service.recorder.since(_number(query, "since", 0) or 0, limit)

    def _clear(self, query: dict[str, str], body: bytes) -> dict[str, Any]:
        self._service.recorder.clear()
        return {"last": self._service.recorder.last}

    def _behave(self, query: dict[str, str], body: bytes) -> dict[str, Any]:
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise BehaviourError(f"The body is not JSON: {error}.") from error
        return self._service.behave(document).document()


class ControlConnection(asyncio.Protocol):
    """One client of the control port."""

    def __init__(self, control: Control, open_connections: set[ControlConnection]) -> None:
        self._control = control
        self._open = open_connections
        self._engine = Http1Engine()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)

    def cut(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            for stream, headers, body in self._engine.receive(data):
                fields = dict(headers)
                if _is_local(fields.get(b":authority", b"")):
                    method, path = fields[b":method"].decode("latin-1"), fields[b":path"]
                    answer = self._control.answer(method, path.decode("latin-1"), body)
                else:
                    # A name that some web page had resolve to this machine (DNS rebinding).
                    answer = _json({"error": "Call the control port as 127.0.0.1."}, 403)
                self._engine.respond(stream, answer)
        except EngineError as error:
            self._engine.respond(1, _json({"error": str(error)}, 400))
            self._transport.write(self._engine.take())
            self._transport.close()
            return
        self._transport.write(self._engine.take())


def _is_local(authority: bytes) -> bool:
    try:
        return urlsplit(b"//" + authority).hostname in {name.encode() for name in _LOOPBACK}
    except ValueError:
        return False


def _number(query: dict[str, str], name: str, default: int | None) -> int | None:
    text = query.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise BehaviourError(f"{name} must be a whole number from 0, not {text!r}.")
    return int(text)


def _json(document: object, status: int = 200) -> Answer:
    return Answer(status, (JSON_TYPE, (b"cache-control", b"no-store")), orjson.dumps(document))
