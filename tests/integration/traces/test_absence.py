"""Why a push was not for a device, as far as that can be known."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from django_push import delivery
from django_push.models import (
    Application,
    Credential,
    Installation,
    Owner,
    PushBatch,
    PushHistory,
    Segment,
    State,
)
from django_push.submission import push
from django_push.traces import Why, absence_words, trace_of, why_absent

pytestmark = pytest.mark.django_db(transaction=True)


def sent(application, worker, **audience) -> PushHistory:
    history = push(application, audience=audience, title="Hi")
    worker.drain(5)
    history.refresh_from_db()
    return history


def absent(device, history) -> tuple[Why, str]:
    device = Installation.objects.get(pk=device.pk)
    assert trace_of(device, history) is None
    absence = why_absent(device, history)
    text = absence_words(absence).text
    assert ("That is so today" in text) == (not absence.is_certain and absence.why != Why.UNKNOWN)
    return absence.why, text


def test_another_application(application, device, worker):
    other = Application.objects.register(None, "Bar", key="bar")
    Credential.objects.create(application=other, provider="scripted", name="bar")
    Installation.objects.register(other, device_type="ios", address="b" * 64)
    assert absent(device("a" * 64), sent(other, worker, everyone=True))[0] is Why.OTHER_APPLICATION


def test_registered_after_the_push_was_counted(application, device, worker):
    device("a" * 64)
    history = sent(application, worker, everyone=True)
    late = device("b" * 64)
    assert absent(late, history) == (
        Why.REGISTERED_LATER,
        "The device registered after the push was counted.",
    )


def test_an_imported_device_that_says_it_is_old_was_not_there_either(application, device, worker):
    device("a" * 64)
    history = sent(application, worker, everyone=True)
    late = device("b" * 64)
    Installation.objects.filter(pk=late.pk).update(created_at=timezone.now() - timedelta(days=900))
    assert absent(late, history)[0] is Why.REGISTERED_LATER


def test_other_channel(application, device, worker):
    device("a" * 64, channels=["news"])
    phone = device("b" * 64, channels=["sport"])
    why, text = absent(phone, sent(application, worker, channels=["news", "opera"]))
    assert why is Why.OTHER_CHANNEL
    assert text.startswith("The push was for channels (news, opera), and it is in none of them.")


def test_other_platform_is_told_before_anything_vaguer(application, device, worker):
    device("a" * 64, channels=["news"])
    phone = device("b" * 64, "macos", channels=["news"])
    history = sent(application, worker, channels=["news"], device_types=["ios"])
    assert absent(phone, history) == (
        Why.OTHER_PLATFORM,
        "The push was for other platforms (ios).",
    )


def test_not_listed(application, device, worker):
    named, other = device("a" * 64), device("b" * 64)
    history = sent(application, worker, installations=[named.public_id])
    assert absent(other, history)[0] is Why.NOT_LISTED


def test_other_user_and_users_are_not_named(application, device, worker):
    device("a" * 64, owner=Owner(user_key="ana", proved=True))
    phone = device("b" * 64, owner=Owner(user_key="ben", proved=True))
    why, text = absent(phone, sent(application, worker, users=["ana"]))
    assert why is Why.OTHER_USER
    assert "ana" not in text


def test_only_claimed(application, device, worker):
    device("a" * 64, owner=Owner(user_key="ana", proved=True))
    phone = device("b" * 64, owner=Owner(user_key="ana"))
    why, _text = absent(phone, sent(application, worker, users=["ana"]))
    assert why is Why.NOT_PROVED


def test_signed_in_after_the_push_was_counted(application, device, worker):
    device("a" * 64, owner=Owner(user_key="ana", proved=True))
    phone = device("b" * 64)
    history = sent(application, worker, users=["ana"])
    device("b" * 64, owner=Owner(user_key="ana", proved=True))
    assert absent(phone, history)[0] is Why.CHANGED_HANDS


def test_switched_off_when_a_few_were_listed(application, device, worker):
    user = get_user_model()._default_manager.create_user("ana")
    device("a" * 64, owner=Owner(user=user))
    phone = device("b" * 64, owner=Owner(user=user))
    Installation.objects.filter(pk=phone.pk).update(is_active=False, inactive_reason="staff")
    history = sent(application, worker, users=[str(user.pk)])
    assert absent(phone, history)[0] is Why.SWITCHED_OFF


def test_due_later_being_planned_and_stopped(application, device):
    phone = device("a" * 64)
    later = timezone.now() + timedelta(days=1)
    scheduled = push(application, audience={"everyone": True}, title="Hi", send_at=later)
    assert absent(phone, scheduled)[0] is Why.NOT_BEGUN
    begun = push(application, audience={"everyone": True}, title="Hi")
    plan = delivery.claim_plan("planner")
    begun.refresh_from_db()
    assert absent(phone, begun)[0] is Why.BEING_PLANNED
    delivery.cancel(begun)
    assert absent(phone, begun)[0] is Why.STOPPED
    assert plan is not None


def test_stopped_after_all_were_counted_is_no_reason(application, device):
    device("a" * 64)
    phone = device("b" * 64, "macos")
    history = push(application, audience={"everyone": True, "device_types": ["ios"]}, title="Hi")
    plan = delivery.claim_plan("planner")
    while plan.step():
        pass
    delivery.cancel(history)
    assert absent(phone, history)[0] is Why.OTHER_PLATFORM


def test_missed(application, device, worker):
    phone = device("a" * 64)
    history = sent(application, worker, everyone=True)
    PushBatch.objects.all().delete()
    PushHistory.objects.update(state=State.MISSED, devices=0)
    history.refresh_from_db()
    assert absent(phone, history)[0] is Why.MISSED


def test_the_ledger_is_gone(application, device, worker):
    phone = device("a" * 64)
    history = sent(application, worker, everyone=True)
    PushBatch.objects.all().delete()
    assert absent(phone, history)[0] is Why.LEDGER_GONE


def test_it_fits_today(application, device, worker):
    device("a" * 64, channels=["news"])
    phone = device("b" * 64)
    history = sent(application, worker, channels=["news"])
    phone.set_channels(["news"])
    assert absent(phone, history) == (
        Why.UNKNOWN,
        "It fits the audience today, so something about it was different then.",
    )


@pytest.mark.parametrize(
    "audience",
    [{"where": {"locale": "de"}}, {"everyone": True, "exclude": {"channels": ["opera"]}}],
)
def test_conditions_and_exclusions_of_the_audience(application, device, worker, audience):
    device("a" * 64, locale="de")
    phone = device("b" * 64, locale="en", channels=["opera"])
    assert absent(phone, sent(application, worker, **audience))[0] is Why.OTHER_AUDIENCE


@pytest.mark.parametrize(
    "audience",
    [{"segments": ["german"]}, {"everyone": True, "exclude": {"segments": ["opera"]}}],
)
def test_segments_are_those_that_the_push_took_with_it(application, device, worker, audience):
    for key, where in (("german", {"locale": "de"}), ("opera", {"channels": "opera"})):
        Segment.objects.create(
            application=application, key=key, name=key, audience={"where": where}
        )
    device("a" * 64, locale="de")
    phone = device("b" * 64, locale="en", channels=["opera"])
    history = sent(application, worker, **audience)
    Segment.objects.update(audience={"everyone": True})
    assert absent(phone, history)[0] is Why.OTHER_AUDIENCE


@pytest.mark.parametrize("why", Why)
def test_every_answer_has_its_words(application, device, worker, why):
    from django_push.traces.absence import Absence

    phone = device("a" * 64)
    history = sent(application, worker, everyone=True)
    words = absence_words(Absence(device=phone, history=history, why=why, names=["100 %s"]))
    assert words.text.endswith(".")
    assert ("100 %s" in words.text) == (why in {Why.OTHER_CHANNEL, Why.OTHER_PLATFORM})
