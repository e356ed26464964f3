"""HTTP engines: bytes in, complete requests out, answers as bytes. None of them does any I/O.

All of them have the interface of `Engine`. HTTP/2 comes from `ngh2` (nghttp2 inside) where it is
installed, and else from `h2`, which is about twenty times slower. HTTP/1.1 is for Google's
endpoints, which many client libraries still call that way, and for the control port.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Protocol

from ..wire import Answer, Header

MAX_BODY = 65_536
"""Bytes of a request body that are kept. More than any provider takes: what is cut off was too
large already."""

Arrival = tuple[int, tuple[Header, ...], bytes]
"""A complete request: stream, header fields (pseudo-headers first), body."""


class EngineError(Exception):
    """The peer broke the protocol, or the connection is of no more use. It is to be closed."""


class Engine(Protocol):
    """One connection's protocol state."""

    name: str

    @property
    def faults(self) -> int:
        """How often the peer broke the protocol, so that the engine itself refused."""

    def start(self, limit: int) -> None:
        """Open the connection; the client may have `limit` concurrent streams."""

    def receive(self, data: bytes) -> list[Arrival]:
        """Take bytes from the wire; return the requests they complete. Raises EngineError."""

    def respond(self, stream: int, answer: Answer) -> bool:
        """Answer a request; False when its stream is gone."""

    def reset(self, stream: int, code: int) -> None:
        """End a stream with RST_STREAM and an error code (RFC 9113, section 7)."""

    def limit(self, streams: int) -> None:
        """Announce another number of concurrent streams on the live connection."""

    def goaway(self, last_stream: int, debug: bytes) -> None:
        """Send GOAWAY: streams above `last_stream` were not and will not be processed."""

    def take(self) -> bytes:
        """Return the bytes to write."""

    def is_over(self) -> bool:
        """Tell whether the engine itself has ended the connection: nothing more can come."""


class EngineMissingError(ImportError):
    """No HTTP/2 library is installed. The message says which to install."""


def http2_engine(name: str = "auto") -> Callable[[], Engine]:
    """Return the maker of HTTP/2 engines: ``ngh2``, ``h2``, or ``auto`` for the better one.

    Raises `EngineMissingError` when what was asked for is not installed.
    """
    known = ("ngh2", "h2")
    if name not in (*known, "auto"):
        raise ValueError(f"Unknown engine {name!r}: use auto, ngh2 or h2.")
    wanted = known if name == "auto" else (name,)
    for library in wanted:
        if find_spec(library) is not None:
            return _maker(library)
    raise EngineMissingError(
        "The simulator needs an HTTP/2 library: pip install 'django-push-console[simulator]' "
        "(ngh2), or pip install h2 where ngh2 has no wheel."
    )


def _maker(library: str) -> Callable[[], Engine]:
    # Imported here because either library may be absent.
    if library == "ngh2":
        from .ngh2 import Ngh2Engine  # noqa: PLC0415

        return Ngh2Engine
    from .h2 import H2Engine  # noqa: PLC0415

    return H2Engine


APNS_SETTINGS = {1: 4096, 4: 65_535, 5: 16_384, 6: 8_000}
"""SETTINGS that APNs was seen to send, besides MAX_CONCURRENT_STREAMS (developer.apple.com,
forum thread 54407): header table, initial window, frame size and header list, in bytes."""
