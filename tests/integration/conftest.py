"""What integration tests share: an application, devices, and pushes delivered at home."""

from __future__ import annotations

import pytest

from django_push.models import Application, Installation


@pytest.fixture
def application(db) -> Application:
    return Application.objects.register(None, "Concert Hall", key="hall")


@pytest.fixture
def device(application):
    """A function that registers a device of the application."""

    def register(address: str, device_type: str = "ios", **details) -> Installation:
        return Installation.objects.register(
            application, device_type=device_type, address=address, **details
        )

    return register
