"""What the demo's pushes are about, and who wants none of it."""

from __future__ import annotations

from django.db import transaction

from django_push.conf import alias
from django_push.models import Application, Installation, Purpose, PurposeChoice

__all__ = ["make_purposes"]

PURPOSES = (("offers", "Offers", False), ("orders", "Order updates", True))
"""Key, name, and whether it is transactional: that one nobody can switch off."""
REFUSERS = "0"
"""Devices whose hash begins so, one of sixteen, have said no to the first purpose."""
REFUSING_PEOPLE = "00"
"""Of one in sixteen of those it was the user, for all of the user's devices."""


def make_purposes(application: Application) -> None:
    """Declare the purposes. Choices are made for those devices that there are the first time."""
    for key, name, transactional in PURPOSES:
        with transaction.atomic(using=alias()):
            purpose, is_new = Purpose.objects.get_or_create(
                application=application,
                key=key,
                defaults={"name": name, "transactional": transactional},
            )
            if is_new and not transactional:
                _refuse(purpose)


def _refuse(purpose: Purpose) -> None:
    """A no of each refuser: the user's, for all devices, or the device's."""
    devices = Installation.objects.filter(
        application=purpose.application, address_hash__startswith=REFUSERS
    )
    said: list[PurposeChoice] = []
    users: set[str] = set()
    for device in devices:
        if device.user_verified and (device.address_hash or "").startswith(REFUSING_PEOPLE):
            users.add(device.user_key)
        else:
            said.append(PurposeChoice(purpose=purpose, installation=device, wanted=False))
    said += [PurposeChoice(purpose=purpose, user_key=user, wanted=False) for user in users]
    PurposeChoice.objects.bulk_create(said, batch_size=1000)
