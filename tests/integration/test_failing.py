"""Hundreds of devices that fail at once: each has its row, and only the dead are switched off."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_push.messages import Result, Status
from django_push.models import DeliveryFailure, Installation, PushHistory
from django_push.submission import push
from django_push.worker import Worker
from tests.support.scripted import SENT, script

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("scripted")]

PUSH_SETTINGS = {"CHECKPOINT_SECONDS": 3600.0}


def send(application) -> PushHistory:
    history = push(application, audience={"everyone": True}, title="Hi")
    worker = Worker(listen=False)
    worker.drain(10)
    worker.close()
    history.refresh_from_db()
    return history


def test_alike_and_different_reasons_come_out_the_same(application, device):
    words = {}
    for number in range(30):
        phone = device(f"{number:064x}")
        if number % 3 == 0:
            words[phone.address] = Result(Status.UNREGISTERED, "Gone", "for good")
        elif number % 3 == 1:
            words[phone.address] = Result(Status.REJECTED, "Odd", f"the case of {number}")
    script.answer = lambda device: words.get(device.address, SENT)
    history = send(application)
    assert (history.successes, history.failures, history.invalid_tokens) == (10, 20, 10)
    assert history.reasons == {"Gone": 10, "Odd": 10}
    told = {
        failure.installation.address: (failure.status, failure.reason, failure.detail)
        for failure in DeliveryFailure.objects.select_related("installation")
    }
    assert told == {
        address: (said.status.value, said.reason, said.detail) for address, said in words.items()
    }
    off = DeliveryFailure.objects.filter(switched_off=True, reason="Gone", credential__name="main")
    assert off.count() == 10
    dead = Installation.objects.filter(is_active=False, inactive_reason="dead")
    assert {phone.address for phone in dead} == {
        address for address, said in words.items() if said.status is Status.UNREGISTERED
    }


def test_many_dead_devices_cost_few_statements(application, device):
    for number in range(40):
        device(f"{number:064x}")
    gone = Result(Status.UNREGISTERED, "Gone", invalid_since=timezone.now() + timedelta(days=1))
    script.answer = lambda device: gone
    push(application, audience={"everyone": True}, title="Hi")
    worker = Worker(listen=False)
    with CaptureQueriesContext(connection) as asked:
        worker.drain(10)
    worker.close()
    assert DeliveryFailure.objects.filter(switched_off=True).count() == 40
    inserts = [query for query in asked if "deliveryfailure" in query["sql"]]
    inserts = [query for query in inserts if query["sql"].startswith("INSERT")]
    assert len(inserts) == 1


def test_who_failed_already_keeps_the_first_row(application, device):
    """A worker that died had written the failures of its batch, and not the batch."""
    phones = [device(f"{number:064x}") for number in range(8)]
    script.answer = lambda device: Result(Status.REJECTED, "Second time")
    history = push(application, audience={"everyone": True}, title="Hi")
    DeliveryFailure.objects.create(
        history=history, installation=phones[2], provider="scripted", reason="First time"
    )
    worker = Worker(listen=False)
    worker.drain(10)
    worker.close()
    reasons = list(DeliveryFailure.objects.order_by("reason").values_list("reason", flat=True))
    assert reasons == ["First time"] + ["Second time"] * 7


@pytest.mark.parametrize("languages", [1, 12])
def test_a_failure_knows_its_address_whatever_the_number_of_payloads(
    application, device, languages
):
    tags = ["de", "fr", "it", "es", "pt", "nl", "da", "sv", "fi", "pl", "cs", "el"][:languages]
    for number in range(36):
        device(f"{number:064x}", locale=tags[number % languages])
    script.answer = lambda device: (
        Result(Status.UNREGISTERED, "Gone") if int(device.address, 16) % 3 else SENT
    )
    texts = {tag: {"title": f"Hi in {tag}"} for tag in tags}
    push(application, audience={"everyone": True}, title="Hi", texts=texts)
    worker = Worker(listen=False)
    worker.drain(10)
    worker.close()
    off = Installation.objects.filter(is_active=False).values_list("address", flat=True)
    assert {int(address, 16) for address in off} == {n for n in range(36) if n % 3}
