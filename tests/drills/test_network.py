"""The way to the provider is broken in the middle of a push, and mended."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from django_push.models import Installation, PushHistory
from tests.support.processes import wait_until
from tests.support.relay import Relay

from .certificates import server_context
from .rig import Rig, fill, finish

DEVICES = 1500
MANY = 6000
"""For a fault that must come before the end, even when this process stands still for a while."""
SLOWLY = {"latency_ms": 50, "max_concurrent_streams": 20}
LOST_AT_MOST = 4 * 20
"""Requests in flight when the connections break: that many may be sent twice for each break."""
RESOLVER = Path(__file__).parent / "resolver"


@pytest.fixture
def relay(rig: Rig) -> Iterator[Relay]:
    """The network between the workers and the provider."""
    port = urlsplit(rig.simulator.apns_url).port
    assert port is not None
    with Relay(("127.0.0.1", port)) as relay:
        rig.settings["APNS_PRODUCTION_URL"] = f"https://127.0.0.1:{relay.port}"
        yield relay


@pytest.fixture
def half_sent(rig: Rig, relay: Relay) -> Iterator[PushHistory]:
    """A push in the middle, which takes another second."""
    fill(rig.application, DEVICES)
    rig.simulator.behave(**SLOWLY)
    with rig.worker():
        history = rig.send()
        wait_until(lambda: rig.accepted() > DEVICES // 4)
        yield history


def test_connections_are_reset(rig, relay, half_sent, dice, note) -> None:
    history = half_sent
    cuts = 0
    for _ in range(5):
        cuts += bool(relay.cut())
        time.sleep(dice.uniform(0.05, 0.15))
    finish(history)
    audit = rig.audit(history)
    note(f"{cuts} resets, {audit.repeats} repeats")
    assert audit.marks == {"SENT": DEVICES}
    assert audit.repeats <= cuts * LOST_AT_MOST


def test_the_provider_is_down(rig, relay, half_sent, note) -> None:
    """Refused connections: batches wait without a device's attempt being counted."""
    history = half_sent
    relay.close()
    time.sleep(2.5)
    relay.open()
    took = finish(history)
    audit = rig.audit(history)
    note(f"over {took:.1f} s after it was back, {audit.repeats} repeats")
    assert audit.marks == {"SENT": DEVICES}
    assert audit.repeats <= LOST_AT_MOST


def test_packets_are_dropped(rig, relay, half_sent, note) -> None:
    """Nothing comes back, for longer than a request may take: asked again, then accepted."""
    history = half_sent
    relay.silence()
    time.sleep(3.0)
    relay.silence(False)
    took = finish(history)
    audit = rig.audit(history)
    note(f"over {took:.1f} s after it was mended, {audit.repeats} repeats")
    assert audit.marks == {"SENT": DEVICES}
    assert audit.repeats <= LOST_AT_MOST


def test_handshakes_get_stuck(rig, relay, half_sent, note) -> None:
    """TCP connects and TLS never answers: no batch is held for ever by such a connection."""
    history = half_sent
    relay.silence()
    relay.cut()
    time.sleep(2.0)
    relay.cut()  # what hangs in its handshake ends without a word
    relay.silence(False)
    took = finish(history)
    audit = rig.audit(history)
    note(f"over {took:.1f} s after it was mended, {audit.repeats} repeats")
    assert audit.marks == {"SENT": DEVICES}
    assert audit.repeats <= LOST_AT_MOST


def test_the_servers_certificate_has_expired(rig, relay, note) -> None:
    """Nobody's credential is blamed, no device switched off; renewed, the push goes on."""
    context = server_context(rig.simulator.identity.ca_file, timedelta(days=-1))
    fill(rig.application, DEVICES)
    rig.simulator.behave(**SLOWLY)
    good = relay.target
    with expired_server(context) as target, rig.worker():
        history = rig.send()
        wait_until(lambda: rig.accepted() > DEVICES // 4)
        relay.target = target
        relay.cut()
        wait_until(lambda: is_deferred(history))
        relay.target = good
        took = finish(history)
    audit = rig.audit(history)
    note(f"over {took:.1f} s after it was renewed, {audit.repeats} repeats")
    assert audit.marks == {"SENT": DEVICES}
    assert audit.repeats <= LOST_AT_MOST
    assert Installation.objects.filter(is_active=True).count() == DEVICES


@contextmanager
def expired_server(context: ssl.SSLContext) -> Iterator[tuple[str, int]]:
    """A server that every client refuses."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_shake_hands, args=(listener, context), daemon=True)
        thread.start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)  # ends accept()
    thread.join()


def _shake_hands(listener: socket.socket, context: ssl.SSLContext) -> None:
    with contextlib.suppress(OSError):
        while True:
            plain, _ = listener.accept()
            with contextlib.suppress(OSError), plain, context.wrap_socket(plain, True) as tls:
                tls.recv(1)


def test_the_name_cannot_be_resolved(rig, relay, tmp_path, note) -> None:
    fill(rig.application, MANY)
    rig.simulator.behave(**SLOWLY)
    address = tmp_path / "address"
    address.write_text("127.0.0.1")
    environment = {"PYTHONPATH": str(RESOLVER), "PUSH_DRILL_ADDRESS": str(address)}
    named = {"APNS_PRODUCTION_URL": f"https://localhost:{relay.port}"}
    with rig.worker(environment, **named):
        history = rig.send()
        wait_until(lambda: rig.accepted() > DEVICES // 4)
        address.unlink()
        relay.cut()
        wait_until(lambda: is_deferred(history))
        rig.simulator.behave(reset=True)
        address.write_text("127.0.0.1")
        took = finish(history)
    audit = rig.audit(history)
    note(f"over {took:.1f} s after it could be, {audit.repeats} repeats")
    assert audit.marks == {"SENT": MANY}
    assert audit.repeats <= LOST_AT_MOST


def is_deferred(history: PushHistory) -> bool:
    """Whether a batch was begun, and waits now."""
    begun = history.batches.filter(lease_owner="", settled_at=None, successes__gt=0)
    return begun.exists()
