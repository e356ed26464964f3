"""The front door: what comes in is right, and comes in once."""

from __future__ import annotations

import threading

import pytest
from django.db import connection
from django.utils import timezone

from django_push.delivery import cancel
from django_push.exceptions import (
    IdempotencyConflict,
    InvalidPush,
    NoCredentials,
    NotAllowed,
    PayloadTooLarge,
)
from django_push.messages import Message
from django_push.models import (
    Credential,
    IdempotencyKey,
    Installation,
    Notification,
    Owner,
    PushBatch,
    PushHistory,
    State,
)
from django_push.signals import pre_submit
from django_push.submission import count, payload_sizes, push, submit

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def credential(application):
    return Credential.objects.create(
        application=application, provider="apns", topic="com.example", public={}
    )


def rows() -> tuple[int, ...]:
    models = (Notification, PushHistory, PushBatch, IdempotencyKey)
    return tuple(model.objects.count() for model in models)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"title": ""}, InvalidPush),
        ({"title": "x", "colour": "red"}, InvalidPush),
        ({"title": 3}, InvalidPush),
        ({"title": "x", "body": "y" * 5000}, PayloadTooLarge),
        ({"title": "x", "audience": {}}, InvalidPush),
        ({"title": "x", "audience": {"channels": []}}, InvalidPush),
        ({"title": "x", "audience": {"where": {}}}, InvalidPush),
        ({"title": "Hi {{ name }}"}, InvalidPush),
        ({"title": "x", "audience": {"installations": ["f" * 24]}}, InvalidPush),
        ({"title": "x", "texts": {"de": {"body": "y" * 5000}}}, PayloadTooLarge),
    ],
)
def test_what_is_refused_writes_nothing(application, given, error):
    given = {"audience": {"everyone": True}, **given}
    with pytest.raises(error):
        push(application, **given, idempotency_key="k")
    assert rows() == (0, 0, 0, 0)


def test_too_large_says_how_many_bytes(application):
    with pytest.raises(PayloadTooLarge, match=r"Apple; at most 4,096") as caught:
        push(application, audience={"everyone": True}, body="y" * 5000)
    assert caught.value.size > 5000
    sizes = payload_sizes(application, Message(body="y" * 5000))
    assert [(s.provider, s.size, s.limit) for s in sizes] == [("Apple", caught.value.size, 4096)]


def test_without_a_credential_nothing_can_be_sent(application, credential):
    credential.is_active = False
    credential.save()
    with pytest.raises(NoCredentials, match="credential"):
        push(application, audience={"everyone": True}, title="x")
    assert rows() == (0, 0, 0, 0)


def test_the_same_key_sends_once(application):
    first = push(application, audience={"everyone": True}, title="x", idempotency_key="k")
    again = push(application, audience={"everyone": True}, title="x", idempotency_key="k")
    assert first == again
    assert rows() == (1, 1, 0, 1)
    with pytest.raises(IdempotencyConflict):
        push(application, audience={"everyone": True}, title="y", idempotency_key="k")
    assert rows() == (1, 1, 0, 1)


def test_an_honest_repeat_gets_its_push_whatever_has_changed(application, credential):
    first = push(application, audience={"everyone": True}, title="x", idempotency_key="k")
    credential.delete()
    again = push(application, audience={"everyone": True}, title="x", idempotency_key="k")
    assert first == again


def test_an_expired_key_is_free_again(application):
    first = push(application, audience={"everyone": True}, title="x", idempotency_key="k")
    IdempotencyKey.objects.update(expires_at=timezone.now() - timezone.timedelta(seconds=1))
    assert push(application, audience={"everyone": True}, title="y", idempotency_key="k") != first


def test_keys_belong_to_their_application(application):
    from django_push.models import Application

    other = Application.objects.register(None, "Other")
    Credential.objects.create(application=other, provider="apns", topic="com.other")
    first = push(application, audience={"everyone": True}, title="x", idempotency_key="k")
    assert push(other, audience={"everyone": True}, title="x", idempotency_key="k") != first


def test_a_draft_is_sent_once(application):
    draft = Notification.objects.create(
        application=application, content={"title": "x"}, audience={"everyone": True}
    )
    submit(draft)
    with pytest.raises(NotAllowed, match="Copy"):
        submit(Notification.objects.get(pk=draft.pk))
    assert PushHistory.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_send_once(application):
    draft = Notification.objects.create(
        application=application, content={"title": "x"}, audience={"everyone": True}
    )
    results: list[object] = []
    start = threading.Barrier(4)

    def click() -> None:
        mine = Notification.objects.get(pk=draft.pk)
        start.wait()
        try:
            results.append(submit(mine, idempotency_key="form-1").pk)
        except Exception as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert PushHistory.objects.count() == 1
    assert set(results) == {PushHistory.objects.get().pk}


def test_what_is_sent_is_frozen(application):
    history = push(application, audience={"everyone": True}, title="Before")
    history.notification.content = {"title": "After"}
    history.notification.save()
    history.refresh_from_db()
    assert history.message.title == "Before"


def test_a_receiver_may_veto(application):
    def refuse(notification, **_):
        raise InvalidPush("Not on Sundays.", code="sunday")

    pre_submit.connect(refuse)
    try:
        with pytest.raises(InvalidPush, match="Sundays"):
            push(application, audience={"everyone": True}, title="x")
    finally:
        pre_submit.disconnect(refuse)
    assert rows() == (0, 0, 0, 0)


def test_a_scheduled_push_is_planned_later(application, device):
    at, one = timezone.now() + timezone.timedelta(days=1), device("a" * 64)
    history = push(application, audience={"installations": [one.public_id]}, title="x", send_at=at)
    assert (history.state, history.plan_after, history.planned_at) == (State.SCHEDULED, at, None)
    assert history.notification.status == Notification.Status.SCHEDULED


def test_a_scheduled_push_can_be_taken_back_and_sent_again(application):
    at = timezone.now() + timezone.timedelta(days=1)
    first = push(application, audience={"everyone": True}, title="x", send_at=at)
    cancel(first, by="Sara")
    assert first.finished_at is not None
    draft = Notification.objects.get()
    assert draft.status == Notification.Status.DRAFT
    again = submit(draft)
    assert (again.state, again.due_at - at) == (
        State.SCHEDULED,
        timezone.timedelta(microseconds=1),
    )


def test_the_count_is_exact_and_says_who_is_left_out(application, device):
    device("a" * 64, channels=["news"])
    device("b" * 64, "macos", channels=["news"])
    off = device("c" * 64, channels=["news"])
    Installation.objects.filter(pk=off.pk).update(is_active=False)
    device("d" * 20, "android", channels=["news"])
    device("e" * 64)
    found = count(application, {"channels": ["news"]})
    assert (found.devices, found.per_type) == (2, {"ios": 1, "macos": 1})
    assert (found.no_credential, found.inactive) == (1, 1)


def test_claimed_users_are_reached_only_where_clients_are_trusted(application, device):
    device("a" * 64, owner=Owner(user_key="ana", proved=True))
    device("b" * 64, owner=Owner(user_key="ana"))
    assert count(application, {"users": ["ana"]}).devices == 1
    assert count(application, {"users": ["Ana"]}).devices == 0
    application.trust_client_user_ids = True
    assert count(application, {"users": ["ana"]}).devices == 2
