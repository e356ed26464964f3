"""Devices of long ago, and pushes of long ago."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_push.models import Installation, Notification, PushHistory
from django_push.submission import submit
from django_push.testing import deliver_pushes


def days_ago(days: float):
    return timezone.now() - timedelta(days=days)


@pytest.fixture(autouse=True)
def at_home(settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "locmem"}


@pytest.fixture
def seen(device):
    """A function that registers a device which was last seen so many days ago."""

    def register(address: str, days: float, **changes) -> Installation:
        details = {key: changes.pop(key) for key in ("channels", "owner") if key in changes}
        row = device(address, **details)
        Installation.objects.filter(pk=row.pk).update(last_seen_at=days_ago(days), **changes)
        row.refresh_from_db()
        return row

    return register


@pytest.fixture
def push(application):
    """A function that sends a push now; it ended so many days ago."""

    def send(days: float = 0, audience=None, key: str = "", **content) -> PushHistory:
        message = Notification(
            application=application,
            content=content or {"title": "Doors open"},
            audience=audience or {"everyone": True},
        )
        with deliver_pushes():
            history = submit(message, idempotency_key=key)
        PushHistory.objects.filter(pk=history.pk).update(finished_at=days_ago(days))
        history.refresh_from_db()
        return history

    return send
