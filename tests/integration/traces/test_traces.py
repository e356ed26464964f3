"""What became of each push at one device: every outcome, made by a real worker."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_push import delivery, traces
from django_push.delivery import claim, claim_plan
from django_push.delivery.ledger import SKIPPED, Mark
from django_push.messages import Result, Status
from django_push.models import Application, Credential, Installation, PushBatch, PushHistory
from django_push.submission import push
from django_push.traces import Outcome, ledgers, pushes_to, trace_of, trace_words
from django_push.traces.trace import Entry, read_trace
from tests.support.ledgers import due_now, end
from tests.support.scripted import SENT, script

pytestmark = pytest.mark.django_db(transaction=True)


def broadcast(application, **said) -> PushHistory:
    return push(application, audience={"everyone": True}, title="Hi", **said)


def sent(application, worker, **said) -> PushHistory:
    history = broadcast(application, **said)
    worker.drain(5)
    history.refresh_from_db()
    return history


def plan_all() -> None:
    plan = claim_plan("planner")
    assert plan is not None
    while plan.step():
        pass


def told(device, history) -> tuple[str, str, str]:
    trace = trace_of(device, history)
    assert trace is not None
    words = trace_words(trace)
    return str(trace.outcome), words.text, words.cure


# ----- outcomes -----


def test_accepted(application, device, worker):
    phone = device("a" * 64)
    history = sent(application, worker)
    trace = trace_of(phone, history)
    assert told(phone, history) == ("sent", "Scripted accepted it.", "")
    assert trace.at == history.batches.get().settled_at
    assert (trace.credential.name, trace.tries, trace.switched_off) == ("main", 1, False)


def test_the_app_is_gone_and_the_device_was_switched_off(application, device, worker):
    phone = device("a" * 64)
    later = timezone.now() + timedelta(days=1)
    script.answer = lambda device: Result(Status.UNREGISTERED, "Gone", "", invalid_since=later)
    history = sent(application, worker)
    assert told(phone, history) == (
        "dead",
        "Scripted says that the app is gone from this device. It was switched off.",
        "It comes back when the app registers again.",
    )
    trace = trace_of(phone, history)
    assert (trace.reason, trace.status, trace.switched_off) == ("Gone", "unregistered", True)


def test_gone_before_it_registered_again_is_not_switched_off(application, device, worker):
    phone = device("a" * 64)
    before = timezone.now() - timedelta(days=30)
    script.answer = lambda device: Result(Status.UNREGISTERED, "Gone", "", invalid_since=before)
    history = sent(application, worker)
    assert "It was not switched off" in told(phone, history)[1]


def test_the_provider_s_reason_is_told_in_words_and_as_it_is(application, device, worker):
    phone = device("a" * 64)
    script.answer = lambda device: Result(Status.REJECTED, "PayloadTooLarge", "4097 bytes")
    history = sent(application, worker)
    outcome, text, cure = told(phone, history)
    assert (outcome, text) == ("failed", "Scripted did not take it: The message is too long.")
    assert cure.startswith("Shorten the text")
    trace = trace_of(phone, history)
    assert (trace.reason, trace.detail) == ("PayloadTooLarge", "4097 bytes")


def test_left_out_with_the_reason(application, device, worker):
    phone = device("a" * 64)
    history = broadcast(application)
    plan_all()
    Installation.objects.update(is_active=False)
    worker.drain(5)
    assert told(phone, history)[:2] == ("skipped", "It was switched off when its turn came.")


def test_no_credential_names_the_cure(application, device, worker):
    phone = device("b" * 64, "android")
    device("a" * 64)
    history = sent(application, worker)
    assert told(phone, history) == (
        "skipped",
        "There was no credential that reaches it.",
        "Add a credential for its network, app and environment.",
    )


def test_expired(application, device, worker, moving_clock):
    phone = device("a" * 64)
    history = broadcast(application, time_to_live=60)
    plan_all()
    moving_clock.set(timezone.now() + timedelta(minutes=5))
    worker.drain(5)
    assert told(phone, history)[0] == "skipped"
    assert "it expired" in told(phone, history)[1]


def test_waiting_in_hand_and_stopped(application, device):
    phone = device("a" * 64)
    history = broadcast(application)
    plan_all()
    assert told(phone, history)[:2] == ("waiting", "It waits for a worker.")
    assert claim("someone")
    assert told(phone, history)[:2] == ("sending", "A worker has it in hand.")
    delivery.cancel(history)
    assert told(phone, history)[:2] == ("skipped", "The push was stopped before its turn came.")


def test_deferred_says_when_and_how_often(application, device, worker):
    phone = device("a" * 64)
    script.answer = lambda device: Result(Status.DEFERRED, "Busy")
    history = sent(application, worker)
    trace = trace_of(phone, history)
    assert (trace.outcome, trace.tries) == (Outcome.DEFERRED, 1)
    assert trace.until == history.batches.get().not_before
    assert trace_words(trace).text.startswith("It was tried once, and is tried again at ")
    due_now()
    worker.drain(5)
    assert trace_words(trace_of(phone, history)).text.startswith("It was tried 2 times, and ")


def test_given_up_after_all_tries(application, device, worker):
    phone = device("a" * 64)
    script.answer = lambda device: Result(Status.DEFERRED, "TooManyRequests")
    history = broadcast(application)
    end(worker, history)
    outcome, text, _cure = told(phone, history)
    assert outcome == "failed"
    assert text.endswith("Its batch was handed over 3 times.")


def test_no_answer_counts_the_tries(application, device, worker):
    phone = device("a" * 64)
    script.answer = lambda device: Result(Status.UNKNOWN, "ConnectionLost")
    history = sent(application, worker)
    assert (told(phone, history)[0], trace_of(phone, history).tries) == ("deferred", 1)


def test_held_by_a_person(application, device):
    phone = device("a" * 64)
    history = broadcast(application)
    plan_all()
    delivery.pause(history, by="sara")
    assert told(phone, history) == (
        "paused",
        "The push is paused. Paused by sara.",
        "Resume the push.",
    )


def test_held_because_the_credential_was_refused(application, device, worker):
    phone = device("a" * 64)
    script.answer = lambda device: Result(Status.UNAUTHORIZED, "InvalidProviderToken")
    history = sent(application, worker)
    assert told(phone, history) == (
        "paused",
        "Paused: the credential “main” is refused. (InvalidProviderToken)",
        "Open the credential and upload a new file.",
    )


def test_its_provider_cannot_be_reached(application, device):
    phone = device("a" * 64)
    history = broadcast(application)
    plan_all()
    Credential.objects.update(down_since=timezone.now(), down_reason="no route")
    outcome, text, cure = told(phone, history)
    assert (outcome, cure) == ("waiting", "It goes out by itself when that is over.")
    assert text.startswith("Scripted “main” cannot be reached since ")
    assert text.endswith(": no route.")


def test_a_device_that_moved_is_told_of_once_and_by_its_new_batch(application, device, worker):
    Credential.objects.update(topic="com.example.main")
    bar = Credential.objects.create(
        application=application, provider="scripted", name="bar", topic="com.example.bar"
    )
    phone = device("a" * 64, app_identifier="com.example.main")
    history = broadcast(application)
    plan_all()
    Installation.objects.update(app_identifier="com.example.bar")
    end(worker, history)
    trace = trace_of(phone, history)
    assert (trace.outcome, trace.credential, trace.moves) == (Outcome.SENT, bar, 1)
    assert "It changed its credential" in trace_words(trace).text
    assert len(pushes_to(phone).traces) == 1


def test_a_credential_that_was_deleted_since_is_no_error(application, device, worker, credential):
    phone = device("a" * 64)
    history = sent(application, worker)
    credential.delete()
    assert told(phone, history)[:2] == ("sent", "Scripted accepted it.")


@pytest.mark.parametrize("mark", sorted(set(range(256)) & {*Mark, Mark.UNKNOWN + 2}))
def test_every_mark_of_the_ledger_has_its_words(application, device, worker, mark):
    phone = device("a" * 64)
    history = sent(application, worker)
    batch = PushBatch.objects.get()
    trace = read_trace(history, [Entry(batch, mark)], None, timezone.now())
    words = trace_words(trace)
    assert words.label
    assert words.text.endswith(".")
    assert (trace.outcome is Outcome.SKIPPED) == (mark in SKIPPED)
    assert (trace.outcome is Outcome.SENT) == (mark == Mark.SENT)
    assert phone.pk == batch.first_id


# ----- finding them -----


def test_only_pushes_that_held_the_device_newest_first(application, device, worker):
    phones = [device(f"{number:064x}") for number in range(6)]
    for each in (0, 2, 5, 2):
        public_ids = [phones[0].public_id, phones[each].public_id, phones[5].public_id]
        push(application, audience={"installations": sorted(set(public_ids))}, title=f"For {each}")
    worker.drain(5)
    found = pushes_to(phones[2])  # between first and last of them all, and in two
    assert [trace.history.title for trace in found.traces] == ["For 2", "For 2"]
    pks = [trace.history.pk for trace in found.traces]
    assert pks == sorted(pks, reverse=True)
    assert found.older_than is None


def test_another_application_s_pushes_are_not_even_looked_at(application, device, worker):
    phone = device("a" * 64)
    other = Application.objects.register(None, "Bar", key="bar")
    Credential.objects.create(application=other, provider="scripted", name="bar")
    Installation.objects.register(other, device_type="ios", address="b" * 64)
    sent(other, worker)
    assert pushes_to(phone) == ledgers.Page(traces=[], older_than=None, looked_at=0)


@pytest.mark.parametrize("piece", [2, 3, 5, 500])
def test_pages_hold_everything_once(application, device, worker, monkeypatch, piece):
    monkeypatch.setattr(ledgers, "PIECE", piece)
    phone, other = device("a" * 64), device("b" * 64)
    mine = []
    for number in range(11):
        to = phone if number % 3 else other
        history = push(application, audience={"installations": [to.public_id]}, title="Hi")
        mine += [history.pk] if to is phone else []
    worker.drain(5)
    seen: list[int] = []
    before, pages = None, 0
    while True:
        page = pushes_to(phone, before, limit=2)
        assert len(page.traces) <= 2
        seen += [trace.history.pk for trace in page.traces]
        before, pages = page.older_than, pages + 1
        if before is None:
            break
    assert seen == sorted(mine, reverse=True)
    assert pages < 12


def test_a_page_looks_through_so_many_pushes_and_no_more(
    application, device, worker, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(ledgers, "PIECE", 2)
    monkeypatch.setattr(ledgers, "LOOKED_AT", 4)
    phone, other = device("a" * 64), device("b" * 64)
    first = push(application, audience={"installations": [phone.public_id]}, title="Mine")
    for _number in range(6):
        push(application, audience={"installations": [other.public_id]}, title="Not mine")
    with django_assert_num_queries(4):
        page = pushes_to(phone)
    assert (page.traces, page.looked_at) == ([], 4)
    page = pushes_to(phone, page.older_than)
    assert [trace.history for trace in page.traces] == [first]


def test_a_page_of_broadcasts_costs_few_statements(
    application, device, worker, django_assert_max_num_queries
):
    phone = device("a" * 64)
    device("b" * 64)
    for _number in range(25):
        broadcast(application)
        plan_all()
    with django_assert_max_num_queries(6):
        page = pushes_to(phone)
        words = [trace_words(trace) for trace in page.traces]
    assert len(words) == traces.PAGE
    assert all(words[0] == each for each in words)


def test_reading_costs_no_large_columns_of_other_pages(application, device, worker):
    """The ids of a broadcast's batch are 20 kB: only those of this page may be read."""
    phone = device("a" * 64)
    device("b" * 64)
    for _number in range(9):
        broadcast(application)
        plan_all()
    spanning = ledgers._spanning(phone, ledgers._pushes(phone, None))
    few = ledgers._take_groups(list(spanning), 10, all_of_them=False)
    assert list(few) == []
    groups = list(ledgers._take_groups(spanning, 4, all_of_them=True))
    assert [len({push for push, _ in group}) for group in groups] == [4, 4, 1]


def test_sent_is_what_the_script_says(application, device, worker):
    """The books of the test itself: what is told as accepted was handed over once."""
    phone = device("a" * 64)
    script.answer = lambda device: SENT
    sent(application, worker)
    assert script.tokens == [phone.address]
