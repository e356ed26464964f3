"""Devices and applications as they are shown, and devices that a server registers."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ...messages import Environment
from ...models import Application, Fate, Installation
from ..fields import Channels, Choice, JSONObject, Moment, StrictSerializer, Text, UserId
from .registration import OneChangeSerializer

__all__ = [
    "ApplicationSerializer",
    "InstallationSerializer",
    "ManyChangesSerializer",
    "ManyDevicesSerializer",
    "NewInstallationSerializer",
    "ResultsSerializer",
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
    inactive_since = Moment(allow_null=True, help_text="null: it is switched on.")
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
            "inactive_since",
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
    previous_token = Text(
        source="previous_address",
        required=False,
        allow_blank=True,
        max_length=4096,
        help_text="The token before this one: the device keeps its row.",
    )
    attributes = JSONObject(required=False)


class Items(serializers.ListField):
    """At most 1,000 objects, each checked by itself: one of no sense is refused alone."""

    child = serializers.JSONField()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_empty=False, max_length=1000, **kwargs)


@extend_schema_field(NewInstallationSerializer(many=True))
class Devices(Items):
    """Devices to register."""


@extend_schema_field(OneChangeSerializer(many=True))
class Changes(Items):
    """Devices to change."""


class ManyDevicesSerializer(StrictSerializer):
    """Devices to register, of one application."""

    application = Text(required=False, help_text="Its key; a server key has only one.")
    devices = Devices()


class ManyChangesSerializer(StrictSerializer):
    """Devices to change, of one application."""

    application = Text(required=False, help_text="Its key; a server key has only one.")
    devices = Changes()


class RefusalSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()
    field = serializers.CharField()


class ResultSerializer(serializers.Serializer[Any]):
    """What became of one device."""

    status = serializers.ChoiceField(choices=[fate.value for fate in Fate])
    id = serializers.CharField(required=False, help_text="Of the device; not when refused.")
    error = RefusalSerializer(required=False, help_text="Only when refused.")


class ResultsSerializer(serializers.Serializer[Any]):
    """What became of each, in the order of the request."""

    results = ResultSerializer(many=True)
