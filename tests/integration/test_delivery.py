"""What becomes of devices when providers, workers and people misbehave."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from django_push.delivery import cancel, claim, expire_leases, pause, progress, resume
from django_push.delivery.claims import MAX_CRASHES
from django_push.exceptions import NotAllowed
from django_push.messages import Device, Result, Status
from django_push.models import (
    Application,
    Credential,
    DeliveryFailure,
    Installation,
    Owner,
    PushBatch,
    State,
)
from django_push.submission import push, submit
from django_push.worker import Worker
from tests.support.scripted import SENT, script

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("scripted")]

PUSH_SETTINGS = {"BATCH_SIZE": 10, "RETRY_SECONDS": 0.01}


@pytest.fixture
def devices(device):
    return [device(f"{n:064x}") for n in range(25)]


def broadcast(application: Application, **extra):
    return push(application, audience={"everyone": True}, title="Hi", **extra)


def drain(worker: Worker, seconds: float = 60.0) -> None:
    """Work through the retries, which are due a few milliseconds later."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        worker.drain(1.0)
        waiting = PushBatch.objects.filter(settled_at=None, claim_at__isnull=False)
        if not waiting.exists():
            return
        time.sleep(0.02)


def test_a_refused_device_is_retried_and_arrives(application, devices, worker):
    refusals = iter([True] * 7)

    def busy_at_first(device: Device) -> Result:
        return Result(Status.DEFERRED, "Busy") if next(refusals, False) else SENT

    script.answer = busy_at_first
    history = broadcast(application)
    drain(worker)
    history.refresh_from_db()
    assert (history.state, history.successes, history.failures) == (State.DONE, 25, 0)
    assert len(script.tokens) == 32
    assert set(script.tokens) == {d.address for d in devices}


def test_what_is_refused_for_ever_becomes_a_failure_with_its_reason(
    application, device, worker, settings
):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "MAX_ATTEMPTS": 3}
    device("a" * 64)
    script.answer = lambda device: Result(Status.DEFERRED, "Busy", "come back later")
    history = broadcast(application)
    drain(worker)
    history.refresh_from_db()
    failure = DeliveryFailure.objects.get()
    assert len(script.tokens) == 3
    assert (failure.status, failure.reason, failure.detail) == ("failed", "Busy", "come back later")
    assert (history.state, history.failures, history.reasons) == (State.DONE, 1, {"Busy": 1})


def test_no_answer_three_times_is_a_failure(application, device, worker):
    device("a" * 64)
    script.answer = lambda device: Result(Status.UNKNOWN, "connection lost")
    history = broadcast(application)
    drain(worker)
    history.refresh_from_db()
    assert len(script.tokens) == 3
    assert history.reasons == {"NoAnswer": 1}


def test_a_refused_credential_pauses_and_switches_nobody_off(application, devices, worker):
    script.answer = lambda device: Result(Status.UNAUTHORIZED, "InvalidProviderToken")
    history = broadcast(application)
    drain(worker)
    history.refresh_from_db()
    now = progress(history)
    assert history.finished_at is None
    assert now.open == 25
    assert [reason for _, reason in now.paused] == ["InvalidProviderToken"]
    assert len(script.tokens) <= 10, "it goes on asking after the first refusals"
    assert Credential.objects.get().check_result == Credential.Check.REFUSED
    script.answer = lambda device: SENT
    resume(history)
    drain(worker)
    history.refresh_from_db()
    assert (history.state, history.successes) == (State.DONE, 25)
    assert Installation.objects.filter(is_active=True).count() == 25


def test_many_suspects_are_our_fault_and_one_is_its_own(application, devices, worker):
    script.answer = lambda device: Result(Status.SUSPECT, "BadDeviceToken")
    history = broadcast(application)
    drain(worker)
    assert progress(history).paused
    assert not DeliveryFailure.objects.exists()
    one = devices[3].address

    def one_bad(device: Device) -> Result:
        return Result(Status.SUSPECT, "BadDeviceToken") if device.address == one else SENT

    script.answer = one_bad
    resume(history)
    drain(worker)
    history.refresh_from_db()
    assert (history.successes, history.failures) == (24, 1)
    assert Installation.objects.filter(is_active=True).count() == 25


def test_the_dead_are_switched_off_unless_they_were_seen_since(application, device, worker):
    now = timezone.now()
    gone, back = device("a" * 64), device("b" * 64)
    Installation.objects.update(last_seen_at=now - timedelta(days=2))
    died = {gone.address: now - timedelta(days=1), back.address: now - timedelta(days=3)}
    script.answer = lambda device: Result(
        Status.UNREGISTERED, "Unregistered", invalid_since=died[device.address]
    )
    history = broadcast(application)
    drain(worker)
    history.refresh_from_db()
    assert history.failures == 2
    active = Installation.objects.filter(is_active=True)
    assert [d.pk for d in active] == [back.pk]
    assert DeliveryFailure.objects.get(switched_off=True).installation_id == gone.pk


def test_a_token_that_changed_meanwhile_is_not_switched_off(application, device, worker):
    row = device("a" * 64)

    def renewed(device: Device) -> Result:
        Installation.objects.filter(pk=row.pk).update(address="b" * 64, address_hash="0" * 64)
        return Result(Status.UNREGISTERED, "Unregistered")

    script.answer = renewed
    broadcast(application)
    drain(worker)
    assert Installation.objects.get().is_active


def test_inactive_and_deleted_devices_are_left_out_with_a_reason(application, devices, worker):
    history = broadcast(application)
    while worker.plans or not PushBatch.objects.exists():
        worker._find(time.monotonic())
        if worker.plans:
            worker._plan(time.monotonic())
    for run in list(worker.sender.runs.values()):
        run.released = True
    worker.sender.release(1.0)
    Installation.objects.filter(pk=devices[0].pk).update(is_active=False)
    Installation.objects.filter(pk=devices[24].pk).delete()
    script.seen.clear()
    drain(worker)
    history.refresh_from_db()
    done = progress(history)
    assert done.devices == done.successes == 25 - sum(done.skipped_reasons.values())
    assert set(done.skipped_reasons) <= {"inactive", "gone"}


def test_a_device_that_changed_hands_falls_out(application, device, worker):
    ana = Owner(user_key="ana", proved=True)
    row = device("a" * 64, owner=ana)
    history = push(application, audience={"users": ["ana"]}, title="For Ana only")
    device("a" * 64, owner=Owner(user_key="ben", proved=True))
    drain(worker)
    history.refresh_from_db()
    assert script.tokens == []
    assert history.skipped == {"changed_hands": 1}
    row.refresh_from_db()
    assert row.user_key == "ben"


def test_a_worker_that_died_loses_nothing(application, devices, worker, settings):
    history = broadcast(application)
    dead = Worker(listen=False)
    while not dead.sender.runs:
        dead._find(time.monotonic())
        if dead.plans and not dead.sender.runs:
            dead._plan(time.monotonic())
    # It dies here: nothing is released, the leases run out.
    PushBatch.objects.exclude(lease_owner="").update(lease_until=timezone.now() - timedelta(1))
    type(history).objects.update(plan_until=timezone.now() - timedelta(1))
    assert expire_leases() == 1
    drain(worker)
    history.refresh_from_db()
    assert (history.state, history.successes) == (State.DONE, 25)
    assert sorted(script.tokens) == sorted(d.address for d in devices)


def test_who_lost_the_lease_writes_nothing(application, device, worker):
    device("a" * 64)
    history = broadcast(application)
    worker._find(time.monotonic())
    worker._find(time.monotonic())
    assert worker.sender.runs
    other = PushBatch.objects.get()
    PushBatch.objects.update(lease_owner="somebody else")
    worker.sender.step(0)
    worker.sender.step(0)
    assert worker.sender.runs == {}
    other.refresh_from_db()
    assert (other.lease_owner, bytes(other.outcomes)) == ("somebody else", b"\x00")
    history.refresh_from_db()
    assert history.finished_at is None


def test_a_batch_that_kills_workers_is_given_up(application, device, worker):
    device("a" * 64)
    history = broadcast(application)
    Worker(listen=False)._find(time.monotonic())
    PushBatch.objects.update(crashes=MAX_CRASHES, lease_owner="", claim_at=timezone.now())
    type(history).objects.update(plan_until=timezone.now() - timedelta(1))
    drain(worker)
    history.refresh_from_db()
    assert history.reasons == {"WorkerDied": 1}


def test_a_batch_at_which_two_workers_died_lets_others_pass(application, devices, settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "RETRY_SECONDS": 5.0}
    broadcast(application)
    Worker(listen=False)._find(time.monotonic())
    past = timezone.now() - timedelta(seconds=1)
    due = PushBatch.objects.filter(claim_at__isnull=False, not_before__lte=timezone.now())
    PushBatch.objects.update(lease_until=past, crashes=1, claim_at=None)
    assert expire_leases() == 1
    assert due.exists()
    waits = []
    for crashes in (2, 3, 4):
        PushBatch.objects.update(lease_until=past, crashes=crashes, claim_at=None)
        expire_leases()
        assert not due.exists()
        waits.append((PushBatch.objects.get().not_before - timezone.now()).total_seconds())
    assert waits == pytest.approx([5, 10, 20], abs=1)


def test_one_answer_clears_a_batch_at_which_a_worker_died(application, devices, worker, settings):
    given = {"CHECKPOINT_SECONDS": 60.0, "BATCH_SIZE": 25}
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, **given}
    broadcast(application)
    Worker(listen=False)._find(time.monotonic())
    PushBatch.objects.update(lease_owner="", claim_at=timezone.now())
    worker._find(time.monotonic())
    while not script.seen:
        worker.sender.step(0)
    batch = PushBatch.objects.get()
    assert 0 < batch.successes < 25
    assert batch.crashes == 0


def test_cancel_leaves_the_rest_out(application, devices, worker):
    history = broadcast(application)

    def stop_after_seven(device: Device) -> Result:
        if len(script.seen) == 7:
            cancel(history, by="Sara")
        return SENT

    script.answer = stop_after_seven
    drain(worker)
    history.refresh_from_db()
    assert history.state == State.CANCELLED
    assert history.finished_at is not None
    assert history.successes == len(script.tokens) < 25
    assert history.devices == history.successes
    with pytest.raises(NotAllowed, match="stopped"):
        cancel(history)


def test_pause_holds_and_resume_completes(application, devices, worker):
    history = broadcast(application)

    def pause_after_seven(device: Device) -> Result:
        if len(script.seen) == 7:
            pause(history, by="Sara")
        return SENT

    script.answer = pause_after_seven
    drain(worker)
    sent = len(script.tokens)
    assert sent < 25
    history.refresh_from_db()
    assert (history.state, history.finished_at) == (State.PAUSED, None)
    resume(history)
    drain(worker)
    history.refresh_from_db()
    assert (history.state, history.successes) == (State.DONE, 25)
    assert sorted(script.tokens) == sorted(d.address for d in devices)


def test_nothing_is_sent_late(application, devices, worker):
    history = broadcast(application, time_to_live=60)
    content = {**history.content, "gives_up_at": int(time.time()) - 1}
    type(history).objects.update(content=content)
    drain(worker)
    history.refresh_from_db()
    assert script.tokens == []
    assert history.skipped == {"expired": 25}


def test_a_scheduled_push_waits_and_takes_the_audience_of_its_moment(application, device, worker):
    device("a" * 64)
    history = broadcast(application, send_at=timezone.now() + timedelta(hours=1))
    drain(worker)
    assert (history.state, script.tokens) == (State.SCHEDULED, [])
    device("b" * 64)
    moment = timezone.now() - timedelta(seconds=1)
    type(history).objects.update(plan_after=moment, due_at=moment)
    drain(worker)
    assert sorted(script.tokens) == ["a" * 64, "b" * 64]
    history.refresh_from_db()
    assert history.notification.status == "sent"
    assert history.started_at is not None


def test_languages_and_badges_make_payloads_of_their_own(application, device, worker):
    device("a" * 64, locale="de-AT")
    device("b" * 64, locale="fr")
    device("c" * 64, locale="de", badge=4)
    broadcast(application, texts={"de": {"title": "Hallo"}}, badge_increment=2)
    drain(worker)
    seen = {token[0]: (e.message.title, e.message.badge) for token, e in script.seen}
    assert seen == {"a": ("Hallo", 2), "b": ("Hi", 2), "c": ("Hallo", 6)}
    assert sorted(Installation.objects.values_list("badge", flat=True)) == [2, 2, 6]


def test_a_rate_is_kept(application, devices, worker):
    history = push(application, audience={"everyone": True}, title="Hi")
    assert history.rate is None
    slow = history.notification
    slow.pk, slow.public_id, slow.rate, slow.status = None, "slow" * 6, 20, "draft"
    cancel(history)
    drain(worker)
    script.seen.clear()
    submit(slow)
    started = time.monotonic()
    while len(script.tokens) < 25 and time.monotonic() - started < 60:
        worker.step()
    took = time.monotonic() - started
    assert len(script.tokens) == 25
    assert 0.7 <= took <= 15.0  # 25 s at one a second


def test_a_claim_takes_the_oldest_first_and_small_pushes_do_not_wait(application, devices, worker):
    broadcast(application)
    for _ in range(4):
        worker._find(time.monotonic())
        if worker.plans:
            worker._plan(time.monotonic())
    worker.sender.release(10.0)
    small = push(application, audience={"installations": [devices[3].public_id]}, title="One")
    order = list(
        PushBatch.objects.filter(claim_at__isnull=False).order_by("claim_at").values_list("history")
    )
    assert (small.pk,) in order[:2]
    assert claim("me")


def test_the_log_names_devices_by_eight_characters(application, device, worker, caplog):
    token = device("0123456789abcdef" * 4).address
    with caplog.at_level("DEBUG", logger="django_push.delivery"):
        history = broadcast(application)
        drain(worker)
    assert f"{history.public_id} scripted 01234567… sent" in caplog.text
    assert token[:9] not in caplog.text


def test_an_envelope_says_until_when(application, device, worker):
    device("a" * 64)
    at = datetime.now(UTC)
    broadcast(application, time_to_live=3600)
    drain(worker)
    envelope = script.seen[0][1]
    assert envelope.expires_at is not None
    assert abs(envelope.expires_at - at.timestamp() - 3600) < 5
    assert envelope.collapse_id == envelope.push_id
