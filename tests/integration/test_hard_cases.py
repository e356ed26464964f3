"""Submitting, planning, stopping: what happens when two things happen at once."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from django_push.delivery import cancel, claim, claim_plan, pause, progress, resume
from django_push.delivery.settling import pause_credential
from django_push.exceptions import InvalidPush, PayloadTooLarge
from django_push.messages import MAX_BADGE, Result, Status
from django_push.models import (
    Credential,
    Installation,
    Notification,
    Owner,
    PushBatch,
    PushHistory,
    State,
)
from django_push.signals import pre_submit, push_finished, push_submitted
from django_push.submission import check, push, submit
from django_push.worker import Worker
from tests.support.scripted import script

pytestmark = pytest.mark.django_db(transaction=True)

EVERYONE = {"everyone": True}
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def credential(settings, application):
    settings.DJANGO_PUSH = {
        **settings.DJANGO_PUSH,
        "PROVIDERS": {
            "scripted": "tests.support.scripted.ScriptedProvider",
            "apns": "django_push.providers.apns.ApnsProvider",
        },
        "BATCH_SIZE": 7,
        "SMALL_PUSH": 5,
    }
    script.reset()
    yield Credential.objects.create(application=application, provider="scripted", name="main")
    script.reset()


@pytest.fixture
def devices(device):
    return [device(f"{n:064x}") for n in range(20)]


def broadcast(application, **extra) -> PushHistory:
    return push(application, audience=EVERYONE, title="Hi", **extra)


def plan_all() -> None:
    plan = claim_plan("planner")
    assert plan is not None
    while plan.step():
        pass


def end(worker: Worker, history: PushHistory) -> None:
    """Work, retries at once, until the push has ended; fails when it does not."""
    ends = time.monotonic() + 60
    while history.finished_at is None:
        assert time.monotonic() < ends, f"{history.state}, {history.open_batches} batches open"
        PushBatch.objects.filter(claim_at__isnull=False).update(not_before=timezone.now() - HOUR)
        worker._told, worker._tick_at = True, 0.0
        worker.step()
        history.refresh_from_db()


def test_a_badge_that_no_column_holds_is_refused(application, device):
    device("a" * 64)
    for badge in ({"badge_increment": -1}, {"badge": 2**31}, {"badge_increment": 2**31}):
        with pytest.raises(InvalidPush):
            broadcast(application, **badge)
    assert not Notification.objects.exists()


def test_a_badge_at_the_end_of_its_column_stops_no_plan(application, device, worker):
    full, other = device("a" * 64, badge=MAX_BADGE), device("b" * 64, badge=2)
    history = broadcast(application, badge_increment=3)
    end(worker, history)
    assert history.successes == 2
    badges = dict(Installation.objects.values_list("pk", "badge"))
    assert badges == {full.pk: MAX_BADGE, other.pk: 5}


def test_a_credential_deleted_while_planning_pauses_until_there_is_another(
    application, devices, credential, worker
):
    history = broadcast(application)
    plan = claim_plan("planner")
    plan.step()
    credential.delete()
    while plan.step():
        pass
    worker.drain(5)
    assert progress(history).paused
    assert script.tokens == []
    Credential.objects.create(application=application, provider="scripted", name="new")
    resume(history)
    end(worker, history)
    assert (history.state, history.successes) == (State.DONE, 20)


@pytest.mark.parametrize("refused", [True, False])
def test_a_credential_paused_just_after_cancel_does_not_keep_the_push_open(
    application, devices, credential, worker, refused
):
    history = broadcast(application)
    plan_all()
    cancel(history)
    pause_credential(history, credential, "ExpiredProviderToken", refused=refused)
    end(worker, history)
    assert (history.state, history.skipped) == (State.CANCELLED, {"cancelled": 20})
    blamed = Credential.objects.get().check_result == Credential.Check.REFUSED
    assert blamed is refused


def test_cancel_ends_a_push_whose_worker_had_only_seen_the_pause(application, device, worker):
    device("a" * 64)
    history = broadcast(application)
    plan_all()
    (batch,) = claim(worker.name)
    pause(history)
    worker.sender.begin(batch)
    worker.sender._look(time.monotonic())
    cancel(history)  # the batch is leased: it is left to its worker
    worker.sender._write()
    end(worker, history)
    assert (history.state, script.tokens) == (State.CANCELLED, [])


def test_a_push_paused_while_its_last_answer_comes_in_is_done(application, device, worker):
    device("a" * 64)
    history = broadcast(application)
    plan_all()
    (batch,) = claim(worker.name)
    worker.sender.begin(batch)
    worker.sender._looked_at = time.monotonic() + 60  # the worker looks after the answer
    pause(history)
    end(worker, history)
    assert (history.state, history.successes) == (State.DONE, 1)


def test_a_scheduled_push_that_was_cancelled_can_be_submitted_again(application, device, worker):
    device("a" * 64)
    first = broadcast(application, send_at=timezone.now() + HOUR)
    cancel(first)
    draft = Notification.objects.get()
    assert draft.status == Notification.Status.DRAFT
    draft.send_at = None
    end(worker, submit(draft))
    assert script.tokens == ["a" * 64]


def test_a_scheduled_push_under_way_does_not_become_a_draft_again(application, devices, worker):
    history = broadcast(application, send_at=timezone.now() + HOUR)
    moment = timezone.now() - timedelta(seconds=1)
    PushHistory.objects.update(plan_after=moment, due_at=moment)
    for _ in range(100):
        if script.seen:
            break
        worker.step()
    history.refresh_from_db()
    cancel(history)
    assert 0 < len(script.tokens) < 20
    assert Notification.objects.get().status == Notification.Status.SENT


def test_who_takes_a_plan_over_sends_nothing_to_a_device_that_changed_hands(
    application, device, worker
):
    ana, ben = (Owner(user_key=key, proved=True) for key in ("ana", "ben"))
    for n in range(20):
        device(f"{n:064x}", owner=ana)
    history = push(application, audience={"users": ["ana"]}, title="For Ana only")
    claim_plan("dead").step()
    device(f"{0:064x}", owner=ben)
    PushHistory.objects.update(plan_until=timezone.now() - HOUR)
    end(worker, history)
    assert f"{0:064x}" not in script.tokens
    assert (history.successes, history.skipped) == (19, {"changed_hands": 1})


def test_a_moment_in_the_past_still_reaches_the_user(application, device, worker):
    device("a" * 64, owner=Owner(user_key="ana", proved=True))
    history = push(
        application, audience={"users": ["ana"]}, title="Hi", send_at=timezone.now() - HOUR
    )
    end(worker, history)
    assert (history.successes, history.skipped) == (1, {})


def test_a_web_server_whose_clock_is_ahead_still_reaches_who_just_signed_in(
    application, device, worker, monkeypatch
):
    real = timezone.now
    with monkeypatch.context() as ahead:
        ahead.setattr(timezone, "now", lambda: real() + timedelta(seconds=5))
        device("a" * 64, owner=Owner(user_key="ana", proved=True))
        history = push(application, audience={"users": ["ana"]}, title="Welcome")
    end(worker, history)
    assert (history.successes, history.skipped) == (1, {})


def test_the_size_is_that_of_the_text_with_its_variables(application, credential):
    Credential.objects.create(application=application, provider="apns", topic="com.example")
    long = Notification(
        application=application,
        content={"title": "{{ name }}"},
        variables={"name": "x" * 5000},
        audience=EVERYONE,
    )
    with pytest.raises(PayloadTooLarge):
        submit(long)


@pytest.mark.parametrize(
    ("title", "texts"), [("{{ name }}", {}), ("Hi", {"de": {"title": "{{ name }}"}})]
)
def test_a_variable_without_a_value_is_refused_in_every_language(application, title, texts):
    draft = Notification(
        application=application, content={"title": title}, texts=texts, audience=EVERYONE
    )
    with pytest.raises(InvalidPush, match="name"):
        check(draft)


@pytest.mark.parametrize("key", ["", "k"])
@pytest.mark.parametrize(
    "odd",
    [
        {"data": {"n": 2**70}},
        {"data": {"s": "\ud800"}},
        {"data": {"s": "a\x00b"}},
        {"title": "\ud800"},
        {"audience": {"channels": ["\ud800"]}},
    ],
)
def test_what_no_database_stores_is_refused(application, device, odd, key):
    device("a" * 64)
    given = {"audience": EVERYONE, "title": "Hi", **odd}
    with pytest.raises(InvalidPush):
        push(application, **given, idempotency_key=key)
    assert not Notification.objects.exists()


def test_a_push_that_a_receiver_refused_can_be_submitted_again(application, device, worker):
    device("a" * 64)
    vetoes = [InvalidPush("Not now.")]

    def veto(**_):
        if vetoes:
            raise vetoes.pop()

    draft = Notification(application=application, content={"title": "Hi"}, audience=EVERYONE)
    pre_submit.connect(veto)
    try:
        with pytest.raises(InvalidPush, match="Not now"):
            submit(draft)
        history = submit(draft)
    finally:
        pre_submit.disconnect(veto)
    end(worker, history)
    assert history.successes == 1


def test_a_receiver_whose_query_fails_does_not_undo_the_push(application, device, worker):
    device("a" * 64)

    def break_the_transaction(history, **_):
        PushHistory.objects.create(
            pk=history.pk, application=application, notification=history.notification
        )

    push_submitted.connect(break_the_transaction)
    try:
        history = broadcast(application)
    finally:
        push_submitted.disconnect(break_the_transaction)
    end(worker, history)
    assert script.tokens == ["a" * 64]


def test_an_honest_repeat_after_the_expiry_gets_its_push(application, device, monkeypatch):
    device("a" * 64)
    expires_at = timezone.now() + HOUR

    def send() -> PushHistory:
        again = Notification(
            application=application,
            content={"title": "Hi"},
            audience=EVERYONE,
            expires_at=expires_at,
        )
        return submit(again, idempotency_key="k")

    first = send()
    monkeypatch.setattr(timezone, "now", lambda: expires_at + HOUR)
    assert send() == first


def test_a_listed_device_without_a_credential_ends_its_push_at_once(
    application, device, credential
):
    credential.environment = "sandbox"
    credential.save()
    row = device("a" * 64, environment="production")
    ended = []

    def note(history, **_):
        ended.append(history.pk)

    push_finished.connect(note)
    try:
        history = push(application, audience={"installations": [row.public_id]}, title="Hi")
    finally:
        push_finished.disconnect(note)
    assert (history.state, history.skipped) == (State.NOBODY, {"no_credential": 1})
    assert ended == [history.pk]


def test_now_or_never_is_not_sent_a_minute_later(application, device, worker):
    device("a" * 64)
    history = broadcast(application, time_to_live=0)
    late = history.content["gives_up_at"] - history.due_at.timestamp()
    assert 0 < late <= 60
    script.answer = lambda device: Result(Status.DEFERRED, "Busy", retry_after=1.0)
    worker.drain(5)
    assert script.tokens == ["a" * 64]
    script.reset()
    PushHistory.objects.update(content={**history.content, "gives_up_at": int(time.time()) - 1})
    end(worker, history)
    assert (script.tokens, history.skipped) == ([], {"expired": 1})


def test_a_plan_that_cannot_be_made_fails_alone(application, device, worker):
    device("a" * 64)
    bad, good = broadcast(application), broadcast(application)
    PushHistory.objects.filter(pk=bad.pk).update(plan_cursor={"parts": [], "unheard_of": 1})
    for history in (bad, good):
        end(worker, history)
    assert (bad.state, good.state) == (State.FAILED, State.DONE)
    assert "unheard_of" in bad.detail
    assert script.tokens == ["a" * 64]
