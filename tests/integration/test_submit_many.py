"""Many messages submitted together: as if each were alone, and all of them or none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_push.exceptions import IdempotencyConflict, InvalidPush, NotAllowed
from django_push.models import Application, Notification, PushBatch, PushHistory
from django_push.signals import pre_submit, push_submitted
from django_push.submission import compose, submit, submit_many
from django_push.worker import Worker
from tests.support.scripted import script

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("scripted")]


@pytest.fixture
def phones(device):
    return [device(f"{number:064x}") for number in range(20)]


def to(application, *phones, **message) -> Notification:
    listed = {"installations": [phone.public_id for phone in phones]}
    return compose(application, audience=listed, **{"title": "Hi", **message})


def test_each_device_gets_its_own_words(application, phones):
    messages = [to(application, phone, title=f"Row {n}") for n, phone in enumerate(phones)]
    pushes = submit_many(messages, by="a job", source="python")
    assert [push.title for push in pushes] == [f"Row {n}" for n in range(20)]
    assert {(push.sent_by, push.source) for push in pushes} == {("a job", "python")}
    worker = Worker(listen=False)
    worker.drain(5)
    worker.close()
    said = {token: envelope.message.title for token, envelope in script.seen}
    assert said == {phone.address: f"Row {n}" for n, phone in enumerate(phones)}
    ended = PushHistory.objects.filter(pk__in=[push.pk for push in pushes], state="done")
    assert ended.filter(devices=1, successes=1).count() == 20
    assert not Notification.objects.exclude(status="sent").exists()


def test_a_hundred_cost_few_statements(application, phones):
    with CaptureQueriesContext(connection) as asked:
        submit_many([to(application, phone) for phone in phones * 5])
    # SQLite takes the rows in several pieces; each receiver of a signal has a savepoint.
    assert len([query for query in asked if "SAVEPOINT" not in query["sql"]]) < 20


def test_other_audiences_are_submitted_too(application, device, phones):
    device("f" * 64, user_key="ana", user_verified=True, channels=["news"])
    later = timezone.now() + timedelta(hours=1)
    pushes = submit_many(
        [
            compose(application, audience={"users": ["ana"]}, title="To you"),
            compose(application, audience={"channels": ["news"]}, title="To readers"),
            compose(application, audience={"everyone": True}, title="Later", send_at=later),
            to(application, *phones, badge_increment=1),
        ]
    )
    assert [push.planned_at is not None for push in pushes] == [True, False, False, True]
    assert [push.state for push in pushes] == ["sending", "sending", "scheduled", "sending"]
    assert PushBatch.objects.get(history=pushes[3]).size == 20
    phones[0].refresh_from_db()
    assert phones[0].badge == 1


def test_one_that_cannot_be_sent_stops_all(application, phones):
    messages = [to(application, phones[0]), to(application, phones[1], title="")]
    with pytest.raises(InvalidPush) as error:
        submit_many(messages)
    assert (error.value.code, error.value.field) == ("empty_message", "pushes.1.body")
    assert str(error.value).startswith("Push 1 of these (the first is 0): The message is empty")
    unknown = compose(application, audience={"installations": ["0" * 24]}, title="Hi")
    with pytest.raises(InvalidPush) as error:
        submit_many([to(application, phones[0]), unknown])
    assert error.value.field == "pushes.1.audience.installations"
    assert not Notification.objects.exists()


def test_a_veto_stops_all_and_the_messages_may_be_sent_again(application, phones):
    def veto(notification, **_):
        if notification.content["title"] == "No":
            raise InvalidPush("Not today.")

    messages = [to(application, phones[0]), to(application, phones[1], title="No")]
    pre_submit.connect(veto)
    try:
        with pytest.raises(InvalidPush):
            submit_many(messages)
    finally:
        pre_submit.disconnect(veto)
    assert not Notification.objects.exists()
    assert len(submit_many(messages)) == 2


def test_messages_of_two_applications_or_sent_ones_are_refused(application, phones):
    other = Application.objects.register(None, "Other", key="other")
    with pytest.raises(NotAllowed):
        submit_many([to(application, phones[0]), to(other, phones[0])])
    sent = to(application, phones[0])
    submit(sent)
    with pytest.raises(NotAllowed):
        submit_many([sent])
    assert submit_many([]) == []


def test_keys_make_a_job_safe_to_repeat(application, phones):
    def messages(number):
        return [to(application, phone) for phone in phones[:number]]

    keys = [f"order-{number}" for number in range(6)]
    first = submit_many(messages(4), idempotency_keys=keys[:4])
    again = submit_many(messages(6), idempotency_keys=keys)
    assert [push.pk for push in again[:4]] == [push.pk for push in first]
    assert PushHistory.objects.count() == 6
    alone = submit(messages(1)[0], idempotency_key=keys[0])
    assert alone.pk == first[0].pk
    with pytest.raises(IdempotencyConflict):
        submit_many([to(application, phones[9])], idempotency_keys=[keys[0]])
    with pytest.raises(IdempotencyConflict):
        submit_many(messages(2), idempotency_keys=["twice", "twice"])
    with pytest.raises(InvalidPush):
        submit_many(messages(2), idempotency_keys=["one"])
    assert PushHistory.objects.count() == 6


def test_receivers_hear_of_each(application, phones):
    heard = []
    receiver = lambda history, **_: heard.append(history.pk)  # noqa: E731
    push_submitted.connect(receiver)
    try:
        pushes = submit_many([to(application, phone) for phone in phones])
    finally:
        push_submitted.disconnect(receiver)
    assert heard == [push.pk for push in pushes]


def test_nobody_to_send_to_ends_at_once(application, phones):
    phones[0].is_active = False
    phones[0].save()
    nobody, somebody = submit_many([to(application, phone) for phone in phones[:2]])
    assert (nobody.state, somebody.state) == ("nobody", "sending")
