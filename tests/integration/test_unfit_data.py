"""What not every database holds is refused by name, whoever says it in Python: no row, no 500."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from django_push.exceptions import InvalidPush, InvalidRegistration
from django_push.models import Credential, Installation, Notification, Owner
from django_push.people import erase_user
from django_push.submission import compose, push, submit_many

pytestmark = pytest.mark.django_db

HALF, NUL = "\ud800", "a\x00"
NAN, INFINITE = float("nan"), float("inf")
UNFIT = [
    *({"x": NAN}, {"x": [INFINITE]}, {"x": ({"y": NAN},)}, {"x": 10**400}, {"x": 2**64}),
    *({"x": HALF}, {HALF: 1}, {"x": NUL}, {NUL: 1}, {1: 2}, {"x": {1, 2}}),
]
REGISTRATIONS = [
    *({"attributes": each} for each in UNFIT),
    *({name: HALF} for name in ("locale", "time_zone", "app_version", "installation_id")),
    *({"latitude": NAN}, {"longitude": "inf"}, {"badge": INFINITE}),
    *({"address": HALF}, {"address": NUL, "device_type": "web"}, {"previous_address": HALF}),
    *({"provider": HALF}, {"provider": NUL}, {"provider": "p" * 33}),
    *({"channels": [HALF]}, {"channels": [NUL]}),
    *({"owner": Owner(user_key=key, proved=True)} for key in (HALF, NUL, "u" * 192)),
]
MESSAGES = [
    *({"data": each} for each in UNFIT),
    *({"variables": each} for each in UNFIT),
    *({"data": {"x": each}} for each in (datetime.now(UTC), uuid.uuid4(), object())),
    *({name: HALF} for name in ("title", "name", "by", "source", "purpose", "idempotency_key")),
    *({name: NUL} for name in ("title", "name", "by", "source", "purpose", "idempotency_key")),
    *({name: "n" * 192} for name in ("name", "by", "source", "idempotency_key")),
    *({"audience": {name: [HALF]}} for name in ("users", "channels", "installations")),
    {"audience": {"where": {"x": HALF}}},
]


@pytest.mark.parametrize("said", REGISTRATIONS, ids=ascii)
def test_registering(application, said):
    device = {"device_type": "ios", "address": "a" * 64, **said}
    with pytest.raises(InvalidRegistration) as caught:
        Installation.objects.register(application, **device)
    assert caught.value.field
    good = {"device_type": "ios", "address": "b" * 64}
    fates = Installation.objects.register_many(application, [device, good])
    assert [each.fate for each in fates] == ["refused", "created"]


@pytest.mark.parametrize("attributes", UNFIT, ids=ascii)
def test_changing(device, attributes):
    row = device("a" * 64, attributes={"kept": 1})
    with pytest.raises(InvalidRegistration):
        row.change(attributes=attributes)
    row.refresh_from_db()
    assert row.attributes == {"kept": 1}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"data": {"x": NAN}}, "data"),
        ({"data": {NUL: 1}}, "data"),
        ({"variables": {"name": HALF}}, "variables.name"),
        ({"variables": {HALF: 1}}, "variables"),
        ({"audience": {"lookups": {"user__pk": NAN}}}, "audience.lookups"),
        ({"title": HALF}, "title"),
    ],
)
def test_what_of_a_push_does_not_fit_is_named(application, said, field):
    with pytest.raises(InvalidPush) as caught:
        push(application, **{"audience": {"everyone": True}, "title": "Hi", **said})
    assert caught.value.field == field


@pytest.mark.parametrize("said", MESSAGES, ids=ascii)
def test_pushing(application, device, said):
    Credential.objects.create(application=application, provider="locmem", name="main")
    device("a" * 64)
    message = {"audience": {"everyone": True}, "title": "Hi", **said}
    with pytest.raises(InvalidPush):
        push(application, **message)
    outer = {"by": message.pop("by", ""), "source": message.get("source", "")}
    keys = [message.pop("idempotency_key", "")]
    with pytest.raises(InvalidPush):
        submit_many([compose(application, **message)], idempotency_keys=keys, **outer)
    assert not Notification.objects.exists()


def test_erasing():
    with pytest.raises(InvalidRegistration):
        erase_user(HALF)
