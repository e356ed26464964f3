"""A process that pushes with `django_push.http2` alone: no database, no provider, no pipeline.

``python -m benchmarks.client KIND ORIGIN CERTIFICATE REQUESTS CONNECTIONS`` prints one line of
JSON (`ClientRun`). Requests are put together as the providers do it: a token goes into the path
(APNs) or into the body (FCM), everything else was rendered before.
"""

import json
import resource
import secrets
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from benchmarks.harness import APNS_BODY, APNS_HEADERS, BEARER
from django_push.http2 import Client, Outcome, Request, Template, literal

MOST_AT_ONCE = 500
DEVICES = 2_000

Build = Callable[[int, bytes], Request]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientRun:
    """What came of one run."""

    cpu_seconds: float
    wall_seconds: float
    ok: int
    answers: int
    """Answers that were no plain 200."""
    lost: int
    max_rss_mb: float


def apns(authority: str) -> tuple[Template, Build]:
    """How APNs is asked."""
    head = literal(":path", "/3/device/" + "0" * 64)[:-64]
    id_format = literal("apns-id", "5f0c1a7b-9d3e-4f60-81a2-" + "0" * 12)[:-12] + b"%012x"
    pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", authority)]
    template = Template(pseudo, [("authorization", BEARER), *APNS_HEADERS.items()])
    return template, lambda key, token: (key, head + token, id_format % key, APNS_BODY)


def fcm(authority: str) -> tuple[Template, Build]:
    """How FCM is asked."""
    title, text = "Winter sale", "Everything in the shop is a third cheaper until Sunday night."
    message = {"notification": {"title": title, "body": text}, "data": {"push_id": "5f0c1a7b9d3e"}}
    tail = json.dumps(message, separators=(",", ":")).encode()[1:]
    pseudo = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", authority),
        (":path", "/v1/projects/bench/messages:send"),
    ]
    regular = [("authorization", BEARER), ("content-type", "application/json")]
    template = Template(pseudo, regular)
    return template, lambda key, token: (
        key,
        b"",
        b"",
        b'{"message":{"token":"' + token + b'",' + tail + b"}",
    )


KINDS = {"apns": apns, "fcm": fcm}


def push(client: Client, template: Template, build: Build, requests: int) -> Outcome:
    """Send `requests` requests to 2,000 device tokens in turn and wait for every outcome."""
    tokens = [secrets.token_hex(32).encode() for _ in range(DEVICES)]
    total, sent = Outcome(), 0
    while len(total) < requests:
        while sent < requests and (room := client.room()):
            end = min(sent + room, sent + MOST_AT_ONCE, requests)
            client.send(template, [build(key, tokens[key % DEVICES]) for key in range(sent, end)])
            sent = end
        total.extend(client.poll(1.0))
        if client.error:
            raise ConnectionError(client.error)
    return total


def main(kind: str, origin: str, certificate: str, requests: str, connections: str) -> ClientRun:
    """One measured run."""
    context = ssl.create_default_context(cafile=certificate)
    template, build = KINDS[kind](origin.removeprefix("https://"))
    client = Client(origin, context=context, connections=int(connections))
    cpu, wall = time.process_time(), time.monotonic()
    outcome = push(client, template, build, int(requests))
    run = ClientRun(
        cpu_seconds=time.process_time() - cpu,
        wall_seconds=time.monotonic() - wall,
        ok=len(outcome.ok),
        answers=len(outcome.answers),
        lost=len(outcome.lost),
        max_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )
    client.close()
    return run


if __name__ == "__main__":
    print(json.dumps(asdict(main(*sys.argv[1:]))))
