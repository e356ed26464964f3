"""Actions of the list: on the ticked devices, and on all that a filter finds."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from django_push import switching
from django_push.admin import device_actions, device_export
from django_push.models import Application, Installation, Owner, Role
from django_push.switching import switch

from .conftest import SENDER
from .test_device_list import fill

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "admin:django_push_installation_changelist"


def act(client: Any, action: str, *devices: Installation, query: str = "", **more: str) -> Any:
    data = {"action": action, "index": "0", "_selected_action": [row.pk for row in devices], **more}
    return client.post(f"{reverse(LIST)}?{query}", data)


def across(client: Any, action: str, query: str = "", **more: str) -> Any:
    """All that the filter finds; Django wants one of them ticked."""
    ticked = Installation.objects.order_by("-pk")[:1]
    return act(client, action, *ticked, query=query, select_across="1", **more)


def off() -> int:
    return Installation.objects.filter(is_active=False, inactive_reason="staff").count()


def log() -> list[tuple[str, str]]:
    return [
        (str(entry.content_type.model), entry.get_change_message())
        for entry in LogEntry.objects.order_by("pk")
    ]


# ----- switching -----


def test_all_that_a_filter_finds_is_asked_once_more(root, application):
    fill(application, 60)
    fill(application, 5, device_type="macos")
    answer = across(root, "switch_off", "platform=ios")
    assert "Switch off all <b>60</b> devices that the list finds?" in answer.content.decode()
    assert off() == 0
    across(root, "switch_off", "platform=ios", confirmed="1")
    assert (off(), Installation.objects.filter(device_type="macos", is_active=True).count()) == (
        60,
        5,
    )
    across(root, "switch_on", "is_active__exact=0", confirmed="1")
    assert off() == 0


def test_a_question_counts_no_further_than_it_must(root, application, monkeypatch):
    monkeypatch.setattr(device_actions, "COUNTED", 20)
    fill(application, 60)
    assert "all <b>20+</b> devices" in across(root, "switch_off").content.decode()


def test_many_leave_one_entry_in_the_log_of_their_application(
    root, application, store, monkeypatch
):
    monkeypatch.setattr(device_actions, "LOGGED", 3)
    fill(application, 6)
    fill(store, 4)
    across(root, "switch_off", confirmed="1")
    assert sorted(log()) == [
        ("application", "4 devices of the list: Switched off."),
        ("application", "6 devices of the list: Switched off."),
    ]


def test_only_in_applications_where_the_person_may(staff, as_user, application, store):
    fill(application, 3)
    fill(store, 3)
    tom = staff("tom", here=(application, Role.SENDER), there=(store, Role.VIEWER))
    across(as_user(tom), "switch_off", confirmed="1")
    assert set(
        Installation.objects.filter(is_active=False).values_list("application__key", flat=True)
    ) == {"hall"}


@pytest.mark.parametrize("piece", [2, 5, 1000])
def test_switching_goes_by_pieces_and_misses_nobody(application, monkeypatch, piece):
    monkeypatch.setattr(switching, "PIECE", piece)
    fill(application, 11)
    Installation.objects.filter(pk=Installation.objects.last().pk).update(is_active=False)
    before = timezone.now()
    done = switch(Installation.objects.all(), active=False, seconds=60)
    assert (done.count, done.is_all) == (10, True)
    assert not Installation.objects.filter(is_active=True).exists()
    assert (
        Installation.objects.filter(updated_at__gte=before, inactive_reason="staff").count() == 10
    )


def test_when_time_is_up_it_says_that_there_are_more(root, application, monkeypatch):
    monkeypatch.setattr(switching, "PIECE", 4)
    monkeypatch.setattr(device_actions, "SECONDS", 0.0)
    fill(application, 10)
    page = across(root, "switch_off", confirmed="1")
    page = root.get(page["Location"]).content.decode()
    assert "4 devices were switched off. There are more: do the same again." in page
    across(root, "switch_off", confirmed="1")
    across(root, "switch_off", confirmed="1")
    assert off() == 10


def test_who_opted_out_is_not_switched_on_by_staff(root, device):
    phone = device("a" * 64)
    Installation.objects.update(is_active=False, inactive_reason="opted_out")
    act(root, "switch_on", phone)
    switch_here = reverse("admin:django_push_installation_switch", args=[phone.pk])
    assert root.post(switch_here, {"on": "1"}).status_code == 403
    assert not Installation.objects.filter(is_active=True).exists()


def test_a_million_devices_are_not_deleted_by_one_action(root, people):
    assert "delete_selected" not in root.get(reverse(LIST)).content.decode()
    act(root, "delete_selected", *people, post="yes")
    assert Installation.objects.count() == 2


# ----- export -----


@pytest.fixture
def people(application, device) -> list[Installation]:
    return [
        device("a" * 64, owner=Owner(user_key="ana", proved=True), channels=["sport", "news"]),
        device("b" * 64, "android", owner=Owner(user_key="=HYPERLINK()", proved=True)),
    ]


def read(answer: Any) -> str:
    assert answer.streaming
    return b"".join(answer.streaming_content).decode()


def rows_of(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(read(answer))))


def test_csv_of_the_ticked(root, people):
    answer = act(root, "export_csv", people[0])
    assert answer["Content-Type"].startswith("text/csv")
    assert 'attachment; filename="devices-' in answer["Content-Disposition"]
    (row,) = rows_of(answer)
    assert (row["id"], row["token"], row["user"]) == (people[0].public_id, "a" * 64, "ana")
    assert (row["application"], row["channels"], row["is_active"]) == (
        "hall",
        "news, sport",
        "True",
    )
    assert log() == [("application", "Exported devices as csv (1 ticked; whole tokens).")]


def test_what_apps_say_is_no_formula_in_a_spreadsheet(root, people):
    assert rows_of(act(root, "export_csv", people[1]))[0]["user"] == "'=HYPERLINK()"


def test_json_of_all_that_the_filter_finds(root, people):
    answer = across(root, "export_json", "platform=android")
    (row,) = json.loads(read(answer))
    assert (row["platform"], row["user"], row["channels"]) == ("android", "=HYPERLINK()", [])
    assert row["last_seen_at"].startswith(str(timezone.now().year))
    (entry,) = log()
    assert entry == ("application", "Exported devices as json (platform=android; whole tokens).")


def test_json_of_nothing_is_an_empty_list(root, people):
    answer = across(root, "export_json", "platform=macos")
    assert json.loads(read(answer)) == []


@pytest.mark.parametrize(
    ("permissions", "role", "whole"),
    [
        ((*SENDER,), Role.MANAGER, False),
        ((*SENDER, "change_credential"), Role.SENDER, False),
        ((*SENDER, "change_credential"), Role.MANAGER, True),
    ],
)
def test_whole_tokens_only_for_who_manages_the_credentials(
    staff, as_user, people, permissions, role, whole
):
    application = people[0].application
    tom = as_user(staff("tom", *permissions, here=(application, role)))
    rows = rows_of(act(tom, "export_csv", *people))
    assert {row["token"] for row in rows} == (
        {"a" * 64, "b" * 64} if whole else {"aaaaaaaa…", "bbbbbbbb…"}
    )


def test_tokens_are_cut_by_the_application_of_each(staff, as_user, application, store, people):
    theirs = Installation.objects.register(store, device_type="ios", address="c" * 64)
    tom = staff("tom", here=(application, Role.MANAGER), there=(store, Role.VIEWER))
    rows = rows_of(act(as_user(tom), "export_csv", *people, theirs))
    assert {row["token"] for row in rows} == {"a" * 64, "b" * 64, "cccccccc…"}


def test_nobody_else_s_devices_are_exported(staff, as_user, people, store):
    answer = across(as_user(staff("clerk", here=(store, Role.MANAGER))), "export_csv")
    assert answer.status_code == 302 or rows_of(answer) == []


def test_an_export_reads_by_pieces(root, application, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(device_export, "PIECE", 7)
    fill(application, 30)
    answer = across(root, "export_csv")
    with django_assert_max_num_queries(10) as asked:
        rows = rows_of(answer)
    assert len({row["id"] for row in rows}) == 30
    assert all("LIMIT 7" in each["sql"] or "subscription" in each["sql"] for each in asked)


# ----- tests -----


def test_a_test_to_the_ticked(root, people):
    answer = act(root, "send_test", *people)
    page = root.get(answer["Location"]).content.decode()
    assert "A test to 2 devices" in page


def test_a_test_is_no_broadcast(root, application):
    fill(application, 30)
    answer = across(root, "send_test")
    page = root.get(answer["Location"]).content.decode()
    assert "A test goes to 20 devices at the most: choose fewer." in page


def test_actions_are_offered_to_those_who_may(staff, as_user, people):
    page = as_user(staff("viewer", "view_installation")).get(reverse(LIST)).content.decode()
    assert "Export the chosen devices (CSV)" in page
    for other in ("Switch the chosen", "Send a test"):
        assert other not in page
    assert Application.objects.count() == 1
