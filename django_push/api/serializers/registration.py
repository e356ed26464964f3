"""Bodies of ``register-device`` and ``unregister-device``: Kinvey's, and more of our own."""

# ruff: noqa: N815 (the names on the wire are Kinvey's)

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from ...messages import Environment
from ..fields import Channels, Choice, JSONObject, StrictSerializer, Text, UserId

__all__ = ["DetailsSerializer", "RegistrationSerializer", "UnregistrationSerializer"]


class UnregistrationSerializer(StrictSerializer):
    ignored = frozenset({"framework", "service"})  # Kinvey's SDKs send them

    platform = Text(help_text="ios, android, macos, web, …")
    deviceId = Text(
        source="address", max_length=4096, help_text="What Apple or Google issued to the app."
    )
    userId = UserId(
        source="user_id",
        required=False,
        allow_blank=True,
        help_text="Whose device it is: required with a server key; with a client key it is only "
        "a claim; with user credentials leave it out.",
    )


class RegistrationSerializer(UnregistrationSerializer):
    channels = Channels(
        required=False, help_text="The device's channels from now on; left out: unchanged."
    )
    locale = Text(required=False, max_length=35, allow_blank=True)
    timeZone = Text(source="time_zone", required=False, max_length=64, allow_blank=True)
    appIdentifier = Text(
        source="app_identifier",
        required=False,
        allow_blank=True,
        help_text="Bundle id or package name.",
    )
    appVersion = Text(source="app_version", required=False, max_length=64, allow_blank=True)
    environment = Choice(required=False, choices=[kind.value for kind in Environment])
    installationId = Text(
        source="installation_id",
        required=False,
        help_text="The app's own id of itself, such as a UUID made at its first start.",
    )
    deviceProfile = Text(source="device_profile", required=False, allow_blank=True)
    attributes = JSONObject(required=False, help_text="Replaces what was there before.")


class DetailsSerializer(StrictSerializer):
    """What a server key or staff may set of a device, in Python's spelling."""

    channels = Channels(required=False, help_text="Replaces all channels.")
    attributes = JSONObject(required=False, help_text="Replaces all attributes.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError(
                _("Nothing to change: give channels or attributes."), code="missing_field"
            )
        return attrs
