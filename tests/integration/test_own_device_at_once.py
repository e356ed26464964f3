"""One device that does several things at once, and many that open the same push."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from django_push.delivery import count_open
from django_push.models import Credential, Installation, Purpose, PushBatch
from django_push.submission import push
from django_push.testing import outbox
from tests.support.at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_opening_is_counted_once(application, device, settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "locmem"}
    Credential.objects.create(application=application, provider="locmem", name="main")
    phones = [device(f"{number:064x}") for number in range(30)]
    history = push(application, audience={"everyone": True}, title="Hi")
    outbox.deliver()

    def report(which: int) -> None:
        for phone in phones[which : which + 20]:  # most of them by several at once
            count_open(phone, history.public_id)

    at_once(6, report)
    history.refresh_from_db()
    assert history.opened == 25
    bits = bytes(PushBatch.objects.get(history=history).opened)
    assert sum(byte.bit_count() for byte in bits) == 25


def test_channels_that_are_added_at_once_are_all_there(device):
    row = device("a1", channels=["first"])

    def subscribe(which: int) -> None:
        found = Installation.objects.get(pk=row.pk)
        found.change(add_channels=[f"c{which}"], remove_channels=["first"])

    at_once(6, subscribe)
    assert row.channels == [f"c{which}" for which in range(6)]


def test_a_badge_and_a_server_that_changes_everybody(application, device):
    phones = [device(f"{number:064x}") for number in range(20)]

    def change(which: int) -> None:
        if which % 2:
            told = [{"public_id": phone.public_id, "locale": "de"} for phone in phones[::-1]]
            Installation.objects.change_many(application, told)
        else:
            for phone in phones:
                Installation.objects.get(pk=phone.pk).change(badge=7)

    at_once(4, change)
    assert Installation.objects.filter(badge=7, locale="de").count() == 20


def test_a_device_that_is_deleted_meanwhile_is_told_so(device):
    row = device("a1")
    Installation.objects.filter(pk=row.pk).delete()
    with pytest.raises(Installation.DoesNotExist):
        row.change(badge=7)
    with pytest.raises(Installation.DoesNotExist):
        row.change(add_channels=["news"])
    assert not Installation.objects.exists()


def test_logins_logouts_and_preferences_of_few_phones_at_once(application):
    """On PostgreSQL and MariaDB some of them are chosen in deadlocks, and must be done again."""
    Purpose.objects.create(application=application, key="offers")

    def live(which: int) -> None:
        chance = random.Random(which)
        for _time in range(40):
            address, app = f"{chance.randrange(5):064x}", f"app-{chance.randrange(4)}"
            said = {"device_type": "ios", "address": address}
            Installation.objects.register(application, **said, installation_id=app)
            Installation.objects.unregister(application, **said)
            row = Installation.objects.filter(address=address).first()
            if row is not None and which % 2:
                with suppress(Installation.DoesNotExist):
                    row.change(add_channels=[app], badge=which)
            else:
                many = [{**said, "installation_id": f"app-{number}"} for number in range(4)]
                Installation.objects.register_many(application, many)

    at_once(4, live)
    apps = Installation.objects.exclude(installation_id=None)
    assert apps.count() == apps.values("installation_id").distinct().count()
