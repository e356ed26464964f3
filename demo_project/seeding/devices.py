"""Thousands of made-up devices, in bulk.

The n-th device is always the same one, so that who asks for more gets the missing ones only.
Written in short transactions: SQLite has one writer, and a worker may be running.
"""

from __future__ import annotations

import hashlib
import random
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from django_push.conf import alias
from django_push.messages import Environment
from django_push.models import Application, Installation, Subscription
from django_push.models.registration import address_hash
from django_push.simulator.fates import PREFIX_LENGTH, PREFIXES

__all__ = ["make_devices"]

CHUNK = 1000
"""Devices in one transaction: some 0.2 s on SQLite."""
PEOPLE = 600

PLACES = (
    ("en-US", "America/New_York", 20),
    ("en-US", "America/Los_Angeles", 12),
    ("en-GB", "Europe/London", 10),
    ("de-DE", "Europe/Berlin", 10),
    ("fr-FR", "Europe/Paris", 8),
    ("es-ES", "Europe/Madrid", 6),
    ("es-MX", "America/Mexico_City", 6),
    ("pt-BR", "America/Sao_Paulo", 8),
    ("hi-IN", "Asia/Kolkata", 7),
    ("ja-JP", "Asia/Tokyo", 5),
    ("zh-Hant-TW", "Asia/Taipei", 2),
    ("ar-EG", "Africa/Cairo", 3),
    ("", "", 3),  # an app that does not tell
)
"""Locale, time zone, and how many of a hundred devices live there."""

CHANNELS = (("news", 0.7), ("offers", 0.45), ("sport", 0.3), ("weather", 0.2), ("beta", 0.03))
"""Channel, and the share of devices that is in it."""

TROUBLE = (("dead", 0.01), ("bad0", 0.002), ("510e", 0.001), ("90a1", 0.0005))
"""What the simulator does with a token that begins so (``django_push.simulator.fates``), and the
share of devices. Not among them: "429…" and "503…", which never give in, so that no broadcast
would be done before its last retry, minutes later."""

_FIRST = (
    "Ada Amir Bea Ben Chloé Dan Eva Emre Fay Finn Gita Hugo Ida Ivan Jana Jun Kai Lea Luis Maya "
    "Milo Nina Omar Pia Quinn Rosa Sami Tara Uma Vera Wim Xenia Yara Yusuf Zane"
).split()
_LAST = (
    "Adler Baker Costa Diaz Evans Fischer García Haas Ito Jansen Kim Lopez Meyer Novak Okafor "
    "Petit Quist Rossi Silva Tanaka Usman Vogel Wang Young Zhou"
).split()


def make_devices(application: Application, count: int) -> int:
    """Make the first ``count`` devices as far as they are missing; the answer is how many."""
    people = _make_people()
    made = 0
    for start in range(0, count, CHUNK):
        numbers = range(start, min(start + CHUNK, count))
        made += _make_chunk(application, [_device(application, n, people) for n in numbers])
    return made


def _make_people() -> list[Any]:
    """Primary keys of the users to whom devices belong. They cannot log in."""
    users = get_user_model()
    names = [f"person{n:04d}" for n in range(PEOPLE)]
    known = set(
        users._default_manager.filter(username__in=names).values_list("username", flat=True)
    )
    password = make_password(None)
    missing = [
        users(
            username=name,
            password=password,
            first_name=_FIRST[n % len(_FIRST)],
            last_name=_LAST[n * 7 % len(_LAST)],
        )
        for n, name in enumerate(names)
        if name not in known
    ]
    users._default_manager.bulk_create(missing)
    found = users._default_manager.filter(username__in=names).order_by("username")
    return list(found.values_list("pk", flat=True))


def _make_chunk(application: Application, devices: list[tuple[Installation, list[str]]]) -> int:
    hashes = [device.address_hash for device, _channels in devices]
    mine = Installation.objects.filter(application=application, address_hash__in=hashes)
    known = set(mine.values_list("address_hash", flat=True))
    missing = [pair for pair in devices if pair[0].address_hash not in known]
    with transaction.atomic(using=alias()):
        Installation.objects.bulk_create([device for device, _channels in missing])
        # Not every database tells the keys of rows that were inserted together.
        ids = [device.public_id for device, _channels in missing]
        keys = dict(Installation.objects.filter(public_id__in=ids).values_list("public_id", "pk"))
        Subscription.objects.bulk_create(
            Subscription(
                application=application, channel=channel, installation_id=keys[device.public_id]
            )
            for device, channels in missing
            for channel in channels
        )
    return len(missing)


def _device(
    application: Application, number: int, people: list[Any]
) -> tuple[Installation, list[str]]:
    chance = random.Random(f"device {number}")
    is_apple = chance.random() < 0.55
    address = _address(number, chance, is_apple)
    locale, time_zone = _place(chance)
    device = Installation(
        application=application,
        device_type="ios" if is_apple else "android",
        provider="apns" if is_apple else "fcm",
        address=address,
        address_hash=address_hash(address),
        environment=_environment(chance, address, is_apple),
        locale=locale,
        time_zone=time_zone,
        app_identifier="com.example.demo",
        app_version=chance.choice(("2.9.4", "3.0.0", "3.1.2", "3.2.0", "3.2.0")),
        badge=chance.choice((0, 0, 0, 1, 2, 5)),
        attributes={"plan": chance.choice(("free", "free", "pro")), "level": chance.randint(1, 40)},
        **_owner(chance, people),
        **_life(chance, timezone.now()),
    )
    return device, [name for name, share in CHANNELS if chance.random() < share]


def _address(number: int, chance: random.Random, is_apple: bool) -> str:
    digest = hashlib.sha256(f"device {number}".encode()).hexdigest()
    if digest[:PREFIX_LENGTH] in PREFIXES:
        digest = f"0000{digest[PREFIX_LENGTH:]}"
    lot = chance.random()
    for prefix, share in TROUBLE:
        if lot < share:
            digest = prefix + digest[PREFIX_LENGTH:]
            break
        lot -= share
    return digest if is_apple else f"{digest[:22]}:APA91b{digest}{digest[::-1]}"


def _place(chance: random.Random) -> tuple[str, str]:
    locale, time_zone, _weight = chance.choices(PLACES, [weight for *_, weight in PLACES])[0]
    return locale, time_zone


def _environment(chance: random.Random, address: str, is_apple: bool) -> Environment:
    if not is_apple:
        return Environment.PRODUCTION
    lot = chance.random()
    if lot < 0.02:
        return Environment.SANDBOX
    return Environment.UNKNOWN if lot < 0.05 else Environment.PRODUCTION


def _owner(chance: random.Random, people: list[Any]) -> dict[str, Any]:
    """Half of the devices nobody logged in on; some say whose they are without proof."""
    lot = chance.random()
    if lot < 0.45:
        person = chance.choice(people)
        return {"user_id": person, "user_key": str(person), "user_verified": True}
    if lot < 0.5:
        return {"user_key": f"guest-{chance.randint(1, 400)}"}
    return {}


def _life(chance: random.Random, now: datetime) -> dict[str, Any]:
    # Seen days ago, all of them: Apple's word that a device is gone counts only if it is newer.
    seen = now - timedelta(days=1 + chance.expovariate(1 / 20), seconds=chance.randint(0, 86_400))
    made = seen - timedelta(days=chance.expovariate(1 / 200))
    life: dict[str, Any] = {
        "created_at": made,
        "registered_at": made,
        "bound_at": made,
        "last_seen_at": seen,
    }
    if chance.random() < 0.02:
        reasons = Installation.Reason
        reason = chance.choice((reasons.UNREGISTERED, reasons.DEAD, reasons.STALE))
        life |= {"is_active": False, "inactive_reason": reason.value, "inactive_since": now}
    return life
