"""The report: figures that add up, reasons with their cure, and the verbs of a push under way."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from django_push.delivery import count_open
from django_push.delivery.ledger import SKIPPED as LEFT_OUT
from django_push.models import (
    Credential,
    DeliveryFailure,
    Installation,
    Notification,
    PushBatch,
    PushHistory,
    State,
)
from django_push.providers import apns, fcm
from django_push.reasons import _REASONS, SKIPPED, explain
from django_push.submission import push
from django_push.worker import Worker

from .conftest import EDITOR, SENDER

pytestmark = pytest.mark.django_db(transaction=True)


def url(name, history):
    return reverse(f"admin:django_push_pushhistory_{name}", args=[history.pk])


@pytest.fixture
def sent(application, device):
    """A push that reached five devices, and four not."""
    for number in range(5):
        device(f"{number}" * 64)
    device("fail" + "0" * 60)
    for number in range(3):
        device(f"gone{number}" + "0" * 59)
    history = push(application, audience={"everyone": True}, title="Half price", by="sara")
    worker = Worker()
    worker.drain(20)
    worker.close()
    history.refresh_from_db()
    return history


@pytest.fixture
def waiting(application, device):
    for number in range(4):
        device(f"{number}" * 64)
    return push(application, audience={"everyone": True}, title="Half price")


def test_its_figures_add_up_and_only_known_ones_are_shown(root, sent):
    page = root.get(url("change", sent)).content.decode()
    assert "100 %" in page
    for label, value in (("Audience", 9), ("Accepted", 5), ("Not reached", 4), ("Switched off", 3)):
        assert f"<dt>{label}</dt><dd>{value}<small>" in page
    assert "44.4 % of those tried" in page
    assert "Opened" not in page


def test_who_opened_it_is_told_where_apps_report_it(root, sent):
    for device in Installation.objects.filter(address__in=["0" * 64, "1" * 64]):
        count_open(device, sent.public_id)
        count_open(device, sent.public_id)
    page = root.get(url("change", sent)).content.decode()
    assert "<dt>Opened</dt><dd>2<small>40.0 % of the accepted" in page


def test_what_was_sent_keeps_the_letters_of_ids_and_keys(root, sent):
    PushHistory.objects.filter(pk=sent.pk).update(public_id="c85fdc14-e0ac-433c-8be3-136e94e65bbb")
    sent.application.purposes.create(key="offers", name="Offers of the week")
    sent.content["purpose"] = "offers"
    sent.content["message"]["data"] = {"screen": "events/42"}
    sent.save(update_fields=["content"])
    page = root.get(url("change", sent)).content.decode()
    for shown in ("c85fdc14-e0ac-433c-8be3-136e94e65bbb", "screen", "Offers of the week"):
        assert f"<dd>{shown}</dd>" in page


def test_reasons_have_a_meaning_and_a_link_to_the_devices(root, sent):
    page = root.get(url("change", sent)).content.decode()
    assert "The app was removed" in page
    assert "Unregistered" in page
    assert "Nothing to do." in page
    link = f"?push={sent.pk}&amp;reason=Unregistered"
    assert link in page
    address = reverse("admin:django_push_deliveryfailure_changelist")
    found = root.get(address, {"push": sent.pk, "reason": "Unregistered"})
    assert found.context["cl"].result_count == 3


def test_without_failures_there_is_no_table_of_them(root, waiting):
    page = root.get(url("change", waiting)).content
    assert b"Why devices were not reached" not in page


def test_what_was_sent_is_the_frozen_copy(root, sent):
    Notification.objects.update(content={"title": "Rewritten later"})
    page = root.get(url("change", sent)).content.decode()
    assert "Half price" in page
    assert "Rewritten later" not in page


def test_progress_is_json_with_the_same_words(root, sent, waiting):
    done = root.get(url("progress", sent)).json()
    assert (done["over"], done["state"]) == (True, "done")
    assert "<dt>Accepted</dt><dd>5" in done["parts"]["figures"]
    running = root.get(url("progress", waiting)).json()
    assert not running["over"]
    assert "0 %" in running["parts"]["line"]


def test_pause_resume_and_stop(root, waiting):
    root.post(url("pause", waiting))
    waiting.refresh_from_db()
    assert waiting.state == State.PAUSED
    page = root.get(url("change", waiting)).content.decode()
    assert "Paused by root." in page
    assert url("resume", waiting) in page
    root.post(url("resume", waiting))
    waiting.refresh_from_db()
    assert waiting.state == State.SENDING
    asked = root.get(url("stop", waiting)).content.decode()
    assert "Yes, stop it for good" in asked
    root.post(url("stop", waiting))
    waiting.refresh_from_db()
    assert waiting.state == State.SENDING  # a post without the answer of the page stops nothing
    root.post(url("stop", waiting), {"confirmed": "1"})
    waiting.refresh_from_db()
    assert waiting.state == State.CANCELLED
    rows = LogEntry.objects.filter(content_type__model="pushhistory").order_by("pk")
    assert [row.get_change_message() for row in rows] == ["Paused.", "Resumed.", "Stopped."]


def test_a_push_that_is_over_says_so(root, sent):
    answer = root.post(url("pause", sent), follow=True)
    assert b"it cannot be paused any more" in answer.content
    assert b"there is nothing to stop" in root.get(url("stop", sent)).content
    assert LogEntry.objects.count() == 0


@pytest.mark.parametrize("verb", ["pause", "resume", "copy"])
def test_no_link_changes_anything(root, waiting, verb):
    assert root.get(url(verb, waiting)).status_code == 403
    waiting.refresh_from_db()
    assert waiting.state == State.SENDING
    assert Notification.objects.count() == 1


def test_verbs_need_the_permission_to_send(staff, as_user, waiting):
    editor, sender = as_user(staff("tom", *EDITOR)), as_user(staff("sara", *SENDER))
    assert b"formaction" in sender.get(url("change", waiting)).content
    assert b"pause/" not in editor.get(url("change", waiting)).content
    for verb in ("pause", "resume", "stop"):
        assert editor.post(url(verb, waiting), {"confirmed": "1"}).status_code == 403
    assert editor.get(url("stop", waiting)).status_code == 403
    assert sender.post(url("pause", waiting)).status_code == 302


def test_a_credential_that_the_guard_paused_is_explained(root, application, device):
    devices = [device(f"{number}" * 64).public_id for number in range(3)]
    waiting = push(application, audience={"installations": devices}, title="Half price")
    credential = Credential.objects.create(
        application=application, provider="apns", name="Hall production"
    )
    PushBatch.objects.update(
        credential=credential, claim_at=None, pause_reason="InvalidProviderToken"
    )
    page = root.get(url("change", waiting)).content.decode()
    assert "Paused: the credential “Hall production” is refused." in page
    assert "<code>InvalidProviderToken</code>" in page
    assert "nothing is lost: 3 devices waiting" in page
    assert url("resume", waiting) in page
    assert url("pause", waiting) not in page
    assert '<span class="push-pill bad">Paused</span>' in page
    listed = root.get(reverse("admin:django_push_pushhistory_changelist")).content.decode()
    assert '<span class="push-pill bad">Paused</span>' in listed
    home = root.get(reverse("admin:app_list", args=["django_push"])).content.decode()
    assert "“Half price” is paused." in home
    root.post(url("resume", waiting))
    assert PushBatch.objects.filter(pause_reason="").count() == 1


@pytest.mark.parametrize(
    ("reason", "headline", "more"),
    [
        ("BadDeviceToken", "Paused: most devices are unknown to", "another app or environment"),
        ("TopicDisallowed", "” is refused.", "Its bundle id is missing, wrong"),
        ("BadPriority 11", "Paused: the message is refused", "The devices are fine."),
    ],
)
def test_a_pause_says_whose_fault_it_is(root, application, device, reason, headline, more):
    device("1" * 64)
    waiting = push(application, audience={"installations": [_only().public_id]}, title="Hi")
    credential = Credential.objects.create(application=application, provider="apns", name="Hall")
    PushBatch.objects.update(credential=credential, claim_at=None, pause_reason=reason)
    page = root.get(url("change", waiting)).content.decode()
    assert headline in page
    assert more in page


def _only():
    return Installation.objects.get()


def test_a_provider_out_of_reach_is_told_while_devices_wait(root, application, device):
    device("1" * 64)
    waiting = push(application, audience={"installations": [_only().public_id]}, title="Hi")
    credential = Credential.objects.create(
        application=application,
        provider="apns",
        name="Hall",
        down_since=timezone.now(),
        next_try_at=timezone.now() + timedelta(minutes=1),
        down_reason="Connection refused",
    )
    PushBatch.objects.update(credential=credential)
    page = root.get(url("change", waiting)).content.decode()
    assert "Apple “Hall” cannot be reached since" in page
    assert "Connection refused. Next try" in page
    Credential.objects.update(down_since=None)
    assert "cannot be reached" not in root.get(url("change", waiting)).content.decode()


def test_a_copy_is_a_draft(root, sent):
    answer = root.post(url("copy", sent))
    draft = Notification.objects.get(status=Notification.Status.DRAFT)
    assert answer.url == reverse("admin:django_push_notification_change", args=[draft.pk])
    assert draft.content["title"] == "Half price"
    assert draft.audience == {"everyone": True}
    assert PushHistory.objects.count() == 1


def test_failures_as_csv(root, sent):
    DeliveryFailure.objects.filter(reason="Rejected").update(detail='=HYPERLINK("http://x")')
    answer = root.get(url("failures", sent))
    assert answer["Content-Type"].startswith("text/csv")
    assert "attachment" in answer["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))
    assert sorted(row["reason"] for row in rows) == ["Rejected", *["Unregistered"] * 3]
    assert [row["detail"] for row in rows if row["reason"] == "Rejected"] == [
        '\'=HYPERLINK("http://x")'
    ]


def test_failures_need_their_own_permission(staff, as_user, sent):
    client = as_user(staff("viewer", "view_pushhistory"))
    page = client.get(url("change", sent))
    assert page.status_code == 200
    assert b"failures.csv" not in page.content
    assert client.get(url("failures", sent)).status_code == 403


def test_the_list_shows_running_and_finished_pushes(root, sent, waiting):
    page = root.get(reverse("admin:django_push_pushhistory_changelist")).content.decode()
    assert "Sending" in page
    assert "Done" in page
    assert '<td class="field-not_reached">4</td>' in page


def test_nothing_in_the_ledger_is_edited_or_deleted(root, sent):
    for name in ("delete", "change"):
        assert root.post(url(name, sent), {"post": "yes"}).status_code == 403
    assert root.get(reverse("admin:django_push_pushhistory_add")).status_code == 403
    assert PushHistory.objects.count() == 1


@pytest.mark.parametrize("reason", sorted({*apns.REASONS, *fcm.REASONS}))
def test_every_reason_that_our_providers_know_is_explained(reason):
    assert reason in _REASONS or explain("", str(_status(reason)), reason).cause


def _status(reason):
    return apns.REASONS.get(reason) or fcm.REASONS[reason]


def test_every_way_of_being_left_out_has_its_words():
    assert set(LEFT_OUT.values()) <= set(SKIPPED)


def test_one_word_of_googles_is_told_by_its_status():
    token = explain("fcm", "unregistered", "INVALID_ARGUMENT")
    message = explain("fcm", "rejected", "INVALID_ARGUMENT")
    assert token.cause != message.cause
