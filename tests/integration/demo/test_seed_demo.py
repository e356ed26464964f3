"""``manage.py seed_demo``: everything once, however often it is called."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import CommandError, call_command

from django_push.admin.segment_form import rules_of
from django_push.counting import count, count_segment
from django_push.models import (
    ApiKey,
    Application,
    Credential,
    Installation,
    Notification,
    Purpose,
    PurposeChoice,
    Segment,
    Subscription,
)
from django_push.simulator.fates import PREFIX_LENGTH, PREFIXES

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def state(settings, tmp_path):
    settings.SIMULATOR_STATE = tmp_path / "simulator"


def seed(count: int = 40, **options) -> Application:
    call_command("seed_demo", installations=count, **options)
    return Application.objects.get(key="demo")


def rows() -> Counter:
    models = (ApiKey, Application, Credential, Installation, Notification, Segment, Subscription)
    models += (Purpose, PurposeChoice)
    users = get_user_model()
    return Counter({model.__name__: model.objects.count() for model in (*models, users)})


def test_twice_is_once():
    seed()
    before = rows()
    seed()
    assert rows() == before
    assert before["Installation"] == 40 + 12


def test_more_devices_are_added_to_those_there_are():
    application = seed(20)
    first = set(application.installations.values_list("public_id", flat=True))
    seed(50)
    assert application.installations.count() == 50 + 12
    assert first < set(application.installations.values_list("public_id", flat=True))


def test_the_fixed_values_work():
    application = seed(0)
    assert application.key == "demo"
    for name in ("admin", "editor", "sender"):
        assert authenticate(username=name, password=name).is_staff
    for value, is_server in (
        ("demo-client-key", False),
        ("demo-server-key", True),
        ("demo-auth-token", True),
    ):
        key = ApiKey.objects.find(value)
        assert (key.application, key.is_server) == (application, is_server)


def test_the_editor_composes_and_does_not_send():
    seed(0)
    users = get_user_model()._default_manager
    editor, sender = users.get(username="editor"), users.get(username="sender")
    for user in (editor, sender):
        assert user.has_perms(["django_push.add_notification", "django_push.view_pushhistory"])
        assert not user.has_perm("django_push.change_credential")
    assert not editor.has_perm("django_push.send_notification")
    assert sender.has_perm("django_push.send_notification")


def test_devices_differ_and_some_are_in_trouble():
    application = seed(1000)
    devices = list(application.installations.exclude(subscriptions__channel="phones"))
    assert {device.device_type for device in devices} == {"ios", "android"}
    assert len({device.time_zone for device in devices}) > 8
    assert len({device.locale for device in devices}) > 8
    assert {device.environment for device in devices} == {"production", "sandbox", "unknown"}
    assert len(set(Subscription.objects.values_list("channel", flat=True))) == 6
    fates = Counter(device.address[:PREFIX_LENGTH] for device in devices)
    assert 3 <= fates["dead"] <= 30
    assert fates["bad0"] >= 1
    # These would be tried again for minutes, and no broadcast would be done before.
    assert not {"4290", "5030"} & fates.keys()
    owned = [device for device in devices if device.user_id]
    assert all(device.user_key == str(device.user_id) for device in owned)
    assert {device.user_verified for device in devices if device.user_key} == {True, False}


def test_no_phone_on_the_page_is_in_trouble():
    application = seed(0)
    phones = application.installations.filter(subscriptions__channel="phones")
    assert phones.count() == 12
    assert not {phone.address[:PREFIX_LENGTH] for phone in phones} & PREFIXES.keys()


def test_credentials_follow_a_simulator_with_new_keys(settings):
    application = seed(0)
    before = {row.name: row.account().secret for row in application.credentials.all()}
    assert len(before) == 3
    shutil.rmtree(settings.SIMULATOR_STATE)
    seed(0, once=True)
    after = {row.name: row.account() for row in application.credentials.all()}
    assert after.keys() == before.keys()
    assert all(after[name].secret != secret for name, secret in before.items())
    assert application.credentials.usable().count() == 3


def test_once_leaves_alone_what_people_changed():
    application = seed(5)
    application.installations.all().delete()
    ApiKey.objects.find("demo-client-key").revoke()
    seed(5, once=True)
    assert not application.installations.exists()
    seed(5)
    assert application.installations.count() == 5 + 12
    assert ApiKey.objects.find("demo-client-key") is None


def test_a_negative_number_is_refused():
    with pytest.raises(CommandError, match="0 or more"):
        seed(-1)
    assert not Application.objects.exists()


def test_there_are_segments_with_devices_that_the_form_shows():
    application = seed(300)
    for segment in application.segments.all():
        assert rules_of(segment.audience) is not None
        assert segment.devices == count_segment(segment).devices > 0


def test_some_want_no_offers_and_all_get_what_they_ordered():
    application = seed(1000)
    audience = {"everyone": True}
    everyone = count(application, audience)
    offers, orders = (
        count(
            application,
            audience,
            notification=Notification(application=application, purpose=purpose.key),
        )
        for purpose in application.purposes.order_by("key")
    )
    assert 0 < offers.devices < everyone.devices
    assert orders.devices == everyone.devices
    choices = PurposeChoice.objects.all()
    assert {choice.installation_id is None for choice in choices} == {True, False}
    phones = application.installations.filter(subscriptions__channel="phones")
    assert not choices.filter(installation__in=phones).exists()


def test_a_choice_that_was_taken_back_does_not_return():
    seed(300)
    PurposeChoice.objects.all().delete()
    seed(320)
    assert not PurposeChoice.objects.exists()
