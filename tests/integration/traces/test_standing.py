"""In what state a device is, in one sentence, and what to do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_push.messages import Result, Status
from django_push.models import Credential, Installation
from django_push.submission import push
from django_push.traces import standing_of, standing_words
from django_push.traces.standing import State
from tests.support.scripted import script

pytestmark = pytest.mark.django_db(transaction=True)


def told(device) -> tuple[State, str, str]:
    standing = standing_of(Installation.objects.get(pk=device.pk))
    words = standing_words(standing)
    return standing.state, words.text, words.cure


def test_on(device):
    said = "It is on: pushes go to it through Scripted “main”."
    assert told(device("a" * 64)) == (State.ON, said, "")


def test_nothing_reaches_it(device):
    state, text, cure = told(device("a" * 64, "android"))
    assert state is State.NO_CREDENTIAL
    assert "Google" in text
    assert cure.startswith("Add a credential")


def test_the_credential_was_refused(device, credential):
    Credential.objects.update(check_result="refused", check_detail="InvalidProviderToken")
    state, text, _cure = told(device("a" * 64))
    assert state is State.REFUSED
    assert text.endswith("refused the credential “main” last. (InvalidProviderToken)")


def test_the_provider_is_out_of_reach(device):
    Credential.objects.update(down_since=timezone.now(), down_reason="no route to host")
    state, text, _cure = told(device("a" * 64))
    assert state is State.OUT_OF_REACH
    assert "no route to host" in text


def test_everything_is_redirected(device, settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "locmem"}
    assert told(device("a" * 64))[0] is State.REDIRECTED


def test_a_push_switched_it_off_and_the_day_is_told(application, device, worker, credential):
    phone = device("a" * 64)
    later = timezone.now() + timedelta(days=1)
    script.answer = lambda device: Result(Status.UNREGISTERED, "Gone", "", invalid_since=later)
    history = push(application, audience={"everyone": True}, title="Hi")
    worker.drain(5)
    Installation.objects.update(inactive_since="2026-11-03T12:00:00Z")
    assert told(phone) == (
        State.OFF,
        "Switched off on Nov. 3, 2026 because Apple says that the app is gone.",
        "It comes back when the app registers again.",
    )
    Installation.objects.update(inactive_since=None)  # before that was written down
    history.delivery_failures.update(created_at="2026-11-02T12:00:00Z")
    assert "on Nov. 2, 2026 because" in told(phone)[1]
    device("a" * 64)  # registers again
    assert told(phone)[0] is State.ON


@pytest.mark.parametrize("reason", Installation.Reason.values)
def test_every_way_of_being_off_is_told(device, reason):
    phone = device("a" * 64)
    Installation.objects.update(is_active=False, inactive_reason=reason)
    state, text, _cure = told(phone)
    assert state is State.OFF
    assert text.startswith("Switched off")
    assert text.endswith(".")
    assert "%" not in text
