"""Resuming while refusals of before are still on their way."""

from __future__ import annotations

import pytest

from django_push.delivery import cancel, claim, claim_plan, resume
from django_push.delivery.mending import free_mended
from django_push.exceptions import NotAllowed
from django_push.models import PushBatch, PushHistory
from django_push.scheduler import tick
from django_push.submission import push
from django_push.worker import Worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("scripted")]

PUSH_SETTINGS = {"BATCH_SIZE": 1}


def planned(application, device, letters: str) -> PushHistory:
    """A push to everyone, a batch for each device."""
    for letter in letters:
        device(letter * 64)
    history = push(application, audience={"everyone": True}, title="Hi")
    plan = claim_plan("planner")
    while plan.step():
        pass
    return history


def test_what_was_refused_before_the_resume_pauses_nothing_after_it(application, device):
    """The provider took the account again, nothing was changed here; somebody pressed Resume when
    the first of two batches was paused."""
    history = planned(application, device, "ab")
    worker = Worker(listen=False)
    worker.sender.begin_all(claim(worker.name))
    first, second = worker.sender.runs.values()
    PushBatch.objects.filter(pk=first.batch.pk).update(
        lease_owner="", lease_until=None, pause_reason="InvalidProviderToken"
    )
    first.lost = True
    resume(history)
    second.pause_reason, second.credential_refused = "InvalidProviderToken", True
    worker.sender.step(0)
    assert list(PushBatch.objects.values_list("pause_reason", flat=True)) == ["", ""]
    worker.drain(5)
    worker.close()
    history.refresh_from_db()
    assert (history.state, history.successes) == ("done", 2)


def test_what_is_paused_in_the_moment_of_the_resume_goes_on_too(application, device):
    """The resume saw the first batch paused; the second's refusal was being written by then."""
    history = planned(application, device, "ab")
    worker = Worker(listen=False)
    worker.sender.begin_all(claim(worker.name))
    first, second = worker.sender.runs.values()
    PushBatch.objects.filter(pk=first.batch.pk).update(
        lease_owner="", lease_until=None, pause_reason="InvalidProviderToken"
    )
    first.lost = second.lost = True
    resume(history)
    PushBatch.objects.filter(pk=second.batch.pk).update(
        lease_owner="", lease_until=None, claim_at=None, pause_reason="InvalidProviderToken"
    )
    second.pause_reason = "InvalidProviderToken"
    free_mended([second])
    worker.drain(5)
    worker.close()
    history.refresh_from_db()
    assert (history.state, history.successes) == ("done", 2)


def test_who_pauses_after_the_resume_stays_paused(application, device):
    """Only what was claimed before the resume is freed."""
    planned(application, device, "a")
    worker = Worker(listen=False)
    worker.sender.begin_all(claim(worker.name))
    (run,) = worker.sender.runs.values()
    run.pause_reason = "InvalidProviderToken"
    PushBatch.objects.update(lease_owner="", lease_until=None, pause_reason=run.pause_reason)
    free_mended([run])
    run.lost = True
    worker.close()
    assert PushBatch.objects.get().pause_reason == "InvalidProviderToken"


def test_a_stopped_push_is_not_resumed(application, device):
    history = planned(application, device, "ab")
    cancel(history)
    PushBatch.objects.update(claim_at=None, pause_reason="InvalidProviderToken")
    with pytest.raises(NotAllowed):
        resume(history)
    assert set(PushBatch.objects.values_list("pause_reason", flat=True)) == {"InvalidProviderToken"}
    tick()  # which finds what nobody claims: the rest is marked, and the push ends
    worker = Worker(listen=False)
    worker.drain(5)
    worker.close()
    history.refresh_from_db()
    assert (history.state, history.skipped) == ("cancelled", {"cancelled": 2})
