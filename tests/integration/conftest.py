"""What integration tests share: an application, devices, and pushes delivered at home."""

from __future__ import annotations

import pytest

from django_push.clock import DatabaseClock, clock
from django_push.conf import alias
from django_push.models import Application, Credential, Installation
from django_push.worker import Worker
from tests.support.moving_clock import moving_clock
from tests.support.scripted import script

__all__ = ["moving_clock"]


@pytest.fixture
def application(db) -> Application:
    return Application.objects.register(None, "Concert Hall", key="hall")


@pytest.fixture
def device(application):
    """A function that registers a device of the application, as somebody's (``user_key``)."""

    def register(
        address: str,
        device_type: str = "ios",
        *,
        user_key: str = "",
        user_verified: bool = False,
        **details,
    ) -> Installation:
        found = Installation.objects.register(
            application, device_type=device_type, address=address, **details
        )
        if user_key:
            whose = {"user_key": user_key, "user_verified": user_verified}
            Installation.objects.filter(pk=found.pk).update(**whose)
            found.refresh_from_db()
        return found

    return register


@pytest.fixture
def scripted(request, settings, application):
    """The provider whose answers a test writes, with a credential; and the module's own
    ``PUSH_SETTINGS``."""
    settings.DJANGO_PUSH = {
        **settings.DJANGO_PUSH,
        "PROVIDERS": {"scripted": "tests.support.scripted.ScriptedProvider"},
        **getattr(request.module, "PUSH_SETTINGS", {}),
    }
    script.reset()
    Credential.objects.create(application=application, provider="scripted", name="main")
    yield
    script.reset()


@pytest.fixture
def worker():
    worker = Worker(listen=False)
    yield worker
    worker.close()


@pytest.fixture
def steady_clock(db, monkeypatch):
    """The database's clock is not asked meanwhile: its statement would be counted with others."""
    clock(alias()).now()
    monkeypatch.setattr(DatabaseClock, "every", float("inf"))
