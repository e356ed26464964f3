"""What an application's pushes are about: declared, and shown."""

from __future__ import annotations

from rest_framework import serializers

from ...models import Purpose
from ...models.preferences import KEY
from ..fields import Flag, StrictSerializer, Text

__all__ = ["NewPurposeSerializer", "PurposeSerializer"]


class PurposeSerializer(serializers.ModelSerializer[Purpose]):
    application = serializers.CharField(source="application.key")

    class Meta:
        model = Purpose
        fields = ["application", "key", "name", "transactional", "default_on"]
        read_only_fields = fields


class NewPurposeSerializer(StrictSerializer):
    application = Text(required=False, help_text="Its key; a server key has only one.")
    key = Text(max_length=64, validators=[KEY], help_text="Stays as it is: apps name it.")
    name = Text(help_text="How people read it in the app's settings.")
    transactional = Flag(required=False, help_text="People cannot switch it off.")
    default_on = Flag(required=False, help_text="false: only those get it who said yes.")
