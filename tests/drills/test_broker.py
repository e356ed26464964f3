"""Celery's broker goes away, forgets everything, comes back: it only ever woke somebody."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from django_push import tasks
from django_push.models import ApiKey, PushHistory
from tests.support.processes import LoggedProcess, environment_for, running, wait_until

from .rig import Rig, fill, finish

pytestmark = pytest.mark.broker

DEVICES = 4000
SLOWLY = {"latency_ms": 50, "max_concurrent_streams": 20}
QUICKLY = 0.3
"""Seconds in which a submit answers, whatever became of the broker."""
AMQP = os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")


class Redis:
    """A Redis of the drill's own, which keeps nothing when it is killed."""

    def __init__(self, directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(
            ["redis-server", *options],
            cwd=self._directory,
            stdout=subprocess.DEVNULL,
        )
        wait_until(self._answers)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0


class CeleryProcess(LoggedProcess):
    """``celery worker`` with its beat, on a queue of its own."""

    ready = " ready."

    def __init__(self, settings: dict[str, Any], url: str, queue: str, directory: Path) -> None:
        command = [sys.executable, "-m", "celery", "-A", "demo_project", "worker", "--beat"]
        options = ["-c", "1", "-Q", queue, "-l", "info", "-s", str(directory / "beat")]
        environment = {"CELERY_BROKER_URL": url, "PUSH_TEST_QUEUE": queue}
        super().__init__([*command, *options], {**environment_for(settings), **environment})

    def end(self) -> None:
        """Its children, too: they would go on without a parent."""
        if self.poll() is None:
            self.terminate()
            try:
                self.wait(10)
            except subprocess.TimeoutExpired:
                subprocess.run(["pkill", "-KILL", "-P", str(self.pid)], check=False)
        super().end()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    redis = Redis(tmp_path)
    yield redis
    redis.kill()


@pytest.fixture
def by_celery(rig: Rig, settings: Any) -> Iterator[str]:
    """Submits wake Celery; the queue's name."""
    rig.settings["DISPATCHER"] = "django_push.tasks.wake"
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, **rig.settings}
    yield f"push-{uuid.uuid4().hex[:8]}"
    tasks.disconnect()


def use(url: str, queue: str) -> Any:
    """This process's app on a broker, as a fresh process would have it."""
    from demo_project.celery import app

    app.conf.update(broker_url=url, task_default_queue=queue, broker_connection_timeout=1)
    app._after_fork()
    return app


@contextmanager
def celery(rig: Rig, url: str, queue: str, directory: Path) -> Iterator[CeleryProcess]:
    with running(CeleryProcess(rig.settings, url, queue, directory)) as process:
        yield process


def submit_by_api(rig: Rig) -> tuple[PushHistory, float]:
    """As another service does; how long the answer took, in seconds."""
    _, key = ApiKey.objects.issue(rig.application, ApiKey.Kind.SERVER, name="backend")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    body = {"title": "Doors open", "audience": {"everyone": True}}
    client.get("/push/api/history/")  # imports what the first request of a process imports
    started = time.monotonic()
    answer = client.post("/push/api/notifications/", body, format="json")
    took = time.monotonic() - started
    assert answer.status_code in {201, 202}, answer.content
    return PushHistory.objects.latest("pk"), took


def test_the_broker_is_down_while_submitting(rig: Rig, by_celery, redis, tmp_path, note) -> None:
    fill(rig.application, DEVICES)
    use(redis.url, by_celery)
    history, took = submit_by_api(rig)
    assert took < QUICKLY
    redis.start()
    with celery(rig, redis.url, by_celery, tmp_path):
        finish(history)  # nobody was told: the beat's tick finds it
    audit = rig.audit(history)
    note(f"submit answered in {took * 1000:.0f} ms, {audit.repeats} repeats")
    assert audit.marks == {"SENT": DEVICES}
    assert audit.repeats == 0


def test_redis_is_killed_and_restarts_empty(rig: Rig, by_celery, redis, tmp_path, note) -> None:
    """In the middle of a push; another is submitted while it is away."""
    fill(rig.application, DEVICES)
    rig.simulator.behave(**SLOWLY)
    redis.start()
    use(redis.url, by_celery)
    with celery(rig, redis.url, by_celery, tmp_path):
        first = rig.send()
        wait_until(lambda: rig.accepted() > DEVICES // 8)
        redis.kill()
        second, took = submit_by_api(rig)
        assert took < QUICKLY
        time.sleep(1.0)
        rig.simulator.behave(reset=True)
        redis.start()
        finish(first)
        finish(second)
    audits = [rig.audit(first), rig.audit(second)]
    repeats = sum(audit.repeats for audit in audits)
    note(f"submit answered in {took * 1000:.0f} ms, {repeats} repeats")
    assert [audit.marks for audit in audits] == [{"SENT": DEVICES}] * 2
    assert repeats == 0


def test_rabbitmqs_queue_is_purged(rig: Rig, by_celery, tmp_path, note) -> None:
    """Before anybody was woken, and again in the middle of the push."""
    fill(rig.application, DEVICES)
    rig.simulator.behave(**SLOWLY)
    app = use(AMQP, by_celery)
    with app.connection_for_write() as connection:
        queue = connection.SimpleQueue(by_celery).queue
        try:
            first = rig.send()
            wait_until(queue.purge)  # the only wake-up there was
            with celery(rig, AMQP, by_celery, tmp_path):
                wait_until(lambda: rig.accepted() > DEVICES // 8)
                second = rig.send(title="Doors close")
                queue.purge()
                rig.simulator.behave(reset=True)
                finish(first)
                finish(second)
        finally:
            queue.delete()
    audits = [rig.audit(first), rig.audit(second)]
    repeats = sum(audit.repeats for audit in audits)
    note(f"{repeats} repeats")
    assert [audit.marks for audit in audits] == [{"SENT": DEVICES}] * 2
    assert repeats == 0
