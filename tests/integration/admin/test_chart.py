"""Devices per second: what the picture shows is what the table says, and adds up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from django_push.admin.chart import MOST_SLOTS, Chart
from django_push.models import PushBatch
from django_push.submission import push


@pytest.fixture
def began():
    return timezone.now().replace(microsecond=0) - timedelta(hours=1)


@pytest.fixture
def history(application, device, began):
    device("a" * 64)
    history = push(application, audience={"everyone": True}, title="Half price")
    history.batches.all().delete()
    history.started_at = began
    history.save()
    return history


def settle(history, at, accepted, not_reached=0):
    seq = history.batches.count()
    now = timezone.now()
    PushBatch.objects.create(
        history=history,
        seq=seq,
        provider="apns",
        device_type="ios",
        ids=b"",
        outcomes=b"",
        size=accepted + not_reached,
        first_id=1,
        last_id=1,
        not_before=now,
        turn_at=now,
        settled_at=at,
        devices=accepted + not_reached,
        successes=accepted,
        failures=not_reached,
    )


def page_of(client, history) -> str:
    page = reverse("admin:django_push_pushhistory_change", args=[history.pk])
    return client.get(page).content.decode()


def test_it_adds_up_and_the_busiest_second_is_the_tallest(root, history, began):
    settle(history, began + timedelta(seconds=1), 3000, 20)
    settle(history, began + timedelta(seconds=1, microseconds=700), 1000)
    settle(history, began + timedelta(seconds=4), 500, 500)
    chart = Chart.of(history)
    assert [(slot.accepted, slot.not_reached) for slot in chart.slots] == [
        (0, 0),
        (4000, 20),
        (0, 0),
        (0, 0),
        (500, 500),
    ]
    assert chart.slots[1].accepted_height + chart.slots[1].not_reached_height == pytest.approx(100)
    assert chart.slots[1].not_reached_y == pytest.approx(0, abs=0.01)
    page = page_of(root, history)
    assert "Devices per second" in page
    assert "at most 4,020 a second" in page
    assert page[page.index("As a table") :].partition("</table>")[0].count("</tr>") == 6
    assert "style=" not in page[page.index("push-chart") : page.index("</svg>")]


def test_a_long_push_is_shown_in_at_most_sixty_spans(history, began):
    for minute in range(0, 121, 10):
        settle(history, began + timedelta(minutes=minute), 6000)
    chart = Chart.of(history)
    assert len(chart.slots) <= MOST_SLOTS
    assert sum(slot.accepted for slot in chart.slots) == 13 * 6000
    assert all(slot.x + slot.width <= 1000 for slot in chart.slots)


@pytest.mark.parametrize("seconds", [None, 0, 1])
def test_what_is_over_at_once_has_no_picture(root, history, began, seconds):
    if seconds is not None:
        settle(history, began + timedelta(seconds=seconds), 10)
    assert "Devices per second" not in page_of(root, history)


def test_a_push_with_nobody_reached_is_drawn_too(root, history, began):
    for second in range(4):
        settle(history, began + timedelta(seconds=second), 0, 7)
    assert "at most 7 a second" in page_of(root, history)
