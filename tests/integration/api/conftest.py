"""The API as its callers meet it: through the URLconf, with real keys and a real database."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.cache import cache
from rest_framework.test import APIClient

from django_push.models import (
    ApiKey,
    Application,
    ApplicationAccess,
    IdempotencyKey,
    Installation,
    Notification,
    PushBatch,
    PushHistory,
    Role,
    Subscription,
)

User = get_user_model()

TOKEN = "01c5b7eec38298164e2f0b3b1f2c5a7c9e0d1a2b3c4d5e6f708192a3b4c5d6e7"
"""What Apple issues: 32 bytes in hex."""


@pytest.fixture(autouse=True)
def at_home(settings):
    """Pushes go to a list in memory, and nobody was throttled before."""
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "locmem"}
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def other(db) -> Application:
    return Application.objects.register(None, "Opera", key="opera")


@pytest.fixture
def server_key(application) -> str:
    return ApiKey.objects.issue(application, ApiKey.Kind.SERVER, name="backend")[1]


@pytest.fixture
def client_key(application) -> str:
    return ApiKey.objects.issue(application, ApiKey.Kind.CLIENT)[1]


@pytest.fixture
def foreign_key(other) -> str:
    """A server key of another application."""
    return ApiKey.objects.issue(other, ApiKey.Kind.SERVER)[1]


def bearer(key: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


def basic(name: str, password: str) -> APIClient:
    client = APIClient()
    token = base64.b64encode(f"{name}:{password}".encode()).decode()
    client.credentials(HTTP_AUTHORIZATION=f"Basic {token}")
    return client


@pytest.fixture
def server(server_key) -> APIClient:
    return bearer(server_key)


@pytest.fixture
def phone(client_key) -> APIClient:
    return bearer(client_key)


@pytest.fixture
def staff(db) -> Callable[..., APIClient]:
    """A function that signs in a member of staff: permissions, and a role in an application."""

    def sign_in(
        *permissions: str, application: Application | None = None, role: Role = Role.MANAGER
    ) -> APIClient:
        user = User.objects.create_user(f"staff{User.objects.count()}", is_staff=True)
        found = Permission.objects.filter(
            content_type__app_label="django_push", codename__in=permissions
        )
        assert found.count() == len(permissions)
        user.user_permissions.set(found)
        if application is not None:
            ApplicationAccess.objects.create(application=application, user=user, role=role)
        client = APIClient()
        client.force_login(user)
        return client

    return sign_in


def rows() -> dict[str, int]:
    """How many rows there are of everything that a request could write."""
    models = (
        ApiKey,
        Application,
        IdempotencyKey,
        Installation,
        Notification,
        PushBatch,
        PushHistory,
        Subscription,
    )
    return {model.__name__: model.objects.count() for model in models}


def refused(response: Any, status: int, code: str, field: str | None = None) -> str:
    """Assert a refusal in the API's one shape; its sentence."""
    assert response["Content-Type"] == "application/json", response.content
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert set(body) == {"code", "message", "field"}
    assert field is None or body["field"] == field, body
    assert len(body["message"]) > 10
    return body["message"]
