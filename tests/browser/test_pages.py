"""Every page, on a desktop and a phone, light and dark: nothing overflows, axe finds nothing."""

from __future__ import annotations

import json
from datetime import time, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from playwright.sync_api import Page, expect

from django_push.models import (
    ApiKey,
    ApplicationAccess,
    CleanUp,
    Credential,
    Installation,
    Notification,
    Owner,
    Purpose,
    PurposeChoice,
    PushBatch,
    PushHistory,
    QuietHours,
    Segment,
    Whose,
)
from django_push.quiet import Hours
from django_push.submission import compose, push
from django_push.worker import Worker
from tests.support.processes import make_credentials

from .conftest import DESKTOP, PHONE

pytestmark = pytest.mark.django_db(transaction=True)

ADMIN = "/admin/django_push"
PAGES = {
    "home": "/",
    "compose-empty": "/notification/add/",
    "compose": "/notification/{draft}/change/",
    "compose-problems": "/notification/{unfinished}/change/?check=1",
    "compose-local": "/notification/{local}/change/",
    "compose-repeat": "/notification/{repeat}/change/",
    "confirm": "/notification/{draft}/send/",
    "confirm-local": "/notification/{local}/send/",
    "confirm-repeat": "/notification/{repeat}/send/",
    "message-repeating": "/notification/{series}/change/",
    "message": "/notification/{sent}/change/",
    "messages": "/notification/",
    "report": "/pushhistory/{done}/change/",
    "report-paused": "/pushhistory/{paused}/change/",
    "report-local": "/pushhistory/{waiting}/change/",
    "report-scheduled": "/pushhistory/{scheduled}/change/",
    "stop": "/pushhistory/{scheduled}/stop/",
    "history": "/pushhistory/",
    "failures": "/deliveryfailure/?push={done}",
    "credentials": "/credential/",
    "credential": "/credential/{credential}/change/",
    "credential-add": "/credential/add/",
    "devices": "/installation/",
    "devices-off": "/installation/?is_active__exact=0",
    "device": "/installation/{device}/change/",
    "user": "/installation/user/?user={user}",
    "compose-purpose": "/notification/{offer}/change/",
    "confirm-purpose": "/notification/{offer}/send/",
    "message-purpose": "/notification/{offered}/change/",
    "device-off": "/installation/{dead}/change/",
    "device-check": "/installation/{dead}/change/?push_id={listed}",
    "device-test": "/installation/test/?device={device_id}&device={other_id}",
    "segments": "/segment/",
    "segment": "/segment/{segment}/change/",
    "segment-json": "/segment/{unshowable}/change/",
    "segment-add": "/segment/add/",
    "segment-delete": "/segment/{segment}/delete/",
    "compose-segments": "/notification/{aimed}/change/",
    "person": "/installation/person/?user=ana",
    "nights": "/cleanup/",
    "night": "/cleanup/{night}/change/",
    "keys": "/apikey/",
    "key-add": "/apikey/add/",
    "application": "/application/{application}/change/",
    "applications": "/application/",
    "open-to-all": "/application/open-to-all-staff/",
}


# Our part of the page. The frame around it is Django's, and so are the search box of a list and
# the empty head of an inline's first column.
SCOPE = {"include": [["#content"]], "exclude": [["#changelist-search"], ["th.original"]]}


@pytest.fixture
def rows(given, simulator, application, devices, admin_user) -> dict[str, Any]:
    """Pushes in every state, credentials in trouble, drafts and requests."""
    make_credentials(application, simulator)
    done = push(application, audience={"everyone": True}, title="Half price this Sunday", by="sara")
    worker = Worker()
    worker.drain(30)
    worker.close()
    for number, batch in enumerate(done.batches.order_by("pk")):  # a course worth a picture
        batch.settled_at = timezone.now() + timedelta(seconds=4 * number)
        batch.save(update_fields=["settled_at"])
    listed = {"installations": [device.public_id for device in devices[1:4]]}
    paused = push(application, audience=listed, title="Good evening")
    apple = Credential.objects.get(provider="apns")
    PushBatch.objects.filter(history=paused).update(
        claim_at=None, pause_reason="InvalidProviderToken", credential=apple
    )
    later = timezone.now() + timedelta(days=2)
    everyone = {"everyone": True}
    scheduled = push(application, audience=everyone, title="New season", send_at=later)
    Credential.objects.filter(provider="fcm").update(
        expires_at=timezone.now() + timedelta(days=12, hours=1)
    )
    ApiKey.objects.issue(application, "client", name="Apps")
    Installation.objects.filter(pk=devices[0].pk).update(user_key="ana", user_verified=True)
    ApplicationAccess.objects.create(application=application, user=admin_user)
    tom = get_user_model()._default_manager.create_user("tom", is_staff=True)
    draft = Notification.objects.create(
        application=application,
        content={
            "title": "Doors open at nine",
            "body": "See you tonight! " * 6,
            "sound": "default",
        },
        texts={"de": {"title": "Um neun"}},
        audience=everyone,
        created_by=tom,
        status=Notification.Status.REQUESTED,
    )
    unfinished = Notification.objects.create(application=application, name="Unfinished")
    return {
        **clocks(application, devices, tom),
        **segments(application),
        **preferences(application, devices[0]),
        "night": nights(),
        "draft": draft.pk,
        "unfinished": unfinished.pk,
        "sent": done.notification_id,
        "done": done.pk,
        "paused": paused.pk,
        "scheduled": scheduled.pk,
        "credential": apple.pk,
        "device": devices[0].pk,
        "dead": devices[-2].pk,
        "listed": paused.public_id,
        "device_id": devices[0].public_id,
        "other_id": devices[1].public_id,
        "application": application.pk,
    }


def nights() -> int:
    """A clean-up that was done, and one that broke off."""
    three = timezone.now().replace(hour=3, minute=4)
    report = {"switched_off": 4120, "deleted": 331, "purged": {"PushHistory": 17}}
    CleanUp.objects.create(night=three.date() - timedelta(days=1), owner="web-2/4711")
    done = CleanUp.objects.create(
        night=three.date(),
        owner="web-1/4242",
        started_at=three,
        finished_at=three + timedelta(minutes=2),
        report=report,
    )
    return done.pk


def segments(application) -> dict[str, Any]:
    """One in rows, one that no row shows, and a draft to the first."""
    where = {
        "device_type": {"$in": ["ios", "android"]},
        "last_seen_at": {"$lt": {"$relativeTime": "30 days ago"}},
        "$or": [{"channels": {"$in": ["matinee"]}}, {"attributes.plan": {"$ne": "free"}}],
    }
    rows = Segment.objects.create(
        application=application, key="lapsed", name="Not seen lately", audience={"where": where}
    )
    nor = {"where": {"$nor": [{"badge": 0}]}}
    json = Segment.objects.create(application=application, key="nor", name="Nor", audience=nor)
    aimed = Notification.objects.create(
        application=application,
        content={"title": "We miss you"},
        audience={"segments": ["lapsed"], "device_types": ["ios"]},
    )
    return {"segment": rows.pk, "unshowable": json.pk, "aimed": aimed.pk}


def preferences(application, device) -> dict[str, Any]:
    """Purposes, somebody who opted out and sleeps long, a draft and a push about one."""
    for key in ("offers", "codes"):
        Purpose.objects.create(
            application=application, key=key, name=key.title(), transactional=key == "codes"
        )
    user = get_user_model()._default_manager.create_user("lena")
    owner = Owner(user=user)
    device = Installation.objects.register(
        application, device_type=device.device_type, address=device.address, owner=owner
    )
    PurposeChoice.objects.choose(
        Whose(application=application, user_key=owner.user_key), {"offers": False}
    )
    whose = Whose(application=application, installation=device)
    QuietHours.objects.set(whose, Hours.between(time(23), time(9)))
    words = {"audience": {"everyone": True}, "title": "Half price", "purpose": "offers"}
    offer = compose(application, **words, transactional=True)
    offer.save()
    offered = push(application, **words)
    return {"user": user.pk, "offer": offer.pk, "offered": offered.notification_id}


def clocks(application, devices, author) -> dict[str, Any]:
    """Messages at the devices' own clocks, one of them under way, and messages that repeat."""
    rows = Installation.objects.filter(pk__in=[device.pk for device in devices])
    rows.filter(pk__in=[device.pk for device in devices[:25]]).update(time_zone="Asia/Tokyo")
    rows.filter(pk__in=[device.pk for device in devices[25:32]]).update(time_zone="Etc/GMT+12")
    content = {"title": "Good morning", "body": "Doors open at nine tonight."}
    everyone = {"everyone": True}
    later = timezone.now() + timedelta(hours=7)
    texts = {"content": content, "audience": everyone, "created_by": author}
    local = Notification.objects.create(
        application=application, send_at=later, local_time=True, **texts
    )
    repeat = Notification.objects.create(
        application=application, send_at=later, recurrence="FREQ=WEEKLY;BYDAY=MO,TH", **texts
    )
    series = push(
        application, audience=everyone, title="News", send_at=later, recurrence="FREQ=DAILY"
    )
    now = timezone.now() + timedelta(hours=8, minutes=30)  # half past eight: Tokyo's has just been
    waiting = push(
        application, audience=everyone, title="Good morning", send_at=now, local_time=True
    )
    worker = Worker()
    worker.drain(30)
    worker.close()
    return {
        "local": local.pk,
        "repeat": repeat.pk,
        "series": series.notification_id,
        "waiting": waiting.pk,
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_page_is_whole_and_accessible(console, rows, axe, picture, size, scheme):
    trouble = []
    page = console(f"{ADMIN}/", size=size, scheme=scheme)
    for name, path in PAGES.items():
        page.goto(ADMIN + path.format(**rows))
        settle(page)
        picture(page, f"{name}-{scheme}-{size[0]}")
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if overflow > 0:
            trouble.append(f"{name}: {overflow} pixels too wide")
        trouble += [f"{name}: {found}" for found in violations(page, axe)]
    assert not trouble, "\n".join(trouble)


def test_at_two_hundred_per_cent_nothing_is_cut_off(console, rows):
    """A window of 1,280 pixels at 200 % is one of 640, as WCAG 1.4.4 asks."""
    page = console(f"{ADMIN}/", size=(640, 450))
    for name in ("home", "compose", "confirm", "report", "credential", "history"):
        page.goto(ADMIN + PAGES[name].format(**rows))
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name


def settle(page: Page) -> None:
    """Wait for the first question to the server, on pages that ask one."""
    if page.locator("[data-compose]").count():
        expect(page.locator("[data-dock-devices]")).not_to_be_empty()
    if page.locator("[data-segment]").count():
        expect(page.locator("[data-members][data-counted]")).to_have_count(1)


def violations(page: Page, axe: str) -> list[str]:
    """What axe finds in our part of the page; the frame around it is Django's."""
    page.evaluate(axe)
    found = page.evaluate("scope => axe.run(scope, {resultTypes: ['violations']})", SCOPE)
    return [
        f"{each['id']}: {json.dumps([node['html'][:160] for node in each['nodes'][:3]])}"
        for each in found["violations"]
    ]


def test_the_composers_labels_stand_beside_their_fields_and_above_them_on_a_phone(console, rows):
    page = console(f"{ADMIN}/notification/{rows['draft']}/change/")
    for name in ("title", "body", "link", "when", "give_up"):
        label, field = boxes(page, name)
        assert abs(label["y"] - field["y"]) < 12
        assert field["x"] > label["x"] + 80
        assert field["width"] > 300
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    label, field = boxes(page, "title")
    assert field["y"] > label["y"] + 10
    assert field["width"] > 300


def boxes(page: Page, name: str) -> tuple[Any, Any]:
    row = page.locator(f".push-compose .field-{name}").first
    return row.locator(".push-side").bounding_box(), row.locator(".push-field").bounding_box()


def test_the_theme_button_changes_our_colours_too(console, rows):
    page = console(f"{ADMIN}/pushhistory/{rows['done']}/change/", scheme="light")
    colour = "getComputedStyle(document.querySelector('.push-bar .ok')).fill"
    light = page.evaluate(colour)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert page.evaluate(colour) != light


def test_the_composer_is_walked_by_keyboard_in_the_order_of_the_page(console, rows):
    page = console(f"{ADMIN}/notification/{rows['draft']}/change/")
    settle(page)
    page.focus("#id_title")
    order = ["title"]
    for _ in range(60):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.name || document.activeElement.id")
        if name and name != order[-1]:
            order.append(name)
        if name == "_save":
            break
    wanted = ["title", "body", "link", "pv", "test_device", "_test", "audience_kind", "when"]
    assert [name for name in order if name in {*wanted, "_review"}] == [*wanted, "_review"]


def test_a_link_of_the_checks_leads_to_its_field(console, rows):
    page = console(f"{ADMIN}/notification/{rows['unfinished']}/change/?check=1")
    page.click(".push-notice a:has-text('Write a title')")
    assert page.evaluate("document.activeElement.id") == "id_title"


def test_languages_are_added_and_saved(console, rows):
    page = console(f"{ADMIN}/notification/{rows['unfinished']}/change/")
    page.click("text=Other languages")
    page.click("text=Add a language")
    page.fill("#id_lang-1-tag", "fr")
    page.fill("#id_lang-1-title", "Moitié prix")
    expect(page.locator("#languages .state")).to_have_text("fr")
    page.click("text=Save draft")
    texts = Notification.objects.get(pk=rows["unfinished"]).texts
    assert texts == {"fr": {"title": "Moitié prix"}}


def test_the_running_report_comes_anew_by_itself(console, rows):
    page = console(f"{ADMIN}/pushhistory/{rows['paused']}/change/")
    expect(page.locator(".push-notice.bad")).to_contain_text("InvalidProviderToken")
    PushHistory.objects.filter(pk=rows["paused"]).update(
        state="cancelled", finished_at=timezone.now()
    )
    PushBatch.objects.filter(history=rows["paused"]).update(pause_reason="")
    expect(page.locator("[data-part=line]")).to_contain_text("Stopped")
    expect(page.locator("[data-report]")).to_have_attribute("data-over", "1")


def test_a_device_is_checked_and_switched_off_by_keyboard(console, rows):
    page = console(f"{ADMIN}/installation/{rows['device']}/change/")
    page.focus("#check-push")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "check-id"
    page.keyboard.type(str(rows["listed"]))
    page.keyboard.press("Enter")
    expect(page.locator("#check [role=status]")).to_contain_text("was for certain devices")
    page.focus("text=Switch off")
    page.keyboard.press("Enter")
    expect(page.locator(".messagelist")).to_contain_text("1 device was switched off.")
    expect(page.locator(".push-standing")).to_contain_text("by staff.")
