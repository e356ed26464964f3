"""The pages of segments: rows that people fill in, JSON, a live count, and what must not happen."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.urls import reverse

from django_push.models import Notification, Role, Segment

ADD = reverse("admin:django_push_segment_add")
CHECK = reverse("admin:django_push_segment_check")
LIST = reverse("admin:django_push_segment_changelist")
EVERY_EDITOR = ("view_segment", "add_segment", "change_segment", "delete_segment")


def row(place: str, field: str, how: str, **typed: Any) -> dict[str, Any]:
    """One condition as a browser posts it; ``place`` is ``0-1``."""
    kind, comparison = how.split(".")
    said = {f"rule-{place}-field": field, f"rule-{place}-op-{kind}": comparison}
    return said | {f"rule-{place}-{part}": value for part, value in typed.items()}


def form(application, *rows, match="all", **said: Any) -> dict[str, Any]:
    found = {"application": application.pk, "name": "Regulars", "key": "", "description": ""}
    found |= {"mode": "form", "rule-match": match}
    for each in rows:
        found |= each
    return found | said


def page_of(segment) -> str:
    return reverse("admin:django_push_segment_change", args=[segment.pk])


def make(application, **said: Any) -> Segment:
    said = {"key": "regulars", "name": "Regulars", "audience": {"channels": ["news"]}} | said
    return Segment.objects.create(application=application, **said)


BADGE = row("0-0", "badge", "number.above", value="2")


def test_rows_are_saved_as_a_where_and_shown_again(root, application):
    data = form(
        application,
        row("0-4", "device_type", "choice.one_of", choice=["android", "ios"]),
        row("0-7", "last_seen_at", "moment.within", days="30"),
        {"rule-3-match": "any"},
        row("3-1", "channels", "list.any_of", value="news,  sport"),
        row("3-0", "attribute_text", "text.is", value="pro", name="plan"),
    )
    answer = root.post(ADD, data, follow=True)
    segment = Segment.objects.get()
    assert (segment.key, segment.application) == ("regulars", application)
    assert segment.audience == {
        "where": {
            "$and": [
                {"device_type": {"$in": ["ios", "android"]}},
                {"last_seen_at": {"$gte": {"$relativeTime": "30 days ago"}}},
                {"$or": [{"attributes.plan": "pro"}, {"channels": {"$in": ["news", "sport"]}}]},
            ]
        }
    }
    shown = root.get(page_of(segment)).content.decode()
    assert re.findall(r'name="(rule-[01]-[0-9]-field)"', shown) == [
        f"rule-{place}-field" for place in ("0-0", "0-1", "1-0", "1-1")
    ]
    assert 'value="news, sport"' in shown
    words = "Platform is iPhone and iPad or Android; Last seen in the last 30 days; (plan is “pro”"
    assert words in answer.content.decode()


def test_saving_the_page_unchanged_changes_nothing(root, application):
    where = {"$or": [{"badge": {"$gt": 2}}, {"locale": {"$regex": "^\\Qde\\E"}}]}
    segment = make(application, audience={"where": where})
    data = form(
        application,
        BADGE,
        row("0-1", "locale", "text.begins", value="de"),
        match="any",
    )
    assert root.post(page_of(segment), data).status_code == 302
    segment.refresh_from_db()
    assert segment.audience == {"where": where}


def test_an_unfinished_row_is_told_at_the_row_and_nothing_is_saved(root, application):
    data = form(application, BADGE, row("0-1", "badge", "number.below", value="few"))
    answer = root.post(ADD, data)
    shown = answer.content.decode()
    assert answer.status_code == 200
    assert 'id="id_rule-0-1-error">“few” is no number' in shown
    assert 'aria-describedby="id_rule-0-1-error"' in shown
    assert 'value="few"' in shown  # what was typed is still there
    assert Segment.objects.count() == 0


@pytest.mark.parametrize("rows", [(), ({"rule-0-0-field": ""},), ({"rule-1-match": "any"},)])
def test_without_conditions_nobody_is_meant(root, application, rows):
    answer = root.post(ADD, form(application, *rows))
    assert b"Add a condition: without any, nobody is meant." in answer.content
    assert Segment.objects.count() == 0


def test_a_row_too_many_is_refused(root, application):
    rows = [row(f"0-{n}", "badge", "number.above", value=str(n)) for n in range(51)]
    answer = root.post(ADD, form(application, *rows))
    assert b"At most 50 conditions" in answer.content


@pytest.mark.parametrize(
    ("verb", "rows"),
    [
        ("add-0", ["0-0", "0-1", "1-0", "1-1"]),
        ("add-4", ["0-0", "1-0", "1-1", "1-2"]),
        ("add-9", ["0-0", "1-0", "1-1"]),
        ("group", ["0-0", "1-0", "1-1", "2-0"]),
        ("drop-0-2", ["1-0", "1-1"]),
        ("drop-4-1", ["0-0", "1-0"]),
        ("drop-4", ["0-0"]),
        ("drop-9-9", ["0-0", "1-0", "1-1"]),
        ("drop", ["0-0", "1-0", "1-1"]),
        ("add-²", ["0-0", "1-0", "1-1"]),
        ("count", ["0-0", "1-0", "1-1"]),
    ],
)
def test_the_buttons_change_the_form_without_a_script_and_save_nothing(
    root, application, verb, rows
):
    data = form(
        application,
        row("0-2", "badge", "number.above", value="x"),
        {"rule-4-match": "any"},
        row("4-1", "badge", "number.above", value="2"),
        row("4-5", "badge", "number.above", value="3"),
        _rule=verb,
        name="",
    )
    shown = root.post(ADD, data).content.decode()
    live = shown.split("<template", 1)[0]
    assert re.findall(r'name="rule-([0-9]+-[0-9]+)-field"', live) == rows
    assert "errornote" not in shown  # nobody is scolded in the middle of writing
    assert live.count("autofocus") == (verb in {"add-0", "add-4", "group"})
    assert Segment.objects.count() == 0


def test_the_form_becomes_json_and_comes_back(root, application):
    shown = root.post(ADD, form(application, BADGE, _rule="json")).content.decode()
    assert 'name="mode" value="json"' in shown
    typed = re.search(r'<textarea name="raw".*?>(.*?)</textarea>', shown, re.S)[1]
    text = typed.replace("&quot;", '"')
    assert json.loads(text) == {"where": {"badge": {"$gt": 2}}}
    data = form(application, mode="json", raw=text, _rule="form")
    shown = root.post(ADD, data).content.decode()
    assert 'name="mode" value="form"' in shown
    assert '<option value="above" class="takes-value" selected>' in shown


def test_unfinished_rows_do_not_become_json(root, application):
    data = form(application, row("0-0", "badge", "number.above", value="x"), _rule="json")
    shown = root.post(ADD, data).content.decode()
    assert "Complete the conditions first" in shown
    assert 'name="mode" value="form"' in shown


def test_json_that_no_form_shows_stays_json_and_is_saved(root, application):
    audience = {"where": {"$nor": [{"badge": 1}]}}
    data = form(application, mode="json", raw=json.dumps(audience))
    shown = root.post(ADD, data | {"_rule": "form"}).content.decode()
    assert "The form cannot show this" in shown
    assert 'name="mode" value="json"' in shown
    assert root.post(ADD, data).status_code == 302
    segment = Segment.objects.get()
    assert segment.audience == audience
    assert "$nor" in root.get(page_of(segment)).content.decode()


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ('{"where": ', "not JSON"),
        ("", "empty"),
        ("[]", "object"),
        ('{"where": {"badge": {"$above": 1}}}', "$above"),
        ('{"where": {"badge": {"$gt": NaN}}}', "JSON"),
        ('{"chanels": ["a"]}', "chanels"),
        ('{"segments": ["others"]}', "cannot be made of segments"),
        ('{"everyone": true, "exclude": {"segments": ["others"]}}', "cannot be made of segments"),
    ],
)
def test_wrong_json_is_told_and_kept(root, application, raw, why):
    answer = root.post(ADD, form(application, mode="json", raw=raw))
    shown = answer.content.decode()
    assert answer.status_code == 200
    assert why in "".join(re.findall(r'<ul class="errorlist".*?</ul>', shown, re.S))
    assert Segment.objects.count() == 0


def test_a_key_is_taken_once_and_stays(root, application):
    segment = make(application)
    answer = root.post(ADD, form(application, BADGE))
    assert b"There is a segment with this key already." in answer.content
    root.post(page_of(segment), form(application, BADGE, key="other", name="New name"))
    segment.refresh_from_db()
    assert (segment.key, segment.name) == ("regulars", "New name")


def test_a_name_of_which_no_key_can_be_made_asks_for_one(root, application):
    answer = root.post(ADD, form(application, BADGE, name="常连"))
    assert b"Give a key" in answer.content
    assert root.post(ADD, form(application, BADGE, name="常连", key="regulars")).status_code == 302


def test_the_count_is_live_and_shows_some_devices_with_cut_tokens(root, application, device):
    for number in range(8):
        device(f"{number}abcdefghijkl", attributes={"level": number})
    rows = row("0-0", "attribute_number", "number.from", value="1", name="level")
    found = root.post(CHECK, form(application, rows)).json()
    assert found["devices"] == "7 devices"
    assert found["members"].count("<tr>") == 7  # six, and the heading
    assert "7abcdefg…" in found["members"]
    assert "7abcdefgh" not in found["members"]
    assert Segment.objects.count() == 0


def test_what_is_counted_unchanged_is_kept_with_the_segment(root, application, device):
    device("a" * 20, channels=["news"])
    segment = make(application)
    raw = {"mode": "json", "raw": json.dumps({"channels": ["other"]}), "segment": segment.pk}
    assert root.post(CHECK, raw).json()["devices"] == "0 devices"
    segment.refresh_from_db()
    assert segment.devices is None
    root.post(CHECK, raw | {"raw": json.dumps(segment.audience)})
    segment.refresh_from_db()
    assert segment.devices == 1
    assert "1 (" in root.get(LIST).content.decode()


def test_a_form_that_cannot_be_counted_says_so_and_not_more(root, application):
    assert (
        "Complete the conditions"
        in root.post(
            CHECK, form(application, row("0-0", "badge", "number.above", value="x"))
        ).json()["devices"]
    )
    assert (
        "Choose the application"
        in root.post(CHECK, form(application, BADGE) | {"application": 9999}).json()["devices"]
    )
    wrong = {"mode": "json", "raw": "{", "application": application.pk}
    assert "not JSON" in root.post(CHECK, wrong).json()["devices"]
    assert root.get(CHECK).status_code == 403


def test_who_may_not_see_devices_sees_their_number_only(staff, as_user, application, device):
    device("a" * 20)
    editor = as_user(staff("editor", *EVERY_EDITOR))
    found = editor.post(CHECK, form(application, row("0-0", "badge", "number.from", value="0")))
    assert "1 device" in found.json()["members"]
    assert "aaaaaaaa" not in found.json()["members"]


def test_counting_works_without_a_script(root, application, device):
    device("a" * 20)
    data = form(application, row("0-0", "badge", "number.from", value="0"), _rule="count")
    assert "1 device" in root.post(ADD, data).content.decode()


def test_the_chosen_are_counted_from_the_list(root, application, device):
    device("a" * 20, channels=["news"])
    segment = make(application)
    root.post(LIST, {"action": "count_them", "_selected_action": [segment.pk]})
    segment.refresh_from_db()
    assert segment.devices == 1


def test_only_those_in_the_role_write(staff, as_user, application, store):
    segment = make(application)
    looks = as_user(staff("looks", *EVERY_EDITOR, here=(application, Role.VIEWER)))
    assert b"Edit as JSON" not in looks.get(page_of(segment)).content
    assert "Channel “news”".encode() in looks.get(page_of(segment)).content
    assert looks.post(page_of(segment), form(application, BADGE)).status_code == 403
    assert looks.get(ADD).status_code == 403
    composes = as_user(staff("composes", *EVERY_EDITOR, here=(application, Role.EDITOR)))
    assert composes.post(page_of(segment), form(application, BADGE)).status_code == 302
    theirs = make(store)
    assert composes.post(page_of(theirs), form(store, BADGE)).status_code == 302
    theirs.refresh_from_db()
    assert theirs.audience == {"channels": ["news"]}
    assert b"Choose the application" not in composes.post(CHECK, form(application, BADGE)).content
    assert b"Choose the application" in composes.post(CHECK, form(store, BADGE)).content


def message(application, status=Notification.Status.DRAFT, name="Newsletter", **audience: Any):
    return Notification.objects.create(
        application=application,
        name=name,
        status=status,
        content={"title": "Hi"},
        audience=audience or {"segments": ["regulars"]},
    )


def test_one_that_is_used_is_not_deleted_and_the_page_says_by_what(root, application):
    segment = make(application)
    draft = message(application)
    address = reverse("admin:django_push_segment_delete", args=[segment.pk])
    shown = root.get(address).content.decode()
    assert reverse("admin:django_push_notification_change", args=[draft.pk]) in shown
    root.post(address, {"post": "yes"})
    data = {"action": "delete_selected", "_selected_action": [segment.pk], "post": "yes"}
    root.post(LIST, data)
    assert Segment.objects.count() == 1
    draft.delete()
    root.post(address, {"post": "yes"})
    assert Segment.objects.count() == 0


def test_the_page_lists_what_uses_it(root, application):
    segment = make(application)
    message(application, name="Monday news")
    assert b"Monday news" in root.get(page_of(segment)).content


def test_who_may_not_send_cannot_change_whom_a_series_reaches(staff, as_user, application):
    segment = make(application)
    message(application, Notification.Status.REPEATING)
    editor = as_user(staff("editor", *EVERY_EDITOR))
    assert b"only those who may send change it" in editor.get(page_of(segment)).content
    assert editor.post(page_of(segment), form(application, BADGE)).status_code == 403
    held = {"mode": "json", "raw": "{}", "segment": segment.pk}
    assert editor.post(CHECK, held).status_code == 403
    sender = as_user(staff("sender", *EVERY_EDITOR, "send_notification"))
    assert sender.post(page_of(segment), form(application, BADGE)).status_code == 302


def test_saving_tells_of_scheduled_pushes_that_keep_the_former_conditions(root, application):
    segment = make(application)
    message(application, Notification.Status.SCHEDULED)
    answer = root.post(page_of(segment), form(application, BADGE), follow=True)
    assert b"1 scheduled push keeps the conditions" in answer.content


def test_every_page_is_free_of_inline_code(root, application, device):
    segment = make(application, audience={"where": {"badge": 1}})
    device("a" * 20)
    for address in (ADD, LIST, page_of(segment)):
        shown = root.get(address).content.decode().split('id="content"', 1)[1]
        assert not re.search(r"\son[a-z]+=|\sstyle=|<script(?![^>]*\ssrc=)[^>]*>\s*\w", shown)
