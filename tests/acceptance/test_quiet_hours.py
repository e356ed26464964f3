"""A push that waits for the morning, with real workers: one at night, and one in the morning."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

import tests.support
from django_push.delivery import cancel, progress
from django_push.models import (
    Application,
    Installation,
    Purpose,
    PurposeChoice,
    PushHistory,
    State,
    Whose,
)
from django_push.simulator import Simulator
from django_push.submission import push
from tests.support.ledgers import assert_ledger_is_whole
from tests.support.processes import endpoints, make_credentials, wait_until, worker_process

pytestmark = pytest.mark.django_db(transaction=True)

AHEAD = Path(tests.support.__file__).parent / "ahead"
DAY, NIGHT = 40, 30
"""Devices for whom it is day, and night."""


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator.run(tmp_path / "simulator") as simulator:
        yield simulator


@pytest.fixture
def settings_for_worker(simulator: Simulator, settings: Any) -> dict[str, Any]:
    given = {**endpoints(simulator), "BATCH_SIZE": 20}
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, **given}
    return given


@pytest.fixture
def application(simulator: Simulator) -> Application:
    """Quiet from an hour ago until three hours from now, by the clock of who has no other."""
    now = timezone.now()
    application = Application.objects.register(None, "Concert Hall", key="hall")
    application.time_zone = "UTC"
    application.quiet_from = (now - timedelta(hours=1)).time().replace(microsecond=0)
    application.quiet_until = (now + timedelta(hours=3)).time().replace(microsecond=0)
    application.save()
    make_credentials(application, simulator)
    return application


@pytest.fixture
def devices(application: Application) -> list[Installation]:
    return [
        Installation.objects.register(
            application,
            device_type="ios" if number % 2 else "android",
            address=f"{number:064x}",
            time_zone="GMT+12:00" if number < DAY else "",
        )
        for number in range(DAY + NIGHT)
    ]


def ahead(**how_far: float) -> dict[str, str]:
    """The environment of a worker that lives so much later."""
    path = os.pathsep.join(filter(None, [str(AHEAD), os.environ.get("PYTHONPATH", "")]))
    seconds = timedelta(**how_far).total_seconds()
    return {"PYTHONPATH": path, "PUSH_TEST_AHEAD": str(seconds)}


def arrived(simulator: Simulator) -> Counter[str]:
    return Counter(each["token"] for each in simulator.deliveries() if each["outcome"] == "sent")


def is_over(history: PushHistory) -> bool:
    history.refresh_from_db()
    return history.finished_at is not None


def all_asleep(history: PushHistory) -> bool:
    """Whether everybody else has got it, and it is written."""
    history.refresh_from_db()
    now = progress(history)
    return now.planned and 0 < now.asleep == now.open


def test_who_sleeps_gets_it_from_tomorrows_worker_exactly_once(
    application, devices, simulator, settings_for_worker
):
    offers = Purpose.objects.create(application=application, key="offers", name="Offers")
    refuses = Whose(application=application, installation=devices[-1])
    PurposeChoice.objects.choose(refuses, {offers.key: False})
    history = push(application, audience={"everyone": True}, title="Doors open", purpose="offers")
    with worker_process(settings_for_worker) as tonight:
        wait_until(lambda: all_asleep(history))
        assert arrived(simulator) == Counter(row.address for row in devices[:DAY])
        tonight.kill()
    assert progress(history).asleep == NIGHT - 1
    with worker_process(settings_for_worker, ahead(hours=2)):  # still night
        wait_until(lambda: all_asleep(history))
        assert sum(arrived(simulator).values()) == DAY
    with worker_process(settings_for_worker, ahead(hours=3, minutes=20)):
        wait_until(lambda: is_over(history))
    assert arrived(simulator) == Counter(row.address for row in devices[:-1])
    assert (history.state, history.successes) == (State.DONE, DAY + NIGHT - 1)
    assert history.skipped == {"opted_out": 1}
    assert_ledger_is_whole(history)


def test_what_was_stopped_at_night_does_not_ring_in_the_morning(
    application, devices, simulator, settings_for_worker
):
    history = push(application, audience={"everyone": True}, title="Doors open")
    with worker_process(settings_for_worker):
        wait_until(lambda: all_asleep(history))
        cancel(history)
        wait_until(lambda: is_over(history))
    with worker_process(settings_for_worker, ahead(hours=3, minutes=20)) as tomorrow:
        tomorrow.wait_ready()
    assert sum(arrived(simulator).values()) == DAY
    assert (history.state, history.skipped) == (State.CANCELLED, {"cancelled": NIGHT})
    assert_ledger_is_whole(history)
