"""Celery: tasks that wake, never tasks that carry.

A task names no push and no batch: the database is the queue of record. A lost task, a doubled
one, an empty broker change nothing; ``tick`` in the beat schedule finds what nobody told of::

    DJANGO_PUSH = {"DISPATCHER": "django_push.tasks.wake"}
    CELERY_BEAT_SCHEDULE = {"push": {"task": "django_push.tick", "schedule": 5.0}}

Run the workers with the prefork pool: the sender is made after the fork, one per process, and
blocks on sockets of its own, so gevent and eventlet would starve every other task.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from celery import shared_task
from django.core.exceptions import ImproperlyConfigured

from . import scheduler
from .hygiene.nightly import NightWatch
from .hygiene.nightly import clean_up as clean_up_now
from .worker import Worker

__all__ = ["clean_up", "disconnect", "drain", "tick", "wake"]

SECONDS = 30.0
"""How long one task sends before it queues itself again, so that other tasks get their turn."""


def wake(database: str) -> None:
    """Queue one wake-up; a ``DISPATCHER``.

    Who submits a push must not wait for a broker that is down: one try, one second at the most.
    Celery's own connections retry for longer, whatever ``retry=False`` says.
    """
    with _impatient_pool(os.getpid(), str(drain.app.conf.broker_url)).acquire() as connection:
        publish: Any = drain.apply_async  # celery-types does not know `connection`
        publish(retry=False, expires=SECONDS * 4, connection=connection)


def disconnect() -> None:
    """Close this process's connections to the broker; the next wake-up opens them again."""
    for (pid, _), pool in _pools.items():
        if pid == os.getpid():  # those of before a fork belong to the parent
            pool.force_close_all()
    _pools.clear()


_pools: dict[tuple[int, str], Any] = {}


def _impatient_pool(pid: int, url: str) -> Any:
    """Connections of this process to this broker that give up at once."""
    if (pid, url) not in _pools:
        disconnect()
        app = drain.app
        options = {
            **app.conf.broker_transport_options,
            "max_retries": 0,
            "socket_timeout": 1.0,
            "socket_connect_timeout": 1.0,
        }
        connection = app.connection_for_write(connect_timeout=1.0, transport_options=options)
        _pools[pid, url] = connection.Pool(limit=16)
    return _pools[pid, url]


@shared_task(name="django_push.drain", ignore_result=True)
def drain() -> None:
    """Plan and send until nothing is due or 30 s have passed."""
    if not _one.acquire(blocking=False):
        return  # this process is draining already
    try:
        left = _worker().drain(SECONDS)
    finally:
        _one.release()
    if left:
        drain.apply_async(retry=False)


@shared_task(name="django_push.tick", ignore_result=True)
def tick() -> None:
    """Beat's part: find due work and silent workers, and wake somebody if there is something."""
    if scheduler.tick():
        drain.apply_async(retry=False, expires=SECONDS * 4)
    if _night.is_due():
        clean_up.apply_async(retry=False, expires=3600)


@shared_task(name="django_push.clean_up", ignore_result=True)
def clean_up() -> None:
    """The nightly clean-up; ``tick`` queues it, or a line of its own in the beat schedule.

    Queued twice, or by several, it is done once a day.
    """
    clean_up_now()


_night = NightWatch()
_one = threading.Lock()
_workers: dict[int, Worker] = {}


def _worker() -> Worker:
    """This process's worker: made after the fork, kept with its connections."""
    if "gevent" in sys.modules or "eventlet" in sys.modules:
        raise ImproperlyConfigured(
            "django_push sends with blocking sockets of its own: start the Celery worker with "
            "--pool=prefork (or solo), not gevent or eventlet."
        )
    pid = os.getpid()
    if pid not in _workers:
        _workers.clear()
        _workers[pid] = Worker(listen=False)
    return _workers[pid]
