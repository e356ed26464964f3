"""What a person or a device wants no pushes about: as told, and as shown."""

# ruff: noqa: N815 (the names on the wire are those of register-device)

from __future__ import annotations

import re
from datetime import time
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ...models import Stance
from ...quiet import Hours
from ..fields import StrictSerializer, Text, UserId

__all__ = ["AskedSerializer", "ChangedSerializer", "HoursSerializer", "PreferencesSerializer"]

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"type": "boolean", "nullable": True},
        "example": {"offers": False, "news": True},
    }
)
class Wishes(serializers.Field[Any, Any, Any, Any]):
    """``{"offers": false}``: purposes by their keys; null takes back what was said."""

    default_error_messages = {
        "wrong_type": _("It must be an object of true, false and null by purpose.")
    }

    def to_internal_value(self, data: Any) -> dict[str, bool | None]:
        if not isinstance(data, dict) or len(data) > 1000:
            self.fail("wrong_type")
        if not all(value is None or isinstance(value, bool) for value in data.values()):
            self.fail("wrong_type")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"})
class ClockTime(Text):
    """``22:00``."""

    default_error_messages = {"wrong_value": _("It must be a time such as 22:00.")}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not _CLOCK.fullmatch(text):
            self.fail("wrong_value")
        return text


class HoursSerializer(StrictSerializer):
    """By the device's own clock. From and until alike: no quiet hours at all."""

    # "from" is a word of Python
    def get_fields(self) -> dict[str, Any]:
        return {"from": ClockTime(source="starts"), "until": ClockTime(source="ends")}

    def to_internal_value(self, data: Any) -> Any:
        said = super().to_internal_value(data)
        return Hours.between(*(time.fromisoformat(said[name]) for name in ("starts", "ends")))

    def to_representation(self, instance: Any) -> Any:
        starts, ends = instance.in_words()
        return {"from": starts, "until": ends}


class ChangedSerializer(StrictSerializer):
    """What is left out stays as it is."""

    purposes = Wishes(
        required=False,
        help_text="Yes or no by purpose; null takes back what was said.",
    )
    quiet_hours = HoursSerializer(
        required=False,
        allow_null=True,
        help_text="When pushes wait, unless they are transactional; null: as the application has "
        "it.",
    )


class AskedSerializer(ChangedSerializer):
    """Whose preferences, and what is to change; nothing to change: they are only shown."""

    deviceId = Text(
        required=False, max_length=4096, help_text="What Apple or Google issued to the app."
    )
    installation = Text(
        required=False, max_length=24, help_text="Or the device's id, as this API shows it."
    )
    userId = UserId(
        required=False, help_text="With a server key: of this user, on all of the user's devices."
    )


class StanceSerializer(serializers.Serializer[Stance]):
    key = serializers.CharField(source="purpose.key")
    name = serializers.CharField(source="purpose.name", help_text="For the app's settings.")
    transactional = serializers.BooleanField(
        source="purpose.transactional", help_text="It cannot be switched off."
    )
    default_on = serializers.BooleanField(source="purpose.default_on")
    chosen = serializers.BooleanField(allow_null=True, help_text="null: nothing was said.")
    gets = serializers.BooleanField(
        help_text="Whether its pushes come: a no (the device's or its user's) beats a yes, and a "
        "yes the default."
    )


class PreferencesSerializer(serializers.Serializer[Any]):
    purposes = StanceSerializer(many=True)
    quiet_hours = HoursSerializer(
        allow_null=True, help_text="The own ones; null: nothing was said."
    )
    quiet_hours_in_force = HoursSerializer(
        allow_null=True,
        help_text="A device's own, else its user's, else the application's; null: none.",
    )
