"""Devices and applications as they are shown, and devices that a server registers."""

from __future__ import annotations

from rest_framework import serializers

from ...messages import Environment
from ...models import Application, Installation
from ..fields import Channels, Choice, JSONObject, Moment, StrictSerializer, Text, UserId

__all__ = [
    "ApplicationSerializer",
    "InstallationSerializer",
    "NewInstallationSerializer",
]

SHOWN = 8
"""Characters of a device token that staff see; a server key sees all."""


class ApplicationSerializer(serializers.ModelSerializer[Application]):
    created_at = Moment(read_only=True)

    class Meta:
        model = Application
        fields = ["key", "name", "description", "sender_id", "time_zone", "created_at"]
        read_only_fields = fields


class InstallationSerializer(serializers.ModelSerializer[Installation]):
    id = serializers.CharField(source="public_id")
    application = serializers.CharField(source="application.key")
    platform = serializers.CharField(source="device_type")
    token = serializers.SerializerMethodField()
    user = serializers.CharField(source="user_key", help_text="Empty: nobody's.")
    user_verified = serializers.BooleanField(help_text="Proved; false: only claimed.")
    channels = serializers.SerializerMethodField()
    attributes = JSONObject()
    registered_at = Moment()
    last_seen_at = Moment()
    created_at = Moment()

    class Meta:
        model = Installation
        fields = [
            "id",
            "application",
            "platform",
            "provider",
            "token",
            "user",
            "user_verified",
            "channels",
            "locale",
            "time_zone",
            "app_identifier",
            "app_version",
            "environment",
            "device_profile",
            "installation_id",
            "attributes",
            "is_active",
            "inactive_reason",
            "registered_at",
            "last_seen_at",
            "created_at",
        ]
        read_only_fields = fields

    def get_token(self, installation: Installation) -> str:
        """The device token; its first characters for who holds no server key."""
        address: str = installation.address
        if self.context["view"].known_caller.is_server or len(address) <= SHOWN:
            return address
        return f"{address[:SHOWN]}…"

    def get_channels(self, installation: Installation) -> list[str]:
        """Sorted. Read from the rows that were fetched for the whole page."""
        return sorted(row.channel for row in installation.subscriptions.all())


class NewInstallationSerializer(StrictSerializer):
    """A device that a server registers, for a user or for nobody."""

    application = Text(required=False, help_text="Its key; a server key has only one.")
    platform = Text()
    token = Text(source="address", max_length=4096)
    user = UserId(required=False, allow_blank=True, help_text="Proved, since a server says so.")
    channels = Channels(required=False)
    locale = Text(required=False, max_length=35, allow_blank=True)
    time_zone = Text(required=False, max_length=64, allow_blank=True)
    app_identifier = Text(required=False, allow_blank=True)
    app_version = Text(required=False, max_length=64, allow_blank=True)
    environment = Choice(required=False, choices=[kind.value for kind in Environment])
    device_profile = Text(required=False, allow_blank=True)
    installation_id = Text(required=False)
    attributes = JSONObject(required=False)
