"""The nights, as staff see them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from django_push.hygiene.nightly import clean_up
from django_push.models import CleanUp, Installation, Role

LIST = "admin:django_push_cleanup_changelist"


@pytest.fixture
def nights(application) -> dict[str, CleanUp]:
    """Last night's clean-up as it is done, one that is going on, and one that broke off."""
    long_ago = timezone.now() - timedelta(days=100)
    Installation.objects.register(application, device_type="ios", address="ab" * 32)
    Installation.objects.update(last_seen_at=long_ago)
    assert clean_up("worker-1")
    soon = timezone.now() + timedelta(minutes=5)
    return {
        "done": CleanUp.objects.get(),
        "going on": CleanUp.objects.create(night=date(2026, 1, 2), lease_until=soon),
        "broken off": CleanUp.objects.create(night=date(2026, 1, 1), owner="worker-2"),
    }


def test_each_night_says_what_became_of_it(root, nights):
    text = root.get(reverse(LIST)).content.decode()
    rows = text.split("<tbody")[1].split("</tr>")
    done, going_on, broken_off = rows[:3]
    assert ">Done<" in done
    assert "1 device" in done
    assert "0 devices" in done
    assert "0 pushes" in done
    assert ">Under way<" in going_on
    assert ">Interrupted<" in broken_off
    assert "device" not in broken_off.partition("field-switched_off")[2], "it is not known yet"


def test_a_nights_page_names_the_worker_and_changes_nothing(root, nights):
    page = reverse("admin:django_push_cleanup_change", args=[nights["done"].pk])
    text = root.get(page).content.decode()
    assert "worker-1" in text
    assert 'name="_save"' not in text
    assert root.post(page, {"owner": "me"}).status_code == 403


def test_who_works_with_some_applications_sees_no_sums_of_all(staff, as_user, application, nights):
    assert as_user(staff("everybody")).get(reverse(LIST)).status_code == 200
    some = as_user(staff("some", here=(application, Role.MANAGER)))
    assert some.get(reverse(LIST)).status_code == 403
    assert "Clean-ups" not in some.get(reverse("admin:index")).content.decode()
