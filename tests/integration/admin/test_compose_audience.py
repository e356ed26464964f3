"""Whom a message is for, in the composer: segments, what is left out, and audiences as JSON."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.urls import reverse

from django_push.models import Notification, Role, Segment
from django_push.submission import push

ADD = reverse("admin:django_push_notification_add")
CHECK = reverse("admin:django_push_notification_check")


@pytest.fixture
def segment(application):
    def make(key: str, of=None, **said: Any) -> Segment:
        said = {"name": key.title(), "audience": {"channels": [key]}} | said
        return Segment.objects.create(application=of or application, key=key, **said)

    return make


def save(client, application, kind: str, **said: Any) -> Notification:
    data = {"application": application.pk, "title": "Hi", "audience_kind": kind, "when": "now"}
    data |= {"lang-TOTAL_FORMS": "0", "lang-INITIAL_FORMS": "0", **said}
    answer = client.post(ADD, data)
    assert answer.status_code == 302, re.findall(r"errorlist.*?</ul>", answer.content.decode())
    return Notification.objects.latest("pk")


def page_of(message: Notification) -> str:
    return reverse("admin:django_push_notification_change", args=[message.pk])


def ticked(page: str, name: str) -> list[str]:
    return re.findall(rf'name="{name}" value="([^"]+)" checked', page)


def test_segments_and_those_left_out_are_saved_and_shown_again(root, application, segment):
    for key in ("news", "sport", "muted"):
        segment(key)
    value = f"{application.pk}/"
    message = save(
        root,
        application,
        "segments",
        segments=[value + "news", value + "sport"],
        left_out=[value + "muted"],
        device_types=["ios"],
    )
    assert message.audience == {
        "segments": ["news", "sport"],
        "device_types": ["ios"],
        "exclude": {"segments": ["muted"]},
    }
    page = root.get(page_of(message)).content.decode()
    assert ticked(page, "segments") == [value + "news", value + "sport"]
    assert ticked(page, "left_out") == [value + "muted"]
    assert 'value="segments" id="id_audience_kind_1" checked' in page.replace(" required", "")


def test_beside_a_segment_stands_how_many_it_was_and_a_way_to_it(root, application, segment):
    segment("news").counted(8412)
    page = root.get(ADD).content.decode()
    assert "8,412, counted" in page
    assert reverse("admin:django_push_segment_change", args=[Segment.objects.get().pk]) in page


def test_without_segments_the_page_leads_to_the_first(root, application):
    page = root.get(ADD).content.decode()
    assert "None is saved yet." in page
    assert "But none of these segments" not in page


def test_everyone_but_a_segment_is_counted_without_it(root, application, segment, device):
    device("a" * 20, channels=["news"])
    device("b" * 20)
    segment("news")
    data = {"application": application.pk, "title": "Hi", "audience_kind": "everyone"}
    assert root.post(CHECK, data).json()["devices"] == "2 devices"
    data["left_out"] = f"{application.pk}/news"
    assert root.post(CHECK, data).json()["devices"] == "1 device"


def test_one_of_another_application_is_neither_offered_nor_taken(
    staff, as_user, application, store, segment
):
    segment("theirs", of=store, name="THEIRS")
    segment("ours")
    user = staff("editor", "add_notification", "view_notification", "change_notification",
                 here=(application, Role.EDITOR))  # fmt: skip
    client = as_user(user)
    assert b"THEIRS" not in client.get(ADD).content
    data = {"application": application.pk, "title": "Hi", "audience_kind": "segments"}
    answer = client.post(CHECK, data | {"segments": f"{store.pk}/theirs"})
    assert answer.json()["devices"] == ""
    assert Notification.objects.count() == 0


def test_one_of_the_other_application_of_two_is_refused(root, application, store, segment):
    segment("theirs", of=store)
    segment("ours")
    data = {"application": application.pk, "title": "Hi", "audience_kind": "segments"}
    checks = root.post(CHECK, data | {"segments": f"{store.pk}/theirs"}).json()["checks"]
    assert "belongs to another application" in checks


def test_one_that_is_gone_stays_ticked_and_is_told(root, application, segment):
    message = Notification.objects.create(
        application=application,
        content={"title": "Hi"},
        audience={"everyone": True, "exclude": {"segments": ["gone"]}},
    )
    page = root.get(page_of(message)).content.decode()
    assert "“gone”, which is gone" in page
    assert ticked(page, "left_out") == [f"{application.pk}/gone"]
    data = {"application": application.pk, "title": "Hi", "audience_kind": "everyone"}
    data |= {"left_out": f"{application.pk}/gone", "draft": message.pk}
    assert "There is no segment “gone”" in root.post(CHECK, data).json()["checks"]


@pytest.mark.parametrize(
    "audience",
    [
        {"where": {"badge": {"$gt": 1}}},
        {"channels": ["a"], "users": ["1"]},
        {"channels": ["a, b"]},
        {"everyone": True, "exclude": {"channels": ["muted"]}},
        {"segments": ["news"], "where": {"badge": 1}},
    ],
)
def test_what_the_fields_cannot_show_is_json_and_survives(root, application, segment, audience):
    segment("news")
    message = Notification.objects.create(
        application=application, content={"title": "Hi"}, audience=audience
    )
    page = root.get(page_of(message)).content.decode()
    assert '"raw" id="id_audience_kind_5" checked' in page.replace(" required", "")
    raw = re.search(r'<textarea name="raw".*?>(.*?)</textarea>', page, re.S)[1]
    raw = raw.replace("&quot;", '"').replace("&amp;", "&").strip()
    assert json.loads(raw) == audience
    assert save(root, application, "raw", raw=raw, device_types=["ios"]).audience == audience


def test_wrong_json_is_told_at_its_field(root, application):
    data = {"application": application.pk, "title": "Hi", "audience_kind": "raw"}
    checks = root.post(CHECK, data | {"raw": '{"where": {"badge": {"$above": 1}}}'}).json()[
        "checks"
    ]
    assert "$above" in checks
    assert "#id_raw" in checks
    assert "not JSON" in root.post(CHECK, data | {"raw": "{"}).json()["checks"]


def test_a_copy_of_a_push_names_the_same_segments(root, application, segment):
    segment("news", audience={"everyone": True})
    history = push(application, audience={"segments": ["news"]}, title="Hi")
    root.post(reverse("admin:django_push_pushhistory_copy", args=[history.pk]))
    assert Notification.objects.latest("pk").audience == {"segments": ["news"]}


def test_the_report_names_segments_as_they_were(root, application, segment):
    made = segment("news", audience={"everyone": True})
    history = push(application, audience={"segments": ["news"]}, title="Hi")
    made.delete()
    page = root.get(reverse("admin:django_push_pushhistory_change", args=[history.pk]))
    assert "Segment “News”" in page.content.decode()
