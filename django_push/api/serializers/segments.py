"""Segments as they are shown, made and changed."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as Refused
from django.utils.translation import gettext as _
from rest_framework import serializers

from ...audience import Audience
from ...exceptions import InvalidPush
from ...models import Segment
from ...models.segment import check_definition, check_segment_key
from ..fields import JSONObject, Moment, StrictSerializer, Text
from .audiences import AUDIENCE, as_given

__all__ = ["ChangedSegmentSerializer", "NewSegmentSerializer", "SegmentSerializer"]


class SegmentSerializer(serializers.ModelSerializer[Segment]):
    id = serializers.CharField(source="public_id")
    application = serializers.CharField(source="application.key")
    audience = JSONObject()
    in_words = serializers.SerializerMethodField()
    devices = serializers.IntegerField(
        allow_null=True, help_text="How many it was when it was last counted; null: never."
    )
    counted_at = Moment(allow_null=True)
    created_at = Moment()
    updated_at = Moment()

    class Meta:
        model = Segment
        fields = [
            "id",
            "application",
            "key",
            "name",
            "description",
            "audience",
            "in_words",
            "devices",
            "counted_at",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields

    def get_in_words(self, segment: Segment) -> str:
        try:
            return Audience.from_json(segment.audience).in_words()
        except InvalidPush as error:  # written before a rule of today
            return error.message


class _DefinitionSerializer(StrictSerializer):
    def validate_audience(self, value: Any) -> dict[str, Any]:
        return check_definition(value)


class NewSegmentSerializer(_DefinitionSerializer):
    application = Text(required=False, help_text="Its key; a server key has only one.")
    key = Text(
        max_length=64,
        help_text="Names it in audiences, and stays: small letters, digits, - and _.",
    )
    name = Text(help_text="For people.")
    description = Text(required=False, allow_blank=True, max_length=10_000)
    audience = as_given(required=True, **AUDIENCE)

    def validate_key(self, value: str) -> str:
        try:
            check_segment_key(value)
        except Refused as error:
            raise serializers.ValidationError(error.messages, code="wrong_value") from None
        return value


class ChangedSegmentSerializer(_DefinitionSerializer):
    """What is left out stays."""

    name = Text(required=False)
    description = Text(required=False, allow_blank=True, max_length=10_000)
    audience = as_given(required=False, **AUDIENCE)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError(_("Say what to change."), code="missing_field")
        return attrs
