"""Audiences, and what counting one says.

What an audience may hold is checked by :class:`~django_push.audience.Audience`, as for every other
face; here it is only named, with its types for the OpenAPI document.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ...messages import DEVICE_TYPES
from ..fields import Flag, Moment, MomentOrWall, StrictSerializer, Text, Whole

__all__ = [
    "AUDIENCE",
    "PURPOSE",
    "SEND_AT",
    "TRANSACTIONAL",
    "AudienceSerializer",
    "CountSerializer",
    "CountedSerializer",
    "as_given",
]

_NAMES = {"type": "array", "items": {"type": "string", "maxLength": 191}, "maxItems": 10_000}
AUDIENCE = {
    "type": "object",
    "description": 'Whom it is for: {"everyone": true}, or lists that must all hold; a list reads '
    "“any of these”.",
    "properties": {
        "everyone": {"type": "boolean"},
        "channels": _NAMES,
        "users": {**_NAMES, "description": "User ids."},
        "installations": {**_NAMES, "description": "Ids of devices, as this API shows them."},
        "device_types": {
            "type": "array",
            "items": {"type": "string", "enum": list(DEVICE_TYPES)},
        },
        "segments": {
            "type": "array",
            "items": {"type": "string", "maxLength": 64},
            "maxItems": 20,
            "description": "Keys of saved audiences: in any of them.",
        },
        "exclude": {
            "type": "object",
            "description": "Who is left out: whom any of these finds.",
            "properties": {
                "channels": _NAMES,
                "users": _NAMES,
                "installations": _NAMES,
                "segments": {"type": "array", "items": {"type": "string"}, "maxItems": 20},
                "where": {"type": "object", "additionalProperties": True},
            },
            "additionalProperties": False,
            "minProperties": 1,
        },
        "lookups": {
            "type": "object",
            "description": "Conditions on the users of devices, by the names that the setting "
            "AUDIENCE_LOOKUPS allows; a list reads “any of these”.",
            "additionalProperties": True,
            "minProperties": 1,
            "example": {"user__is_staff": True},
        },
        "where": {
            "type": "object",
            "description": "A condition on the devices, in MongoDB's language as Parse Server "
            "takes it: docs/audience.md lists fields and operators.",
            "additionalProperties": True,
            "minProperties": 1,
            "example": {"localeIdentifier": {"$regex": "^de"}, "badge": {"$gt": 3}},
        },
    },
    "additionalProperties": False,
    "minProperties": 1,
    "example": {"channels": ["news"], "device_types": ["ios"]},
}


class _AsGiven(serializers.Field[Any, Any, Any, Any]):
    """Passed on as it came; the core says what is wrong with it."""

    def to_internal_value(self, data: Any) -> Any:
        return data

    def to_representation(self, value: Any) -> Any:
        return value

    def run_validation(self, data: Any = serializers.empty) -> Any:
        # null too is for the core to judge
        return super().run_validation(data) if data is serializers.empty else data


def as_given(required: bool = False, **schema: Any) -> Any:
    """A field that the core judges; ``schema`` describes it."""
    annotated = extend_schema_field(schema)(type("AsGiven", (_AsGiven,), {}))
    return annotated(required=required)


class AudienceSerializer(StrictSerializer):
    application = Text(required=False, help_text="Its key; a server key has only one.")
    audience = as_given(required=True, **AUDIENCE)


SEND_AT = (
    "Left out: now. With local_time also without an offset, such as 2027-01-12T09:00:00: what the "
    "devices' clocks show; with an offset it is what the application's clock shows then."
)


PURPOSE = (
    "What it is about: the key of a purpose of the application. Who opted out of it is left out."
)
TRANSACTIONAL = "To all, whatever they opted out of, and at once. Left out: as its purpose is."


class CountedSerializer(AudienceSerializer):
    """An audience to count, and when it would get the push."""

    send_at = MomentOrWall(required=False, allow_null=True, help_text=SEND_AT)
    local_time = Flag(required=False, help_text="At each device's own clock.")
    purpose = Text(required=False, allow_blank=True, max_length=64, help_text=PURPOSE)
    transactional = Flag(required=False, help_text=TRANSACTIONAL)
    time_to_live = Whole(
        required=False, allow_null=True, min_value=0, max_value=2_147_483_647, help_text="Seconds."
    )


class LocalCountSerializer(serializers.Serializer[Any]):
    at_once = serializers.IntegerField(help_text="Their clocks showed the time within the hour.")
    later = serializers.IntegerField(help_text="Their clocks are still to show it.")
    passed = serializers.IntegerField(help_text="Left out: their clocks showed it earlier.")
    no_zone = serializers.IntegerField(
        help_text="Of all these: without a known time zone, by the application's clock."
    )
    first = Moment(allow_null=True, help_text="When the first of those that wait get it.")
    last = Moment(allow_null=True)


class QuietCountSerializer(serializers.Serializer[Any]):
    later = serializers.IntegerField(help_text="They get it when their quiet hours are over.")
    left_out = serializers.IntegerField(help_text="Left out: it expires before.")
    first = Moment(allow_null=True, help_text="When the first of those that wait get it.")
    last = Moment(allow_null=True)


class CountSerializer(serializers.Serializer[Any]):
    devices = serializers.IntegerField(help_text="Devices that the push would go to.")
    per_type = serializers.DictField(child=serializers.IntegerField())
    no_credential = serializers.IntegerField(
        help_text="Left out: there is no account to send through."
    )
    inactive = serializers.IntegerField(help_text="Left out: switched off.")
    opted_out = serializers.IntegerField(help_text="Left out: they want no pushes of this purpose.")
    local = LocalCountSerializer(
        allow_null=True, help_text="With local_time: when they get it; null without."
    )
    quiet = QuietCountSerializer(
        allow_null=True, help_text="Whose quiet hours it comes in; null: nobody has any."
    )
    in_words = serializers.CharField()
