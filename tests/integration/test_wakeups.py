"""A worker hears of a push at once, and goes on when what it listens to breaks."""

from __future__ import annotations

import time

import pytest
from django.db import connection

from django_push.models import Credential
from django_push.submission import push
from django_push.worker import Worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def worker(settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "locmem"}
    worker = Worker()
    for _ in range(4):
        worker.step()
    yield worker
    worker.close()


def waited_for(worker, history) -> float:
    started = time.monotonic()
    while not type(history).objects.filter(pk=history.pk, finished_at__isnull=False).exists():
        worker.step()
        assert time.monotonic() - started < 50  # it looks by itself after 60
    return time.monotonic() - started


def test_it_is_woken(application, device, worker):
    one = device("a" * 64)
    times = []
    for _ in range(5):
        worker._look_at = time.monotonic() + 60  # it must not find the work by itself
        history = push(application, audience={"installations": [one.public_id]}, title="Hi")
        times.append(waited_for(worker, history))
    assert min(times) < 0.5


def test_it_goes_on_when_its_connection_is_cut(application, device, worker):
    if connection.vendor != "postgresql":
        return  # datagrams have no connection that could be cut
    one = device("a" * 64)
    Credential.objects.create(application=application, provider="apns")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query LIKE 'LISTEN%%' AND datname = current_database()"
        )
    history = push(application, audience={"installations": [one.public_id]}, title="Hi")
    waited_for(worker, history)
    worker._tick_at = 0
    worker.step()
    worker._look_at = time.monotonic() + 60
    again = push(application, audience={"installations": [one.public_id]}, title="Hi")
    waited_for(worker, again)
