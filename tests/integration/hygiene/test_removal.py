"""An application goes with everything; nothing of another one does."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_push.exceptions import NotAllowed
from django_push.hygiene import chunks, removal
from django_push.hygiene.removal import delete_application
from django_push.models import (
    AccessRestriction,
    ApiKey,
    Application,
    ApplicationAccess,
    Credential,
    DeliveryFailure,
    Installation,
    Notification,
    Owner,
    Purpose,
    PurposeChoice,
    PushBatch,
    PushHistory,
    Segment,
)
from django_push.submission import submit


def run(application: Application, **options) -> Counter[str]:
    done: Counter[str] = Counter()
    for _ in delete_application(application, done, **options):
        pass
    return done


def counts() -> dict[str, int]:
    models = apps.get_app_config("django_push").get_models()
    return {model.__name__: model._default_manager.count() for model in models}


@pytest.fixture
def fill(push, device):
    """A function that gives an application rows of every kind."""

    def fill(application: Application) -> None:
        ApiKey.objects.issue(application, ApiKey.Kind.SERVER)
        Credential.objects.create(application=application, provider="apns")
        Segment.objects.create(application=application, key="s", name="s", audience={})
        purpose = Purpose.objects.create(application=application, key="offers", name="Offers")
        for number in range(4):
            row = Installation.objects.register(
                application,
                device_type="ios",
                address=f"a{number}",
                channels=["news", "sport"],
                owner=Owner(user_key="ana", proved=True),
            )
            PurposeChoice.objects.create(purpose=purpose, installation=row, wanted=False)
        for key in ("one", "two"):
            message = Notification(
                application=application,
                content={"title": "Hi"},
                audience={"installations": [row.public_id]},
            )
            history = submit(message, idempotency_key=key)
            DeliveryFailure.objects.create(history=history, installation=row, provider="apns")
        Notification.objects.create(application=application)

    return fill


def test_everything_goes_and_only_of_this_one(fill, application, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 3)
    monkeypatch.setattr(removal, "CHUNK", 10)
    opera = Application.objects.register(None, "Opera", key="opera")
    fill(opera)
    before = counts()
    fill(application)
    assert counts()["PushHistory"] == 4
    done = run(application)
    assert done["Installation"] == 4
    assert done["Application"] == 1
    after = counts()
    assert after == {**before, "Application": before["Application"] - 1}
    assert not ApiKey.objects.exclude(application=opera).exists()


def test_nothing_new_is_sent_meanwhile(application, device, push):
    device("a1")
    later = submit(
        Notification(
            application=application,
            content={"title": "later"},
            audience={"everyone": True},
            send_at=timezone.now() + timedelta(days=1),
        )
    )
    _key, value = ApiKey.objects.issue(application, ApiKey.Kind.SERVER)
    steps = delete_application(application, Counter())
    next(steps)
    later.refresh_from_db()
    assert later.state == "cancelled"
    assert ApiKey.objects.find(value) is None


def test_it_waits_for_a_worker_that_is_sending(application, device):
    row = device("a1")
    history = submit(
        Notification(
            application=application,
            content={"title": "Hi"},
            audience={"installations": [row.public_id]},
        )
    )
    held = PushBatch.objects.filter(history=history)
    held.update(lease_owner="worker", lease_until=timezone.now() + timedelta(minutes=1))
    with pytest.raises(NotAllowed, match="Try again"):
        run(application, patience=0.1)
    assert Installation.objects.exists()
    held.update(lease_until=timezone.now() - timedelta(minutes=1))
    run(application, patience=0.1)
    assert not PushHistory.objects.exists()
    assert not Application.objects.exists()


def test_losing_the_last_access_opens_nothing(application):
    user = get_user_model()._default_manager.create_user("staff")
    ApplicationAccess.objects.create(application=application, user=user)
    Application.objects.register(None, "Opera", key="opera")
    run(application)
    assert AccessRestriction.objects.exists()


def test_the_command_asks(fill, application, capsys, monkeypatch):
    fill(application)
    call_command("push_delete_application", "hall", "--dry-run")
    assert "Concert Hall (hall): 2 DeliveryFailure, 4 Installation" in capsys.readouterr().out
    for said in ("y", "Hall", ""):
        monkeypatch.setattr("builtins.input", lambda said=said: said)
        with pytest.raises(CommandError, match="Nothing was deleted"):
            call_command("push_delete_application", "hall")
    with pytest.raises(CommandError, match="Known: hall"):
        call_command("push_delete_application", "opera", "--no-input")
    assert Installation.objects.count() == 4
    monkeypatch.setattr("builtins.input", lambda: "hall")
    call_command("push_delete_application", "hall")
    assert "1 Application" in capsys.readouterr().out
    assert not Application.objects.exists()


def test_without_anybody_at_the_terminal_nothing_is_deleted(application, monkeypatch):
    def nobody() -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    with pytest.raises(CommandError, match="Nothing was deleted"):
        call_command("push_delete_application", "hall")
    assert Application.objects.exists()
