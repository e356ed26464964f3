"""Bodies of ``register-device`` and ``unregister-device``: Kinvey's, and more of our own."""

# ruff: noqa: N815 (the names on the wire are Kinvey's)

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from ...messages import Environment
from ...models import Installation
from ..fields import Channels, Choice, Flag, JSONObject, StrictSerializer, Text, UserId, Whole

__all__ = [
    "FIREBASE",
    "DetailsSerializer",
    "OneChangeSerializer",
    "OpenedSerializer",
    "OwnDetailsSerializer",
    "OwnDeviceSerializer",
    "RegistrationSerializer",
    "UnregistrationSerializer",
]


FIREBASE = "firebase"
"""What Kinvey's SDKs of today send as ``service``, on iPhones too."""


class UnregistrationSerializer(StrictSerializer):
    ignored = frozenset({"framework"})  # Kinvey's SDKs send it

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
    service = Text(
        required=False,
        allow_blank=True,
        help_text="firebase: the deviceId is Firebase's, on whatever platform.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.pop("service", "") == FIREBASE:
            attrs["provider"] = "fcm"
        return attrs


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
    previousDeviceId = Text(
        source="previous_address",
        required=False,
        allow_blank=True,
        max_length=4096,
        help_text="The deviceId before this one: the device keeps its row.",
    )
    deviceProfile = Text(source="device_profile", required=False, allow_blank=True)
    attributes = JSONObject(required=False, help_text="Replaces what was there before.")


class OwnDetailsSerializer(StrictSerializer):
    """What an app may change of its own device; what is left out stays."""

    channels = Channels(required=False, help_text="Replaces all channels.")
    addChannels = Channels(source="add_channels", required=False)
    removeChannels = Channels(source="remove_channels", required=False)
    badge = Whole(required=False, min_value=0, max_value=2_147_483_647, help_text="0 resets it.")
    locale = Text(required=False, max_length=35, allow_blank=True)
    timeZone = Text(source="time_zone", required=False, max_length=64, allow_blank=True)
    appVersion = Text(source="app_version", required=False, max_length=64, allow_blank=True)
    attributes = JSONObject(required=False, help_text="Replaces what was there before.")
    enabled = Flag(
        required=False,
        help_text="false: no pushes, whoever registers the device, until it is true again.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return _something(self, attrs)


class OwnDeviceSerializer(serializers.ModelSerializer[Installation]):
    """What an app sees of its own device: neither its user nor its token."""

    id = serializers.CharField(source="public_id", help_text="Keep it: it opens this address.")
    platform = serializers.CharField(source="device_type")
    channels = serializers.ListField(child=serializers.CharField())
    timeZone = serializers.CharField(source="time_zone")
    appIdentifier = serializers.CharField(source="app_identifier")
    appVersion = serializers.CharField(source="app_version")
    deviceProfile = serializers.CharField(source="device_profile")
    installationId = serializers.CharField(source="installation_id", allow_null=True)
    attributes = JSONObject()
    enabled = serializers.BooleanField(source="is_active")
    disabledReason = serializers.CharField(
        source="inactive_reason",
        help_text="Empty, or one of: " + ", ".join(filter(None, Installation.Reason.values)),
    )

    class Meta:
        model = Installation
        fields = [
            *("id", "platform", "channels", "badge", "locale", "timeZone", "appIdentifier"),
            *("appVersion", "environment", "deviceProfile", "installationId", "attributes"),
            *("enabled", "disabledReason"),
        ]
        read_only_fields = fields


class OpenedSerializer(StrictSerializer):
    pushId = serializers.UUIDField(help_text="The push_id that came with the message.")


class DetailsSerializer(StrictSerializer):
    """What a server key or staff may change of a device, in Python's spelling."""

    channels = Channels(required=False, help_text="Replaces all channels.")
    add_channels = Channels(required=False)
    remove_channels = Channels(required=False)
    attributes = JSONObject(required=False, help_text="Replaces all attributes.")
    badge = Whole(required=False, min_value=0, max_value=2_147_483_647)
    locale = Text(required=False, max_length=35, allow_blank=True)
    time_zone = Text(required=False, max_length=64, allow_blank=True)
    app_identifier = Text(required=False, allow_blank=True)
    app_version = Text(required=False, max_length=64, allow_blank=True)
    environment = Choice(required=False, choices=[kind.value for kind in Environment])
    device_profile = Text(required=False, allow_blank=True)
    is_active = Flag(required=False, help_text="false: switched off, and stays so.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return _something(self, attrs)


class OneChangeSerializer(DetailsSerializer):
    """A change to one device among many."""

    id = Text(source="public_id", max_length=24)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        _something(self, {name: value for name, value in attrs.items() if name != "public_id"})
        return attrs


def _something(serializer: StrictSerializer, attrs: dict[str, Any]) -> dict[str, Any]:
    if not attrs:
        raise serializers.ValidationError(
            _("Nothing to change: give one of %s.") % ", ".join(serializer.fields),
            code="missing_field",
        )
    return attrs
