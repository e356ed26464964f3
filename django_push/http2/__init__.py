"""An HTTP/2 client that only pushes: many small requests with almost the same header fields.

    client = Client("https://api.push.apple.com")
    template = Template([(":method", "POST"), (":scheme", "https"), (":authority", "...")])
    if client.room():
        client.send(template, [(1, literal(":path", "/3/device/..."), b"", b"{...}")])
    outcome = client.poll(1.0)

`Client` owns sockets, TLS and time; `Codec` is the protocol without them. See docs/http2.md.
"""

from .client import Client
from .codec import Codec
from .connection import Connection
from .fields import Template, literal
from .outcome import Answer, Lost, Outcome, Request

__all__ = [
    "Answer",
    "Client",
    "Codec",
    "Connection",
    "Lost",
    "Outcome",
    "Request",
    "Template",
    "literal",
]
