"""Celery wakes: a real worker process on a real broker sends what is submitted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest
from celery import Celery
from django.db import connection

from django_push import tasks
from django_push.models import Application, Installation, PushHistory
from django_push.simulator import Simulator
from django_push.submission import push
from tests.support.processes import endpoints, make_credentials, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

BROKERS = {
    "redis": os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"),
    "rabbitmq": os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//"),
}


@pytest.fixture
def simulator(tmp_path: Path):
    with Simulator.run(tmp_path / "simulator") as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def no_connection_left():
    yield
    tasks.disconnect()


def celery(broker: str, queue: str, settings: str) -> subprocess.Popen[bytes]:
    """A Celery process on a queue of its own."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "CELERY_BROKER_URL": broker,
        "PUSH_TEST_QUEUE": queue,
        "PUSH_TEST_DATABASE": str(connection.settings_dict["NAME"]),
        "PUSH_TEST_SETTINGS": settings,
    }
    command = [sys.executable, "-m", "celery", "-A", "demo_project", "worker"]
    return subprocess.Popen([*command, "-c", "2", "-Q", queue, "-l", "warning"], env=environment)


def configured(broker: str, queue: str) -> Celery:
    """This process's app, as a fresh process would have it: without connections of before."""
    from demo_project.celery import app

    app.conf.update(broker_url=broker, task_default_queue=queue, broker_connection_timeout=1)
    app._after_fork()
    return app


def is_over(history: PushHistory) -> bool:
    history.refresh_from_db()
    return history.finished_at is not None


@pytest.mark.parametrize(
    "broker",
    [
        pytest.param("redis", marks=pytest.mark.service("redis")),
        pytest.param("rabbitmq", marks=pytest.mark.service("rabbitmq")),
    ],
)
def test_a_push_goes_out_and_a_lost_wake_up_is_made_up_for(broker, simulator, settings):
    given = endpoints(simulator)
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, **given, "DISPATCHER": "django_push.tasks.wake"}
    application = Application.objects.register(None, "Hall", key="hall")
    make_credentials(application, simulator)
    tokens = [f"{n:064x}" for n in range(60)]
    for token in tokens:
        Installation.objects.register(application, device_type="ios", address=token)
    url, queue = BROKERS[broker], f"push-{uuid.uuid4().hex[:8]}"
    app = configured(url, queue)
    worker = celery(url, queue, json.dumps(given))
    try:
        first = push(application, audience={"everyone": True}, title="One")
        wait_until(lambda: is_over(first), 60)
        # Nobody is told of the second: beat's tick finds it.
        settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "DISPATCHER": lambda database: None}
        second = push(application, audience={"everyone": True}, title="Two")
        time.sleep(0.5)
        assert not is_over(second)
        app.send_task("django_push.tick", queue=queue)
        wait_until(lambda: is_over(second), 30)
    finally:
        worker.terminate()
        worker.wait(30)
    arrived = Counter(each["token"] for each in simulator.deliveries())
    assert arrived == Counter(tokens * 2)


def test_submit_answers_quickly_when_the_broker_is_down(simulator, settings):
    given = {**endpoints(simulator), "DISPATCHER": "django_push.tasks.wake"}
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, **given}
    application = Application.objects.register(None, "Hall", key="hall")
    make_credentials(application, simulator)
    Installation.objects.register(application, device_type="ios", address="a" * 64)
    configured("redis://127.0.0.1:1/0", "nowhere")
    push(application, audience={"everyone": True}, title="Imports what Celery needs")
    times = []
    for _ in range(3):
        started = time.monotonic()
        history = push(application, audience={"everyone": True}, title="One")
        times.append(time.monotonic() - started)
    assert min(times) < 0.3
    assert PushHistory.objects.filter(pk=history.pk, planned_at=None).exists()
