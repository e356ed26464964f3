"""Wrong keys and certificates that have run out: what they cost is time, not devices."""

from __future__ import annotations

import time
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import ec

from django_push.delivery import progress, resume
from django_push.models import Credential, Installation, PushHistory
from django_push.providers.base import get_provider_class
from django_push.simulator.pki import private_pem
from tests.support.processes import wait_until

from .certificates import push_certificate
from .rig import Rig, fill, finish

DEVICES, FEW = 10_000, 300


def paused_because(history: PushHistory) -> str:
    """Wait until the whole push is paused; the reason that the console shows."""
    unsettled = history.batches.filter(settled_at=None)

    def is_paused() -> bool:
        planned = PushHistory.objects.filter(pk=history.pk, planned_at__isnull=False)
        return planned.exists() and not unsettled.filter(pause_reason="").exists()

    wait_until(is_paused)
    (_, reason), *others = progress(history).paused
    assert not others
    return reason


def complete(rig: Rig, history: PushHistory, devices: int = DEVICES) -> int:
    """Resume and audit; how many were sent twice."""
    assert Installation.objects.filter(is_active=True).count() == devices
    assert not history.delivery_failures.exists()
    resume(history)
    finish(history)
    audit = rig.audit(history)
    assert audit.marks == {"SENT": devices}
    assert Installation.objects.filter(is_active=True).count() == devices
    return audit.repeats


def test_a_wrong_key_from_the_start(rig: Rig, note) -> None:
    fill(rig.application, DEVICES)
    right = rig.simulator.identity.apns_key
    take_key(rig, private_pem(ec.generate_private_key(ec.SECP256R1())).decode())
    with rig.worker():
        history = rig.send()
        reason = paused_because(history)
        assert "InvalidProviderToken" in reason
        assert rig.accepted() == 0
        take_key(rig, right)
        repeats = complete(rig, history)
    note(f"paused: {reason!r}, {repeats} repeats")
    assert repeats == 0


def test_a_key_that_is_revoked_in_the_middle(rig: Rig, note) -> None:
    fill(rig.application, DEVICES)
    rig.simulator.behave(latency_ms=50, max_concurrent_streams=20)
    with rig.worker():
        history = rig.send()
        wait_until(lambda: rig.accepted() > DEVICES // 8)
        rig.simulator.behave(credentials="refuse")
        reason = paused_because(history)
        rig.simulator.behave(reset=True)
        repeats = complete(rig, history)
    note(f"paused: {reason!r}, {repeats} repeats")
    assert repeats == 0


def test_a_push_certificate_that_runs_out_while_a_push_waits(rig: Rig, note) -> None:
    fill(rig.application, FEW)
    apns, identity = get_provider_class("apns"), rig.simulator.identity
    content = push_certificate(identity.topics[0], timedelta(seconds=2), "drill")
    Credential.objects.filter(provider="apns").delete()
    credential = Credential(application=rig.application, provider="apns", name="Apple")
    credential.take_file(apns.read_file("push.p12", content, password="drill"))
    credential.save()
    devices = list(Installation.objects.values_list("public_id", flat=True))
    history = rig.send(audience={"installations": devices})  # planned at once
    time.sleep(2.0)
    with rig.worker():
        reason = paused_because(history)
        password = identity.p12_password
        credential.take_file(apns.read_file("push.p12", identity.p12, password=password))
        credential.save()
        repeats = complete(rig, history, FEW)
    note(f"paused: {reason!r}, {repeats} repeats")
    assert repeats == 0


def take_key(rig: Rig, pem: str) -> None:
    """Upload an APNs key to the credential that exists."""
    identity = rig.simulator.identity
    credential = Credential.objects.get(provider="apns")
    file = f"AuthKey_{identity.key_id}.p8"
    credential.take_file(get_provider_class("apns").read_file(file, pem.encode()))
    credential.topic = identity.topics[0]
    credential.public |= {"key_id": identity.key_id, "team_id": identity.team_id}
    credential.save()
