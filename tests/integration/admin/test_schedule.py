"""When a message goes out, in the console: chosen, shown, and what repeats held and ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from django_push.models import Application, Notification, PushHistory, State
from django_push.submission import push
from django_push.worker import Worker

from .conftest import EDITOR

ADD = "admin:django_push_notification_add"


@pytest.fixture(autouse=True)
def berlin(application):
    application.time_zone = "Europe/Berlin"
    application.save()


@pytest.fixture
def data(application):
    return {
        "title": "Half price",
        "audience_kind": "everyone",
        "application": application.pk,
        "send_at": "2090-01-02T09:00",
    }


def post(client, data, button="_save"):
    return client.post(reverse(ADD), {**data, button: "1"})


def page(client, name, pk):
    return client.get(reverse(f"admin:django_push_notification_{name}", args=[pk])).content.decode()


def test_the_same_clock_time_everywhere(root, data, device):
    device("a" * 64, time_zone="Asia/Tokyo")
    device("b" * 64)
    assert post(root, {**data, "when": "local"}).status_code == 302
    draft = Notification.objects.get()
    assert draft.local_time
    assert draft.send_at == datetime(2090, 1, 2, 8, tzinfo=UTC)  # nine in Berlin
    assert 'value="2090-01-02T09:00"' in page(root, "change", draft.pk)
    confirm = page(root, "send", draft.pk)
    assert "Jan. 2, 2090, 09:00 on each device&#x27;s own clock" in confirm
    assert "1 has no time zone and follows Europe/Berlin" in confirm


@pytest.mark.parametrize(
    ("chosen", "rule"),
    [
        ({"repeat_unit": "DAILY"}, "FREQ=DAILY"),
        (
            {"repeat_unit": "WEEKLY", "repeat_interval": "2", "repeat_days": ["MO", "TH"]},
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH",
        ),
        (
            {"repeat_unit": "DAILY", "repeat_ends": "until", "repeat_until": "2090-02-01"},
            "FREQ=DAILY;UNTIL=20900201",
        ),
        (
            {"repeat_unit": "MONTHLY", "repeat_ends": "count", "repeat_count": "3"},
            "FREQ=MONTHLY;COUNT=3",
        ),
        (
            {"repeat_unit": "rule", "recurrence": "rrule:freq=monthly;byday=-1fr"},
            "FREQ=MONTHLY;BYDAY=-1FR",
        ),
    ],
)
def test_what_is_chosen_comes_back_as_it_was_chosen(root, data, chosen, rule):
    answer = post(root, {**data, "when": "repeat", **chosen})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    draft = Notification.objects.get()
    assert draft.recurrence == rule
    address = reverse("admin:django_push_notification_change", args=[draft.pk])
    form = root.get(address).context["form"]
    values = {
        name: field.value() for name, field in ((n, form[n]) for n in form.fields) if field.value()
    }
    again = {
        **{name: value for name, value in values.items() if name not in ("data", "overrides")},
        "lang-TOTAL_FORMS": "0",
        "lang-INITIAL_FORMS": "0",
        "send_at": "2090-01-02T09:00",
        "_save": "1",
    }
    assert root.post(address, again).status_code == 302
    draft.refresh_from_db()
    assert (draft.recurrence, draft.send_at) == (rule, datetime(2090, 1, 2, 8, tzinfo=UTC))


@pytest.mark.parametrize("when", ["later", "local", "repeat"])
@pytest.mark.parametrize(
    ("typed", "moment"),
    [
        ("2027-03-28T02:30", datetime(2027, 3, 28, 1, tzinfo=UTC)),  # skipped: after the gap
        ("2027-10-31T02:30", datetime(2027, 10, 31, 0, 30, tzinfo=UTC)),  # twice: the first
    ],
)
def test_a_time_that_the_clock_skips_or_has_twice_can_be_chosen(
    root, data, settings, when, typed, moment
):
    settings.TIME_ZONE = "Europe/Berlin"
    answer = post(root, {**data, "when": when, "send_at": typed})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert Notification.objects.get().send_at == moment


@pytest.mark.parametrize("rule", ["FREQ=HOURLY;INTERVAL=24;BYHOUR=5", "FREQ=DAILY;UNTIL=20200101"])
@pytest.mark.parametrize("local", ["", "on"])
def test_a_rule_that_never_comes_is_told_before_it_goes(root, data, device, rule, local):
    device("a" * 64)
    chosen = {"when": "repeat", "repeat_unit": "rule", "recurrence": rule, "repeat_local": local}
    answer = root.post(reverse("admin:django_push_notification_check"), {**data, **chosen})
    assert answer.status_code == 200
    assert not answer.json()["ready"]
    assert post(root, {**data, **chosen}).status_code == 302
    assert "Yes, schedule" not in page(root, "send", Notification.objects.get().pk)


@pytest.mark.parametrize("when", ["later", "local", "repeat"])
@pytest.mark.parametrize("typed", ["0001-01-01T00:00", "9999-12-31T23:59"])
@pytest.mark.parametrize("address", ["check", "autosave", "add"])
def test_a_year_at_either_end_of_time_is_refused_in_words(root, data, when, typed, address):
    """While people type a year, its first digits are a year, too."""
    page = reverse(f"admin:django_push_notification_{address}")
    answer = root.post(page, {**data, "when": when, "send_at": typed, "repeat_unit": "YEARLY"})
    assert answer.status_code == 200
    assert address == "autosave" or "Choose a year from 1970 to 8999" in str(answer.content)
    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    ("chosen", "field", "says"),
    [
        ({"when": "local", "send_at": ""}, "send_at", "Choose the day"),
        ({"when": "repeat", "send_at": ""}, "send_at", "Choose the day"),
        ({"repeat_unit": "rule", "recurrence": "monthly"}, "recurrence", "MONTHLY is not known"),
        ({"repeat_unit": "rule", "recurrence": "FREQ=DAILY;BYHOUR=99"}, "recurrence", "BYHOUR"),
        ({"repeat_unit": "rule"}, "recurrence", "Fill this in"),
        ({"repeat_unit": "DAILY", "repeat_ends": "until"}, "repeat_until", "Fill this in"),
        ({"repeat_unit": "DAILY", "repeat_ends": "count"}, "repeat_count", "Fill this in"),
        ({"repeat_unit": "DAILY", "repeat_interval": "0"}, "repeat_interval", "greater than"),
    ],
)
def test_what_is_missing_is_told_at_its_field(root, data, chosen, field, says):
    answer = post(root, {**data, "when": "repeat", **chosen})
    assert answer.status_code == 200
    errors = answer.context["adminform"].form.errors
    assert says in " ".join(errors[field])
    assert not Notification.objects.exists()


def test_the_composer_lists_the_next_five(root, data, device):
    device("a" * 64)
    chosen = {**data, "when": "repeat", "repeat_unit": "WEEKLY", "repeat_days": ["MO"]}
    found = root.post(reverse("admin:django_push_notification_check"), chosen).json()
    assert "Every Monday at 09:00" in found["schedule"]
    assert found["schedule"].count("<li>") == 5
    assert "Monday, Jan. 30, 2090, 09:00" in found["schedule"]
    never = {**chosen, "repeat_unit": "rule", "recurrence": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}
    found = root.post(reverse("admin:django_push_notification_check"), never).json()
    assert "never" in found["checks"]
    assert not found["ready"]


@pytest.fixture
def series(application, device):
    device("a" * 64)
    return push(
        application,
        audience={"everyone": True},
        title="News",
        send_at=datetime(2090, 1, 2, 9),
        recurrence="FREQ=WEEKLY;BYDAY=MO",
    ).notification


def do(client, verb, series):
    return client.post(reverse(f"admin:django_push_notification_{verb}", args=[series.pk]))


def test_what_repeats_is_held_resumed_and_ended(root, series):
    text = page(root, "change", series.pk)
    assert "Every Monday at 09:00" in text
    assert "Pause repeating" in text
    assert text.count("<li>Monday") == 5
    for verb, status, button in [
        ("pause", "paused", "Resume repeating"),
        ("resume", "repeating", "Pause repeating"),
        ("stop", "draft", "Review and send"),
    ]:
        assert do(root, verb, series).status_code == 302
        series.refresh_from_db()
        assert series.status == status
        assert button in page(root, "change", series.pk)
    said = LogEntry.objects.filter(object_id=str(series.pk)).order_by("pk")
    assert [entry.get_change_message().split(".")[0] for entry in said] == [
        "Paused",
        "Resumed, from its next moment on",
        "It is not repeated any more",
    ]


def test_only_who_may_send_may_do_that(staff, as_user, series):
    editor = as_user(staff("editor", *EDITOR))
    assert "Pause repeating" not in page(editor, "change", series.pk)
    for verb in ("pause", "resume", "stop"):
        assert do(editor, verb, series).status_code == 403
    series.refresh_from_db()
    assert series.status == "repeating"


def test_a_link_does_nothing(root, series):
    address = reverse("admin:django_push_notification_stop", args=[series.pk])
    assert root.get(address).status_code == 403


def test_the_report_says_what_a_push_waits_for(root, application, device):
    device("a" * 64, time_zone="Etc/GMT-14")
    device("b" * 64, time_zone="Etc/GMT+12")
    wall = (timezone.now() + timedelta(hours=14)).replace(tzinfo=None)
    history = push(
        application, audience={"everyone": True}, title="Hi", send_at=wall, local_time=True
    )
    address = reverse("admin:django_push_pushhistory_change", args=[history.pk])
    assert "on each device&#x27;s own clock" in root.get(address).content.decode()
    worker = Worker(listen=False)
    worker.drain(20)
    worker.close()
    text = root.get(address).content.decode()
    assert "next time zone UTC-12:00 at" in text
    assert "in 1 day" in text
    history.refresh_from_db()
    assert history.state == State.SENDING


def test_a_missed_push_says_so(root, series):
    history = PushHistory.objects.get()
    PushHistory.objects.update(
        state=State.MISSED,
        detail="No worker was running when it was due.",
        finished_at=timezone.now(),
    )
    address = reverse("admin:django_push_pushhistory_change", args=[history.pk])
    text = root.get(address).content.decode()
    assert "Missed" in text
    assert "No worker was running" in text


@pytest.mark.parametrize("name", ["Berlin", "europe/berlin", "../etc/zones", ""])
def test_an_application_has_a_time_zone_that_exists(application, name):
    application.time_zone = name
    with pytest.raises(ValidationError) as caught:
        application.full_clean()
    assert "time_zone" in caught.value.message_dict


def test_a_new_application_has_the_projects_time_zone(settings, db):
    settings.TIME_ZONE = "Asia/Tokyo"
    assert Application.objects.register(None, "Opera").time_zone == "Asia/Tokyo"
