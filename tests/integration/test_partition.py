"""The rule that chooses a credential is one rule, in SQL and in Python."""

from __future__ import annotations

import random

import pytest

from django_push.delivery.partition import (
    Traits,
    choose,
    kinds_of,
    part_for,
    parts_of,
    rows_of,
    sorted_credentials,
)
from django_push.models import Application, Credential, Installation

pytestmark = pytest.mark.django_db

TOPICS = ["", "com.a", "com.b"]
NAMES = ["", "red", "blue"]
ENVIRONMENTS = ["production", "sandbox"]


def credentials(application: Application, rng: random.Random) -> None:
    Credential.objects.all().delete()
    for _ in range(rng.randint(0, 4)):
        Credential.objects.create(
            application=application,
            provider=rng.choice(["apns", "fcm", "apns"]),
            name=rng.choice(NAMES),
            topic=rng.choice(TOPICS),
            environment=rng.choice(ENVIRONMENTS),
            is_active=rng.random() > 0.1,
        )


@pytest.fixture
def crowd(application) -> Application:
    rng = random.Random(7)
    Installation.objects.bulk_create(
        Installation(
            application=application,
            device_type=kind,
            provider=provider,
            address=str(n),
            address_hash=f"{n:064x}",
            environment=rng.choice([*ENVIRONMENTS, "unknown"]),
            app_identifier=rng.choice(TOPICS),
            device_profile=rng.choice(NAMES),
        )
        for n, (kind, provider) in enumerate(
            rng.choice([("ios", "apns"), ("macos", "apns"), ("android", "fcm"), ("web", "webpush")])
            for _ in range(200)
        )
    )
    return application


@pytest.mark.parametrize("seed", range(25))
def test_every_device_is_in_exactly_one_part_and_both_rules_agree(crowd, seed):
    credentials(crowd, random.Random(seed))
    candidates = sorted_credentials(crowd)
    columns = ("pk", "device_type", *Traits._fields)
    expected = {
        pk: part_for(candidates, kind, Traits(*traits))
        for pk, kind, *traits in Installation.objects.values_list(*columns)
    }
    found: dict[int, object] = {}
    for part in parts_of(crowd, candidates, kinds_of(crowd, "default")):
        for pk in rows_of(Installation.objects.all(), part, candidates).values_list(
            "pk", flat=True
        ):
            assert pk not in found, "in two parts"
            found[pk] = part
    assert found == expected


def test_the_order_of_preference(application):
    def credential(**given):
        return Credential.objects.create(application=application, provider="apns", **given).pk

    sandbox = credential(environment="sandbox")
    production = credential()
    red = credential(name="red")
    exact = credential(topic="com.a", name="blue")
    candidates = sorted_credentials(application)

    def chosen(environment="unknown", app="", profile=""):
        found = choose(candidates, Traits("apns", environment, app, profile))
        return found and found.pk

    assert chosen() == production
    assert chosen(environment="sandbox") == sandbox
    assert chosen(profile="red") == red
    assert chosen(app="com.a", profile="red") == exact
    assert chosen(app="com.b", profile="blue") == production
    assert choose(candidates, Traits("fcm", "production", "", "")) is None
