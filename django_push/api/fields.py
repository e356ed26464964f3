"""Fields that do not guess: ``1`` is no text, ``"1"`` is no number, and a time has its offset."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ..zones import fits_every_clock

__all__ = [
    "Channels",
    "Choice",
    "Flag",
    "JSONObject",
    "Moment",
    "MomentOrWall",
    "StrictSerializer",
    "Text",
    "UserId",
    "Whole",
]


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses what it does not know: a misspelt field must not be silently ignored."""

    ignored: frozenset[str] = frozenset()
    """Fields that shipped clients send and that mean nothing here."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):  # what is no object is refused below
            self._refuse_unknown(data)
        return super().to_internal_value(data)

    def _refuse_unknown(self, data: Mapping[str, Any]) -> None:
        unknown = sorted(set(data) - set(self.fields) - self.ignored)
        if unknown:
            known = ", ".join(name for name, field in self.fields.items() if not field.read_only)
            message = _("There is no field “%(name)s”. There are: %(known)s.")
            raise serializers.ValidationError(
                {unknown[0]: [message % {"name": unknown[0][:64], "known": known}]},
                code="unknown_field",
            )


class Text(serializers.CharField):
    """A JSON string."""

    default_error_messages = {"wrong_type": _("It must be a text.")}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 191)
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("wrong_type")
        return super().to_internal_value(data)


@extend_schema_field({"oneOf": [{"type": "string", "maxLength": 191}, {"type": "integer"}]})
class UserId(Text):
    """An id of a user: a JSON string, or a whole number as Django's own ids are."""

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(str(data) if type(data) is int else data)


class Whole(serializers.IntegerField):
    """A JSON number without a fraction."""

    default_error_messages = {"wrong_type": _("It must be a whole number.")}

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("wrong_type")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """JSON's true or false."""

    default_error_messages = {"wrong_type": _("It must be true or false.")}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("wrong_type")
        return data


class Choice(serializers.ChoiceField):
    """One of a few texts."""

    default_error_messages = {"wrong_value": _("It must be one of: {choices}.")}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("wrong_value", choices=", ".join(map(str, self.choices)))
        return data


class Moment(serializers.DateTimeField):
    """ISO 8601 with an offset, such as ``2027-01-12T08:00:00Z``; written in UTC."""

    default_error_messages = {
        "wrong_type": _("It must be a time such as 2027-01-12T08:00:00Z, with its offset."),
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            format="iso-8601", input_formats=["iso-8601"], default_timezone=UTC, **kwargs
        )

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str) or not _has_offset(value):
            self.fail("wrong_type")
        return super().to_internal_value(value)


class MomentOrWall(Moment):
    """A :class:`Moment`, or a time without an offset: a naive datetime, for a clock yet to be
    chosen."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            wall = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            wall = None
        if wall is not None and wall.tzinfo is None and fits_every_clock(wall):
            return wall
        return super().to_internal_value(value)


def _has_offset(value: str) -> bool:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return False
    return moment.tzinfo is not None and fits_every_clock(moment)


class Channels(serializers.ListField):
    """Names of channels."""

    child = Text()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=1000, **kwargs)


@extend_schema_field(OpenApiTypes.OBJECT)
class JSONObject(serializers.Field[Any, Any, Any, Any]):
    """A JSON object of free content."""

    default_error_messages = {"wrong_type": _("It must be an object.")}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("wrong_type")
        return data

    def to_representation(self, value: Any) -> Any:
        return value
