"""The page that sends: it names the number, sends once, and never leaves a doubt."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_push import signals
from django_push.admin.confirm import read_number
from django_push.exceptions import InvalidPush
from django_push.models import Notification, PushHistory

from .conftest import SENDER


@pytest.fixture
def draft(application, device):
    for number in range(3):
        device(f"{number}" * 64)
    return Notification.objects.create(
        application=application, content={"title": "Half price"}, audience={"everyone": True}
    )


def address(draft):
    return reverse("admin:django_push_notification_send", args=[draft.pk])


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'name="(key|seen|shown)" value="([^"]*)"', page))


def open_page(client, draft):
    return hidden(client.get(address(draft)).content.decode())


def test_it_names_the_number_and_what_will_happen(root, draft):
    page = root.get(address(draft)).content.decode()
    assert "to <b>3 devices</b>?" in page
    assert "Yes, send to 3 devices" in page
    assert "3 iPhone and iPad" in page
    assert "At once." in page
    assert hidden(page)["shown"] == "3"


def test_sending_redirects_to_the_report_and_is_in_the_log(root, draft):
    answer = root.post(address(draft), open_page(root, draft))
    history = PushHistory.objects.get()
    assert answer.url == reverse("admin:django_push_pushhistory_change", args=[history.pk])
    assert (history.sent_by, history.source) == ("root", "console")
    said = LogEntry.objects.filter(object_id=history.pk, content_type__model="pushhistory")
    assert [entry.get_change_message() for entry in said] == ["Sent."]


def test_pressing_twice_sends_once(root, draft):
    form = open_page(root, draft)
    first, second = root.post(address(draft), form), root.post(address(draft), form)
    assert first.url == second.url
    assert PushHistory.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_posts_at_the_same_moment_send_once(root, draft):
    form = open_page(root, draft)
    clients = [Client(), Client()]
    for client in clients:
        client.cookies = root.cookies
    answers, start = [], threading.Barrier(2)

    def press(client):
        start.wait()
        try:
            answers.append(client.post(address(draft), form))
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [302, 302]
    assert len({answer.url for answer in answers}) == 1
    assert PushHistory.objects.count() == 1


def test_a_second_page_says_that_it_was_sent_already(root, draft):
    one, other = open_page(root, draft), open_page(root, draft)
    root.post(address(draft), one)
    answer = root.post(address(draft), other)
    assert answer.status_code == 409
    body = answer.content.decode()
    assert "This message was sent at" in body
    assert "It was not sent a second time." in body
    assert "Nothing was sent" not in body
    assert PushHistory.objects.count() == 1


def test_opening_it_after_sending_leads_to_the_report(root, draft):
    root.post(address(draft), open_page(root, draft))
    history = PushHistory.objects.get()
    assert root.get(address(draft)).url.endswith(f"/pushhistory/{history.pk}/change/")


def test_many_devices_need_their_number_typed(root, draft, settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "CONFIRM_ABOVE": 2}
    page = root.get(address(draft)).content.decode()
    assert "This is more than 2 devices. Type the number to go on:" in page
    form = hidden(page)
    for typed in ({}, {"number": "4"}, {"number": "three"}):
        refused = root.post(address(draft), {**form, **typed})
        assert refused.status_code == 400
        assert b"Type the number of devices, 3, to send." in refused.content
        assert b"Nothing was sent." in refused.content
    assert PushHistory.objects.count() == 0
    assert root.post(address(draft), {**form, "number": " 3 "}).status_code == 302


@pytest.mark.parametrize("typed", ["1234", "1,234", "1.234", "1 234", "1'234", "1\u202f234"])
def test_the_number_may_be_typed_with_separators(typed):
    assert read_number(typed) == 1234


@pytest.mark.parametrize("typed", ["", "abc", "12a", "-1", "²", "9" * 5000])
def test_what_is_no_number_is_none(typed):
    assert read_number(typed) is None


def test_an_audience_that_grew_since_is_asked_about_again(root, draft, device):
    form = open_page(root, draft)
    for number in range(20):
        device(f"{number:064x}")
    answer = root.post(address(draft), form)
    assert answer.status_code == 400
    assert b"There are 22 devices now." in answer.content or b"There are 23" in answer.content
    assert PushHistory.objects.count() == 0


@pytest.mark.parametrize(
    "change", [{"content": {"title": "Swapped"}}, {"audience": {"channels": ["all"]}}, "store"]
)
def test_a_message_that_was_changed_since_is_looked_at_again(root, draft, store, change):
    form = open_page(root, draft)
    change = {"application": store} if change == "store" else change
    Notification.objects.filter(pk=draft.pk).update(**change)
    answer = root.post(address(draft), form)
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "The message was changed since you looked. Look again before you send." in page
    assert "Nothing was sent." in page
    assert hidden(page)["seen"] != form["seen"]
    assert PushHistory.objects.count() == 0
    assert root.post(address(draft), {"key": "k", "shown": "3"}).status_code == 400
    if "content" in change:
        assert "Swapped" in page
        assert root.post(address(draft), hidden(page)).status_code == 302


def test_a_veto_is_told_with_nothing_was_sent(root, draft):
    def veto(**kwargs):
        raise InvalidPush("Not on a Sunday.")

    signals.pre_submit.connect(veto)
    try:
        answer = root.post(address(draft), open_page(root, draft))
    finally:
        signals.pre_submit.disconnect(veto)
    assert answer.status_code == 400
    assert b"Not on a Sunday." in answer.content
    assert b"Nothing was sent." in answer.content
    assert PushHistory.objects.count() == 0


def test_our_own_mistake_is_told_with_nothing_was_sent(root, draft, caplog):
    def broken(**kwargs):
        raise RuntimeError("secret inside")

    signals.pre_submit.connect(broken)
    try:
        answer = root.post(address(draft), open_page(root, draft))
    finally:
        signals.pre_submit.disconnect(broken)
    assert answer.status_code == 500
    assert b"Nothing was sent." in answer.content
    assert b"secret inside" not in answer.content
    assert "secret inside" in caplog.text
    assert PushHistory.objects.count() == 0


def test_nobody_to_send_to_has_no_button(root, application):
    draft = Notification.objects.create(
        application=application, content={"title": "Hi"}, audience={"channels": ["nobody"]}
    )
    page = root.get(address(draft)).content
    assert b"Nobody would get it." in page
    assert b"Yes, send" not in page


def test_a_scheduled_push_waits(root, draft):
    draft.send_at = timezone.now() + timedelta(hours=3)
    draft.save()
    page = root.get(address(draft)).content.decode()
    assert "Yes, schedule for 3 devices" in page
    root.post(address(draft), hidden(page))
    history = PushHistory.objects.get()
    assert history.state == "scheduled"
    report = root.get(reverse("admin:django_push_pushhistory_change", args=[history.pk]))
    assert b"It goes out at" in report.content


def test_permission_to_compose_is_not_permission_to_send(staff, as_user, draft):
    may_not = as_user(staff("tom", *(set(SENDER) - {"send_notification"})))
    assert may_not.get(address(draft)).status_code == 403
    assert may_not.post(address(draft), {"key": "k", "shown": "3"}).status_code == 403
    assert as_user(staff("sara", *SENDER)).get(address(draft)).status_code == 200
    assert PushHistory.objects.count() == 0
