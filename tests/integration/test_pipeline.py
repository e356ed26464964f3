"""A push from submit to its end, through the real worker and the locmem provider."""

from __future__ import annotations

import pytest

from django_push.delivery import progress
from django_push.models import DeliveryFailure, Installation, PushBatch, State
from django_push.providers import locmem
from django_push.submission import push
from django_push.worker import Worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def at_home(settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "locmem", "BATCH_SIZE": 7}
    locmem.outbox.clear()
    yield
    locmem.outbox.clear()


def work() -> None:
    worker = Worker()
    worker.drain(20)
    worker.close()


def test_everyone_gets_it_once(application, device):
    devices = [device(f"{n:064x}", "ios" if n % 2 else "android") for n in range(40)]
    history = push(application, audience={"everyone": True}, title="Hi", body="there")
    work()
    history.refresh_from_db()
    assert history.state == State.DONE
    assert (history.devices, history.successes, history.failures) == (40, 40, 0)
    assert sorted(d.token for d in locmem.outbox) == sorted(d.address for d in devices)
    assert history.per_type["ios"] == {"successes": 20, "failures": 0}
    assert PushBatch.objects.filter(settled_at=None).count() == 0
    assert history.open_batches == 0


def test_failures_have_rows_and_the_dead_are_switched_off(application, device):
    good, bad, gone = device("a" * 64), device("fail" + "0" * 60), device("gone" + "0" * 60)
    history = push(application, audience={"everyone": True}, title="Hi")
    work()
    history.refresh_from_db()
    assert (history.devices, history.successes, history.failures) == (3, 1, 2)
    assert history.invalid_tokens == 1
    rows = {f.installation_id: f for f in DeliveryFailure.objects.all()}
    assert set(rows) == {bad.pk, gone.pk}
    assert rows[gone.pk].switched_off
    active = set(Installation.objects.filter(is_active=True).values_list("pk", flat=True))
    assert active == {good.pk, bad.pk}


def test_a_listed_audience_is_planned_in_submit(application, device):
    one, _other = device("a" * 64), device("b" * 64)
    history = push(application, audience={"installations": [one.public_id]}, title="Hi")
    assert history.planned_at is not None
    assert progress(history).devices == 1
    work()
    history.refresh_from_db()
    assert history.state == State.DONE
    assert [d.token for d in locmem.outbox] == [one.address]


def test_a_channel_reaches_its_devices_only(application, device):
    device("a" * 64, channels=["news", "sport"])
    device("b" * 64, channels=["Sport"])
    device("c" * 64)
    history = push(application, audience={"channels": ["sport", "news"]}, title="Hi")
    work()
    history.refresh_from_db()
    assert [d.token for d in locmem.outbox] == ["a" * 64]
    assert history.devices == 1


def test_nobody_is_a_state_of_its_own(application, device):
    history = push(application, audience={"channels": ["empty"]}, title="Hi")
    work()
    history.refresh_from_db()
    assert history.state == State.NOBODY
    assert history.finished_at is not None
