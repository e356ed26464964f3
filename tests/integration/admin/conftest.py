"""What the console's tests share: staff with and without rights, and applications full of rows."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import Client

from django_push import crypto
from django_push.models import (
    ApiKey,
    Application,
    ApplicationAccess,
    CleanUp,
    Credential,
    DeliveryFailure,
    IdempotencyKey,
    Installation,
    Notification,
    Owner,
    PushBatch,
    PushHistory,
    Role,
    Segment,
)
from django_push.submission import submit

EDITOR = ("view_application", "view_credential", "add_notification", "change_notification")
EDITOR += ("view_notification", "view_pushhistory", "view_deliveryfailure")
SENDER = (*EDITOR, "send_notification", "view_installation")


@pytest.fixture(autouse=True)
def at_home(settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "locmem", "CONFIRM_ABOVE": 5000}
    cache.clear()


@pytest.fixture
def staff(db):
    """A function that makes a staff member: with all of our permissions, or only ``codenames``."""

    def make(name: str, *codenames: str, **roles: tuple[Application, Role]) -> Any:
        user = get_user_model()._default_manager.create_user(name, password=name)
        user.is_staff = True
        user.save()
        ours = Permission.objects.filter(content_type__app_label="django_push")
        user.user_permissions.set(ours.filter(codename__in=codenames) if codenames else ours)
        for application, role in roles.values():
            ApplicationAccess.objects.create(application=application, user=user, role=role)
        return user

    return make


@pytest.fixture
def as_user():
    """A function that gives a client in which somebody is logged in."""

    def log_in(user: Any) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def root(db) -> Client:
    user = get_user_model()._default_manager.create_superuser("root", password="root")
    client = Client()
    client.force_login(user)
    return client


def fill(application: Application, mark: str) -> dict[type, Any]:
    """One row of every model in ``application``; ``mark`` stands in every text that is shown."""
    key, _value = ApiKey.objects.issue(application, "client", name=f"{mark} key")
    credential = Credential.objects.create(
        application=application,
        provider="apns",
        name=f"{mark} credential",
        topic=f"com.{mark}",
        sealed=crypto.seal("{}"),
    )
    device = Installation.objects.register(
        application,
        device_type="ios",
        address=re.sub(r"\W", "", mark) + "token0",
        owner=Owner(user_key=f"{mark}-user", proved=True),
        channels=[f"{mark}-channel"],
        app_version=mark,
    )
    draft = Notification.objects.create(
        application=application,
        name=f"{mark} draft",
        content={"title": f"{mark} title", "body": mark},
        audience={"everyone": True},
    )
    sent = Notification(
        application=application,
        name=f"{mark} sent",
        content={"title": mark},
        audience={"installations": [device.public_id]},
    )
    history = submit(sent, idempotency_key=f"{mark}-once", by=mark)
    failure = DeliveryFailure.objects.create(
        history=history,
        installation=device,
        credential=credential,
        provider="apns",
        status="failed",
        reason=f"{mark}Reason",
    )
    access = ApplicationAccess.objects.filter(application=application).first()
    segment = Segment.objects.create(
        application=application,
        key=f"{mark}-segment".lower(),
        name=f"{mark} segment",
        audience={"channels": [f"{mark}-channel"]},
    )
    rows = [application, key, credential, device, draft, segment, history, failure]
    rows += [history.batches.get(), IdempotencyKey.objects.get(application=application)]
    assert isinstance(rows[-2], PushBatch)
    assert isinstance(history, PushHistory)
    return {type(row): row for row in [*rows, *([access] if access else [])]}


@pytest.fixture
def hall(application) -> dict[type, Any]:
    application.name = "HALLMARK"
    application.save()
    night = CleanUp.objects.create(night=date(2026, 11, 1), owner="HALLMARK")
    return {**fill(application, "HALLMARK"), CleanUp: night}


@pytest.fixture
def store(db) -> Application:
    return Application.objects.register(None, "Store", key="store")
