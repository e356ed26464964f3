"""The dozen phones of ``/phones/``: ordinary devices in the channel of that name."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from django.contrib.auth import get_user_model

from django_push.messages import Environment
from django_push.models import Application, Installation, Owner

__all__ = ["CHANNEL", "make_phones"]

CHANNEL = "phones"
"""Who subscribes a device to it sees that device on the page too."""


class Phone(NamedTuple):
    owner: str
    name: str
    device_type: str
    model: str
    locale: str
    time_zone: str


PHONES = (
    Phone("ana", "Ana’s iPhone", "ios", "iPhone 17 Pro", "pt-PT", "Europe/Lisbon"),
    Phone("priya", "Priya’s Pixel", "android", "Pixel 10", "en-IN", "Asia/Kolkata"),
    Phone("jonas", "Jonas’ iPhone", "ios", "iPhone 16", "de-DE", "Europe/Berlin"),
    Phone("carlos", "Carlos’ Galaxy", "android", "Galaxy S25", "es-MX", "America/Mexico_City"),
    Phone("mei", "Mei’s iPhone", "ios", "iPhone Air", "zh-Hant-TW", "Asia/Taipei"),
    Phone("noah", "Noah’s Pixel", "android", "Pixel 9a", "en-US", "America/New_York"),
    Phone("haruto", "Haruto’s iPhone", "ios", "iPhone 15", "ja-JP", "Asia/Tokyo"),
    Phone("amina", "Amina’s Galaxy", "android", "Galaxy A56", "fr-MA", "Africa/Casablanca"),
    Phone("liam", "Liam’s iPhone", "ios", "iPhone SE", "en-IE", "Europe/Dublin"),
    Phone("zoe", "Zoë’s Fairphone", "android", "Fairphone 6", "nl-NL", "Europe/Amsterdam"),
    Phone("camille", "Camille’s iPhone", "ios", "iPhone 16e", "fr-FR", "Europe/Paris"),
    Phone("lucas", "Lucas’ Moto", "android", "Moto G", "pt-BR", "America/Sao_Paulo"),
)


def make_phones(application: Application) -> None:
    """Register the phones as their apps would, each by a user whom the server has proved."""
    users = get_user_model()._default_manager
    for phone in PHONES:
        user = users.filter(username=phone.owner).first()
        if user is None:
            user = users.create_user(phone.owner)
        Installation.objects.register(
            application,
            device_type=phone.device_type,
            address=_address(phone),
            owner=Owner(user),
            channels=[CHANNEL, "news"],
            locale=phone.locale,
            time_zone=phone.time_zone,
            environment=Environment.PRODUCTION.value,
            app_identifier="com.example.demo",
            app_version="3.2.0",
            attributes={"name": phone.name, "model": phone.model, "plan": "pro"},
        )


def _address(phone: Phone) -> str:
    """A token that begins with no prefix that means trouble to the simulator."""
    digest = hashlib.sha256(phone.name.encode()).hexdigest()
    if phone.device_type == "ios":
        return f"face{digest[4:]}"
    return f"phone-{digest[:16]}:APA91b{digest}{digest[::-1]}"
