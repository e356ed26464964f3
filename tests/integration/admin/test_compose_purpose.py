"""The composer and the page before sending: what a message is about, and who waits."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest
from django.urls import reverse

from django_push.models import (
    Application,
    Notification,
    Purpose,
    PurposeChoice,
    PushHistory,
    Role,
    Whose,
)
from django_push.submission import compose, submit
from tests.integration.admin.test_compose import BASE, post

pytestmark = pytest.mark.django_db

ADD = "admin:django_push_notification_add"


@pytest.fixture
def data(application):
    return {**BASE, "application": application.pk, "when": "now"}


@pytest.fixture
def offers(application) -> Purpose:
    return Purpose.objects.create(application=application, key="offers", name="On sale")


def confirm_page(client, draft) -> str:
    return client.get(
        reverse("admin:django_push_notification_send", args=[draft.pk])
    ).content.decode()


def test_without_purposes_and_quiet_hours_the_composer_asks_nothing_of_them(root, application):
    page = root.get(reverse(ADD)).content.decode()
    assert 'name="purpose"' not in page
    assert 'name="transactional"' not in page


def test_quiet_hours_alone_bring_the_tick(root, application):
    Application.objects.filter(pk=application.pk).update(quiet_from=time(22), quiet_until=time(7))
    page = root.get(reverse(ADD)).content.decode()
    assert 'name="purpose"' not in page
    assert 'name="transactional"' in page


def test_a_purpose_is_chosen_and_comes_back(root, data, offers):
    page = root.get(reverse(ADD)).content.decode()
    assert '<option value="offers">On sale</option>' in page
    post(root, {**data, "purpose": "offers", "transactional": "on"})
    draft = Notification.objects.get()
    assert (draft.purpose, draft.transactional) == ("offers", True)
    page = root.get(reverse("admin:django_push_notification_change", args=[draft.pk]))
    assert '<option value="offers" selected>' in page.content.decode()
    post_again = {**data, "purpose": ""}
    root.post(reverse("admin:django_push_notification_change", args=[draft.pk]), post_again)
    draft.refresh_from_db()
    assert (draft.purpose, draft.transactional) == ("", False)


def test_a_purpose_of_another_application_is_refused(root, data, offers, store):
    Purpose.objects.create(application=store, key="sales", name="Sales")
    page = root.get(reverse(ADD)).content.decode()
    assert '<optgroup label="Store">' in page
    answer = post(root, {**data, "purpose": "sales"})
    assert answer.status_code == 200
    assert "no purpose “sales”" in answer.content.decode()
    assert not Notification.objects.exists()


def test_staff_of_one_application_see_no_purposes_of_others(
    staff, as_user, application, store, offers
):
    Purpose.objects.create(application=store, key="secret", name="Secret plans")
    client = as_user(staff("editor", here=(application, Role.EDITOR)))
    page = client.get(reverse(ADD)).content.decode()
    assert "On sale" in page
    assert "Secret plans" not in page


def test_the_page_before_sending_says_who_opted_out_and_who_waits(
    root, application, device, offers, moving_clock
):
    application.quiet_from, application.quiet_until = time(22), time(7)
    application.time_zone = "UTC"
    application.save()
    moving_clock.set(datetime(2027, 6, 1, 23, 0, tzinfo=UTC))
    rows = [device(name) for name in "abcd"]
    device("tokyo", time_zone="Asia/Tokyo")
    whose = Whose(application=application, installation=rows[0])
    PurposeChoice.objects.choose(whose, {"offers": False})
    draft = Notification.objects.create(
        application=application,
        content={"title": "Half price"},
        audience={"everyone": True},
        purpose="offers",
    )
    page = confirm_page(root, draft)
    assert "to <b>4 devices</b>" in page
    assert "1 more opted out of pushes of this purpose." in page
    assert "3 have quiet hours and get it at" in page
    assert "On sale" in page
    Notification.objects.filter(pk=draft.pk).update(transactional=True)
    page = confirm_page(root, draft)
    assert "to <b>5 devices</b>" in page
    assert "wakes people up at night" in page
    assert "opted out of pushes of this purpose" not in page
    assert "have quiet hours and get it" not in page


def test_what_was_sent_tells_its_purpose_and_can_be_copied(root, application, device, data, offers):
    device("a")
    asked = compose(application, audience={"everyone": True}, title="Hi", purpose="offers")
    history = submit(asked)
    report = reverse("admin:django_push_pushhistory_change", args=[history.pk])
    assert "On sale" in root.get(report).content.decode()
    message = reverse("admin:django_push_notification_change", args=[asked.pk])
    assert "On sale" in root.get(message).content.decode()
    assert PushHistory.objects.get().content["purpose"] == "offers"
    root.post(reverse("admin:django_push_pushhistory_copy", args=[history.pk]))
    copy = Notification.objects.latest("pk")
    assert (copy.pk > asked.pk, copy.purpose, copy.transactional) == (True, "offers", False)
