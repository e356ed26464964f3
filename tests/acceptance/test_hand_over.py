"""Somebody else signs in on a phone: from then on nothing for its old user arrives there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from django_push.models import Application, Installation, Owner, PushHistory
from django_push.simulator import Simulator
from django_push.submission import push
from tests.support.processes import endpoints, make_credentials, wait_until, worker_process

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()
TOKENS = [f"{number:064x}" for number in range(1, 401)]


@pytest.fixture
def simulator(tmp_path: Path):
    with Simulator.run(tmp_path / "simulator") as simulator:
        yield simulator


@pytest.fixture
def given(simulator: Simulator, settings: Any) -> dict[str, Any]:
    given = endpoints(simulator)
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, **given}
    return given


@pytest.fixture
def ana(simulator: Simulator):
    """Signed in on four hundred phones of the application."""
    application = Application.objects.register(None, "Concert Hall", key="hall")
    make_credentials(application, simulator)
    ana = User.objects.create_user("ana")
    phones = [
        {"device_type": "ios", "address": token, "owner": Owner(user=ana)} for token in TOKENS
    ]
    Installation.objects.register_many(application, phones)
    return ana


def push_to(user) -> PushHistory:
    application = Application.objects.get()
    return push(application, audience={"users": [str(user.pk)]}, title="For Ana only")


def arrived(simulator: Simulator) -> set[str]:
    return {each["token"] for each in simulator.deliveries() if each["outcome"] == "sent"}


def is_over(history: PushHistory) -> bool:
    history.refresh_from_db()
    return history.finished_at is not None


def test_while_a_batch_is_being_sent(ana, simulator, given):
    simulator.behave(latency_ms=50, max_concurrent_streams=1)
    ben = User.objects.create_user("ben")
    with worker_process(given):
        history = push_to(ana)
        wait_until(lambda: len(arrived(simulator)) > 10)
        application = Application.objects.get()
        before = arrived(simulator)
        phones = [
            {"device_type": "ios", "address": token, "owner": Owner(user=ben)}
            for token in TOKENS
            if token not in before
        ]
        Installation.objects.register_many(application, phones)
        time.sleep(1.0)  # what was under way arrives
        until_then = arrived(simulator)
        wait_until(lambda: is_over(history))
    assert arrived(simulator) == until_then
    left_out = history.skipped["changed_hands"]
    assert left_out == len(TOKENS) - len(until_then) > 0
    assert history.successes == len(until_then)


def test_planned_and_not_sent_and_the_phone_changes_hands_through_the_api(ana, simulator, given):
    history = push_to(ana)
    assert history.planned_at is not None, "small pushes are planned when they are submitted"
    User.objects.create_user("ben", password="secret")
    phone = APIClient()
    phone.credentials(HTTP_AUTHORIZATION="Basic YmVuOnNlY3JldA==")
    body = {"platform": "ios", "deviceId": TOKENS[7]}
    assert phone.post("/push/hall/register-device", body, format="json").status_code == 204
    signed_off = {"device_type": "ios", "address": TOKENS[8], "owner": Owner(user=ana)}
    assert Installation.objects.unregister(Application.objects.get(), **signed_off)
    with worker_process(given):
        wait_until(lambda: is_over(history))
    assert arrived(simulator) == set(TOKENS) - {TOKENS[7], TOKENS[8]}
    assert sum(history.skipped.values()) == 2
    assert history.skipped["changed_hands"] >= 1
