"""The values that travel between an HTTP engine, the providers and the recorder."""

from __future__ import annotations

from dataclasses import dataclass

Header = tuple[bytes, bytes]
Headers = tuple[Header, ...]

JSON_TYPE: Header = (b"content-type", b"application/json; charset=UTF-8")


@dataclass(slots=True)
class Peer:
    """What is known of the other end of a connection, for as long as it lasts."""

    environment: str = "production"
    """``production`` or ``sandbox``, by the port that was called."""
    certificate: bytes | None = None
    """The client certificate (DER) that TLS has verified, if one was shown."""
    is_http2: bool = True


@dataclass(slots=True)
class Request:
    """One complete request."""

    peer: Peer
    path: bytes
    fields: dict[bytes, bytes]
    """Header fields and pseudo-headers; of a name that came twice, the last value."""
    count: int
    """How many fields came: more than ``len(fields)`` means that names were repeated."""
    body: bytes


@dataclass(slots=True)
class Record:
    """What the recorder keeps of a push; parts shared by many pushes are the same objects."""

    provider: str
    environment: str
    token: bytes
    """The device token, or ``topic:…`` / ``condition:…`` for FCM's other targets."""
    ident: bytes
    """APNs: the apns-id. FCM: the message's name. Empty when refused by FCM."""
    fields: tuple[Header, ...]
    body: bytes


@dataclass(slots=True)
class Answer:
    """A response and what else is to happen."""

    status: int
    headers: Headers
    """Without ``:status``."""
    body: bytes = b""
    outcome: str = "sent"
    """``sent``, or the provider's own word for the refusal."""
    record: Record | None = None
    delay: float = 0.0
    """Seconds to wait before answering."""
    goaway: bool = False
    """Send GOAWAY behind this answer."""
