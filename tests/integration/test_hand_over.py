"""From the moment at which a registration is answered, its device is the new user's alone."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, connections, transaction

from django_push.models import Credential, Installation, Owner, PushHistory
from django_push.submission import push
from django_push.testing import outbox

pytestmark = pytest.mark.django_db(transaction=True)


def proved(user_key: str) -> Owner:
    return Owner(user_key=user_key, proved=True)


@pytest.fixture(autouse=True)
def account(application, settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "locmem"}
    Credential.objects.create(application=application, provider="locmem", name="main")
    outbox.clear()
    yield
    outbox.clear()


def push_to(user_key: str, application) -> PushHistory:
    return push(application, audience={"users": [user_key]}, title=f"For {user_key} only")


def in_a_thread(do) -> None:
    def run() -> None:
        do()
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(120)
    assert not thread.is_alive()


def many(application, address: str, owner: Owner) -> None:
    device = {"device_type": "ios", "address": address, "owner": owner}
    Installation.objects.register_many(application, [device])


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
@pytest.mark.parametrize("at_once", [False, True])
def test_a_push_that_is_planned_while_the_hand_over_is_committed(application, device, at_once):
    device("a1", owner=proved("ana"))
    with transaction.atomic():  # what another session sees of it is the old user, still
        if at_once:
            many(application, "a1", proved("ben"))
        else:
            device("a1", owner=proved("ben"))
        in_a_thread(lambda: push_to("ana", application))
    outbox.deliver()
    history = PushHistory.objects.get()
    assert len(outbox) == 0
    assert history.skipped == {"changed_hands": 1}


@pytest.mark.parametrize("at_once", [False, True])
def test_the_new_user_gets_theirs_at_once(application, device, at_once):
    device("a1", owner=proved("ana"))
    if at_once:
        many(application, "a1", proved("ben"))
    else:
        device("a1", owner=proved("ben"))
    push_to("ben", application)
    push_to("ana", application)
    outbox.deliver()
    assert len(outbox) == 1
    assert "For ben only" in str(outbox[0])


def test_there_and_back_again(application, device):
    device("a1", owner=proved("ana"))
    history = push_to("ana", application)
    device("a1", owner=proved("ben"))
    device("a1", owner=proved("ana"))
    outbox.deliver()
    history.refresh_from_db()
    assert history.skipped == {"changed_hands": 1}, "what is not sure is not sent"
