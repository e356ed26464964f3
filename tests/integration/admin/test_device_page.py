"""A device's page: how it stands, its pushes with their outcomes, and a check of any other."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from django_push.models import (
    Application,
    Credential,
    DeliveryFailure,
    Installation,
    PushHistory,
    Role,
)
from django_push.submission import push
from django_push.traces import ledgers
from django_push.worker import Worker

from .conftest import EDITOR, SENDER

pytestmark = pytest.mark.django_db(transaction=True)


def page_of(device) -> str:
    return reverse("admin:django_push_installation_change", args=[device.pk])


def text_of(answer) -> str:
    """The page as it is read: without tags, with single spaces."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.content.decode()))


@pytest.fixture
def send(application):
    """A function that sends a push to listed devices, to its end."""
    worker = Worker(listen=False)

    def sent(title: str, *devices: Installation) -> PushHistory:
        listed = {"installations": [device.public_id for device in devices]}
        history = push(application, audience=listed, title=title)
        worker.drain(5)
        history.refresh_from_db()
        return history

    yield sent
    worker.close()


def test_each_push_with_its_outcome_and_the_provider_s_word(root, device, send):
    dead, well = device("gone" + "0" * 60), device("a" * 64)
    history = send("Doors open at nine", dead, well)
    page = text_of(root.get(page_of(dead)))
    assert "Doors open at nine" in page
    assert "Memory says that the app is gone from this device. It was switched off." in page
    assert DeliveryFailure.objects.get().reason in page
    assert "Switched off on" in page
    page = root.get(page_of(well))
    assert "Memory accepted it." in text_of(page)
    link = reverse("admin:django_push_pushhistory_change", args=[history.pk])
    assert f'href="{link}"' in page.content.decode()


def test_a_device_without_pushes_says_so(root, device):
    assert "No push was meant for this device yet." in text_of(root.get(page_of(device("a" * 64))))


def test_older_pushes_are_a_link_away(root, device, send, monkeypatch):
    monkeypatch.setattr(ledgers, "PAGE", 2)
    monkeypatch.setattr(ledgers, "LOOKED_AT", 3)
    monkeypatch.setattr(ledgers, "PIECE", 3)
    mine, other = device("a" * 64), device("b" * 64)
    send("The first of all", mine)
    for _number in range(4):
        send("For somebody else", other)
    page = root.get(page_of(mine))
    assert "Not in the 3 pushes that were looked through." in text_of(page)
    older = re.search(r'href="(\?before=\d+)#pushes"', page.content.decode())
    page = text_of(root.get(page_of(mine) + older.group(1)))
    table = page.partition("What became of it")[2].partition("Check a push")[0]
    assert "The first of all" in table
    assert "Older pushes" not in table


@pytest.mark.parametrize("before", ["-1", "x", "9" * 40, "²", ""])
def test_a_page_that_somebody_typed_is_no_error(root, device, before):
    assert root.get(page_of(device("a" * 64)), {"before": before}).status_code == 200


# ----- checks -----


def check(client, device, **asked) -> str:
    page = client.get(page_of(device), asked).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.partition('role="status"')[2]))


def test_a_check_tells_why_it_was_not_for_this_device(root, device, send):
    one, other = device("a" * 64), device("b" * 64)
    history = send("Only for one", one)
    for name in ("push", "push_id"):
        said = check(root, other, **{name: str(history.public_id)})
        assert "The push was for certain devices, and not for this one." in said
        assert "Memory accepted it." in check(root, one, **{name: str(history.public_id)})


@pytest.mark.parametrize("asked", ["x", "0" * 36, "7", "\x00"])
def test_a_check_of_what_is_no_push_says_so(root, device, asked):
    said = check(root, device("a" * 64), push_id=asked)
    assert "This application has no push with that id." in said


def test_a_push_of_another_application_does_not_exist(root, device, send, store):
    theirs = Installation.objects.register(store, device_type="ios", address="c" * 64)
    history = send("Not yours", device("a" * 64))
    assert "has no push with that id" in check(root, theirs, push_id=str(history.public_id))
    assert "Not yours" not in root.get(page_of(theirs)).content.decode()


# ----- rights -----


def test_who_may_not_see_pushes_sees_the_device_alone(staff, as_user, device, send):
    phone = device("a" * 64)
    history = send("Secret plans", phone)
    client = as_user(staff("viewer", "view_installation"))
    answer = client.get(page_of(phone), {"push_id": str(history.public_id)})
    assert "Secret plans" not in answer.content.decode()
    assert "It is on" in text_of(answer)


def test_staff_of_another_application_get_nowhere(staff, as_user, device, store):
    phone = device("a" * 64)
    client = as_user(staff("clerk", here=(store, Role.MANAGER)))
    test = reverse("admin:django_push_installation_test")
    switch = reverse("admin:django_push_installation_switch", args=[phone.pk])
    assert client.get(page_of(phone)).status_code == 302  # to the index: there is no such device
    assert client.post(switch, {"on": "0"}).status_code == 404
    assert client.get(test, {"device": phone.public_id}).status_code == 404
    assert client.post(test, {"device": phone.public_id, "title": "Hi"}).status_code == 404
    phone.refresh_from_db()
    assert phone.is_active
    assert not PushHistory.objects.exists()


# ----- verbs -----


def test_it_is_switched_off_and_on_here(root, device):
    phone = device("a" * 64)
    switch = reverse("admin:django_push_installation_switch", args=[phone.pk])
    assert 'value="0" class="push-tool">Switch off' in root.get(page_of(phone)).content.decode()
    assert root.get(switch).status_code == 403
    page = root.post(switch, {"on": "0"}, follow=True)
    assert "1 device was switched off." in text_of(page)
    assert re.search(r"Switched off on \w+\.? \d+, \d{4} by staff\.", text_of(page))
    root.post(switch, {"on": "1"})
    phone.refresh_from_db()
    assert phone.is_active
    messages = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
    assert messages == ["Switched off.", "Switched on."]


def test_who_may_only_look_switches_nothing(staff, as_user, device):
    phone = device("a" * 64)
    client = as_user(staff("viewer", *EDITOR, "view_installation"))
    assert "Switch off" not in client.get(page_of(phone)).content.decode()
    switch = reverse("admin:django_push_installation_switch", args=[phone.pk])
    assert client.post(switch, {"on": "0"}).status_code == 403


def test_a_test_is_sent_to_the_device_and_to_it_alone(root, device):
    phone, other = device("a" * 64), device("b" * 64)
    test = reverse("admin:django_push_installation_test")
    link = f"{test}?device={phone.public_id}"
    assert f'href="{link}"' in root.get(page_of(phone)).content.decode()
    page = root.get(link)
    assert "A test to 1 device" in text_of(page)
    assert phone.address not in page.content.decode()
    answer = root.post(test, {"device": phone.public_id, "title": "Hello", "body": ""})
    history = PushHistory.objects.get()
    assert answer["Location"] == reverse("admin:django_push_pushhistory_change", args=[history.pk])
    assert history.content["audience"] == {"installations": [phone.public_id]}
    assert (history.source, history.sent_by) == ("test", "root")
    assert history.content["message"]["title"] == "Hello"
    assert other.public_id not in str(history.content)


def test_what_is_wrong_with_a_test_is_said_and_nothing_is_sent(root, device, store):
    test = reverse("admin:django_push_installation_test")
    off, on = device("a" * 64), device("b" * 64)
    Installation.objects.filter(pk=off.pk).update(is_active=False)
    theirs = Installation.objects.register(store, device_type="ios", address="c" * 64)
    for devices, said in (
        ([off, on], "is switched off, and gets nothing"),
        ([on, theirs], "are of several applications"),
    ):
        listed = [each.public_id for each in devices]
        answer = root.post(test, {"device": listed, "title": "Hi"})
        assert answer.status_code == 400
        assert said in text_of(answer)
    assert root.post(test, {"device": on.public_id, "title": ""}).status_code == 400
    assert root.get(test).status_code == 404
    assert not PushHistory.objects.exists()


def test_only_those_who_may_send_may_send_tests(staff, as_user, device):
    phone = device("a" * 64)
    test = reverse("admin:django_push_installation_test")
    blind = as_user(staff("tom", *EDITOR, "view_installation"))
    assert blind.get(test, {"device": phone.public_id}).status_code == 403
    assert "Send a test" not in blind.get(page_of(phone)).content.decode()
    sara = as_user(staff("sara", *SENDER))
    assert sara.get(test, {"device": phone.public_id}).status_code == 200


# ----- its sentence -----


def test_a_refused_credential_is_told_on_the_device(root, application, device, settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": None}
    Credential.objects.create(
        application=application,
        provider="apns",
        name="Main",
        check_result="refused",
        check_detail="InvalidProviderToken",
    )
    page = text_of(root.get(page_of(device("a" * 64))))
    assert "Apple refused the credential “Main” last. (InvalidProviderToken)" in page


def test_a_switched_off_device_names_the_day(root, application, device, send):
    phone = device("gone" + "0" * 60)
    send("Hi", phone)
    Installation.objects.update(inactive_since=timezone.now() - timedelta(days=400))
    year = (timezone.localtime() - timedelta(days=400)).year
    assert re.search(
        rf"Switched off on \w+\.? \d+, {year} because Apple", text_of(root.get(page_of(phone)))
    )
    assert Application.objects.count() == 1
