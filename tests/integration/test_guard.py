"""The mass-failure guard: whose fault it is when tokens look wrong, and what is tried before."""

from __future__ import annotations

from collections import Counter

import pytest

from django_push.delivery import claim_plan, progress, resume
from django_push.delivery.ledger import Mark
from django_push.messages import Account, Device, Result, Status
from django_push.models import Credential, DeliveryFailure, Installation, Notification, PushBatch
from django_push.signals import installation_deactivated
from django_push.submission import push, submit
from django_push.worker import Worker
from tests.support.ledgers import assert_ledger_is_whole, end, fates, work_until
from tests.support.scripted import SENT, script

pytestmark = pytest.mark.django_db(transaction=True)

WRONG = Result(Status.SUSPECT, "BadDeviceToken", "wrong token")
EVERYONE = {"everyone": True}


@pytest.fixture(autouse=True)
def scripted(settings):
    settings.DJANGO_PUSH = {
        **settings.DJANGO_PUSH,
        "PROVIDERS": {"scripted": "tests.support.scripted.ScriptedProvider"},
        "BATCH_SIZE": 40,
        "RETRY_SECONDS": 0.01,
    }
    script.reset()
    yield
    script.reset()


@pytest.fixture
def production(application):
    return Credential.objects.create(application=application, provider="scripted", name="prod")


@pytest.fixture
def sandbox(application):
    return Credential.objects.create(
        application=application, provider="scripted", name="dev", environment="sandbox"
    )


@pytest.fixture
def many(device):
    """A function that registers devices; the first letter of the token tells them apart."""

    def register(number: int, letter: str = "a", **details) -> list[Installation]:
        return [device(f"{letter}{n:063x}", **details) for n in range(number)]

    return register


def broadcast(application, *, planned: bool = True):
    history = push(application, audience=EVERYONE, title="Hi")
    plan = claim_plan("planner") if planned else None
    while plan and plan.step():
        pass
    return history


def rated(application, rate: int):
    return submit(
        Notification(application=application, content={"title": "Hi"}, audience=EVERYONE, rate=rate)
    )


def belongs_to(**letters: str) -> None:
    """Tokens that begin with a letter are accepted by the credential of that name only."""

    def answer(account: Account, device: Device) -> Result:
        return SENT if letters.get(device.address[0]) == account.name else WRONG

    script.answer_of = answer


def is_paused(history) -> bool:
    return bool(progress(history).paused)


def test_nine_in_each_of_many_batches_are_judged_together(
    application, many, worker, production, settings
):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "BATCH_SIZE": 9}
    devices = many(900)
    script.answer = lambda device: WRONG
    history = broadcast(application)
    work_until(worker, lambda: is_paused(history))
    worker.drain(0.5)
    assert_ledger_is_whole(history)
    assert not DeliveryFailure.objects.exists()
    assert progress(history).open == 900
    assert len(script.tokens) < 200, "the rest is sent though most look wrong"
    assert Installation.objects.filter(is_active=True).count() == 900
    script.answer = lambda device: SENT
    script.seen.clear()
    resume(history)
    end(worker, history)
    assert (history.successes, history.failures) == (900, 0)
    assert Counter(script.tokens) == Counter(row.address for row in devices)


def test_a_slow_push_with_few_devices_in_a_batch_is_judged_too(
    application, many, worker, production
):
    many(60)
    script.answer = lambda device: WRONG
    history = rated(application, rate=5)
    work_until(worker, lambda: is_paused(history), hurry=False)
    assert not DeliveryFailure.objects.exists()
    assert progress(history).open == 60


def test_nine_among_many_good_ones_are_their_own_fault(application, many, worker, production):
    many(9, "b"), many(111, "a")
    belongs_to(a="prod")
    history = broadcast(application)
    end(worker, history)
    assert (history.successes, history.failures) == (111, 9)
    assert set(fates(history).values()) == {Mark.SENT, Mark.FOREIGN}
    assert DeliveryFailure.objects.filter(status="failed", reason="BadDeviceToken").count() == 9
    assert Installation.objects.filter(is_active=True).count() == 120


def test_a_cluster_of_wrong_ones_does_not_stop_a_push_that_does_well(
    application, many, worker, production
):
    many(80, "a"), many(30, "b"), many(80, "c")
    belongs_to(a="prod", c="prod")
    history = broadcast(application)
    end(worker, history)
    assert (history.successes, history.failures) == (160, 30)


@pytest.mark.parametrize("has_sandbox", [True, False])
def test_five_that_all_look_wrong_cost_nobody_anything(
    application, many, worker, production, has_sandbox, request
):
    if has_sandbox:
        request.getfixturevalue("sandbox")
    many(5)
    script.answer = lambda device: WRONG
    history = broadcast(application)
    end(worker, history)
    assert (history.devices, history.failures) == (5, 5)
    assert Installation.objects.filter(is_active=True, environment="unknown").count() == 5
    assert not Credential.objects.filter(check_result=Credential.Check.REFUSED).exists()
    assert len(script.tokens) == (10 if has_sandbox else 5)


def test_only_the_credential_in_question_is_paused(application, many, device, worker, production):
    many(50)
    Credential.objects.create(
        application=application, provider="scripted", name="other", topic="com.example.other"
    )
    Credential.objects.update(topic="com.example.hall")
    Credential.objects.filter(name="other").update(topic="com.example.other")
    good = [device(f"b{n:063x}", app_identifier="com.example.other") for n in range(50)]
    belongs_to(b="other")
    history = broadcast(application)
    work_until(worker, lambda: is_paused(history) and progress(history).successes == 50)
    assert [str(each) for each, _ in progress(history).paused] == ["prod"]
    assert {token for name, token in script.through if name == "other"} == {
        row.address for row in good
    }


def test_a_test_builds_token_is_tried_in_the_sandbox_and_stays_there(
    application, many, worker, production, sandbox
):
    many(30, "a"), many(3, "b")
    belongs_to(a="prod", b="dev")
    history = broadcast(application)
    end(worker, history)
    assert (history.devices, history.successes, history.skipped) == (33, 33, {})
    assert Counter(Installation.objects.values_list("environment", flat=True)) == {
        "unknown": 30,
        "sandbox": 3,
    }
    script.through.clear()
    history = broadcast(application)
    end(worker, history)
    assert history.successes == 33
    assert len(script.through) == 33, "the next push goes to the right place at once"


def test_a_wrongly_registered_environment_is_corrected(
    application, device, worker, production, sandbox
):
    device("b" * 64, environment="production")
    belongs_to(b="dev")
    history = broadcast(application)
    end(worker, history)
    assert history.successes == 1
    assert Installation.objects.get().environment == "sandbox"


def test_wrong_in_both_environments_costs_a_device_its_place_if_others_do_well(
    application, many, worker, production, sandbox
):
    many(30, "a"), many(4, "b")
    belongs_to(a="prod")
    told = []

    def note(installation_ids, reason, **_):
        told.append((reason, len(installation_ids)))

    installation_deactivated.connect(note)
    try:
        history = broadcast(application)
        end(worker, history)
    finally:
        installation_deactivated.disconnect(note)
    assert (history.devices, history.successes, history.failures) == (34, 30, 4)
    assert history.invalid_tokens == 4
    assert told == [("wrong", 4)]
    off = Installation.objects.filter(is_active=False)
    assert {row.inactive_reason for row in off} == {"wrong"}
    assert {row.address[0] for row in off} == {"b"}
    back = Installation.objects.register(application, device_type="ios", address=off[0].address)
    assert back.is_active


@pytest.mark.parametrize("planned", [True, False])
def test_mostly_test_builds_are_all_reached(
    application, many, worker, production, sandbox, planned
):
    many(200, "b")
    belongs_to(b="dev")
    history = broadcast(application, planned=planned)
    end(worker, history)
    assert (history.devices, history.successes, history.failures) == (200, 200, 0)
    assert Installation.objects.filter(environment="sandbox").count() == 200
    assert not Credential.objects.filter(check_result=Credential.Check.REFUSED).exists()


def test_the_rest_waits_until_it_is_known_how_the_first_fare_in_the_sandbox(
    application, many, worker, production, sandbox
):
    many(200, "b")
    script.answer = lambda device: WRONG
    history = broadcast(application)
    work_until(worker, lambda: is_paused(history), hurry=False)
    worker.drain(0.5)
    assert len(script.through) < 60
    assert progress(history).open == 200
    assert not DeliveryFailure.objects.exists()
    assert Installation.objects.filter(is_active=True, environment="unknown").count() == 200
    refused = Credential.objects.filter(check_result=Credential.Check.REFUSED)
    assert [row.name for row in refused] == ["prod"]
    assert_ledger_is_whole(history)


def test_after_the_credential_was_mended_everybody_begins_where_they_belong(
    application, many, worker, production, sandbox
):
    devices = many(200, "b")
    script.answer = lambda device: WRONG
    history = broadcast(application)
    work_until(worker, lambda: is_paused(history))
    worker.drain(0.5)
    script.seen.clear()
    script.through.clear()
    belongs_to(b="prod")
    resume(history)
    end(worker, history)
    assert (history.devices, history.successes, history.failures) == (200, 200, 0)
    assert set(script.through) == {("prod", row.address) for row in devices}
    assert Counter(script.tokens) == Counter(row.address for row in devices)


def test_a_resume_without_a_cure_pauses_again(application, many, worker, production, sandbox):
    many(50, "b")
    script.answer = lambda device: WRONG
    history = broadcast(application)
    for _ in range(5):
        work_until(worker, lambda: is_paused(history))
        assert progress(history).open == 50
        resume(history)
    work_until(worker, lambda: is_paused(history))
    assert_ledger_is_whole(history)


def test_a_late_batch_that_a_worker_died_with_is_probed_by_the_next(
    application, many, worker, production, sandbox
):
    many(20, "a"), many(3, "b")
    belongs_to(a="prod", b="dev")
    history = broadcast(application)
    work_until(worker, lambda: PushBatch.objects.filter(probe=True).exists())
    worker.close()
    second = Worker(listen=False)
    end(second, history)
    second.close()
    assert history.successes == 23


def test_another_apps_sandbox_is_not_asked(application, device, worker, production, sandbox):
    Credential.objects.filter(pk=sandbox.pk).update(topic="com.example.other")
    Credential.objects.filter(pk=production.pk).update(topic="com.example.hall")
    device("b" * 64, app_identifier="com.example.hall")
    script.answer = lambda device: WRONG
    history = broadcast(application)
    end(worker, history)
    assert [name for name, _ in script.through] == ["prod"]


@pytest.mark.parametrize("status", [Status.REJECTED, Status.FAILED])
def test_a_message_that_nobody_takes_is_not_offered_to_everybody(
    application, many, worker, production, status
):
    many(200)
    script.answer = lambda device: Result(status, "BadPriority", "not 11")
    history = broadcast(application)
    work_until(worker, lambda: is_paused(history))
    worker.drain(0.5)
    assert len(script.tokens) < 100
    assert progress(history).paused[0][1] == "BadPriority not 11"
    assert not Credential.objects.filter(check_result=Credential.Check.REFUSED).exists()
    assert_ledger_is_whole(history)
