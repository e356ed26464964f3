"""What a where may ask of a device: the names of Parse and LeanCloud, and of our columns."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from .where import Field, FieldTable, Kind, Where

__all__ = ["INSTALLATION_FIELDS", "names_users"]


def _digests(address: str) -> list[str]:
    """The hashes that a device token may have: Apple's are kept in lower case, and Firebase's
    installation ids with a prefix."""
    stored = address.lower() if _HEXADECIMAL.fullmatch(address) else address
    spellings = dict.fromkeys([address, stored, f"fid:{address}"])
    return [hashlib.sha256(each.encode()).hexdigest() for each in spellings]


_HEXADECIMAL = re.compile("[0-9a-fA-F]+")

_HIDDEN = {Kind.TOKEN, Kind.POINT, Kind.CHANNELS}
"""Kinds whose column is not what the field means."""


def _field(name: str, kind: Kind, column: str, *others: str, **more: Any) -> tuple[Field, Any]:
    own = () if kind in _HIDDEN else (column,)
    return Field(name=name, kind=kind, column=column, **more), (*own, *others)


INSTALLATION_FIELDS = FieldTable(
    [
        _field("objectId", Kind.TEXT, "public_id", "id"),
        _field("installationId", Kind.TEXT, "installation_id"),
        _field("deviceType", Kind.TEXT, "device_type"),
        _field("deviceToken", Kind.TOKEN, "address_hash", "address", digests=_digests),
        _field("provider", Kind.TEXT, "provider"),
        _field("addressKind", Kind.TEXT, "address_kind"),
        _field("environment", Kind.TEXT, "environment"),
        _field("user", Kind.USER, "user_key", "userId", "user_id", proof="user_verified"),
        _field("userVerified", Kind.FLAG, "user_verified"),
        _field("badge", Kind.WHOLE, "badge"),
        _field("timeZone", Kind.TEXT, "time_zone"),
        _field("localeIdentifier", Kind.TEXT, "locale"),
        _field("appIdentifier", Kind.TEXT, "app_identifier"),
        _field("appVersion", Kind.TEXT, "app_version"),
        _field("deviceProfile", Kind.TEXT, "device_profile"),
        _field("location", Kind.POINT, "latitude", second="longitude"),
        _field("latitude", Kind.NUMBER, "latitude"),
        _field("longitude", Kind.NUMBER, "longitude"),
        _field("valid", Kind.FLAG, "is_active", "isActive"),
        _field("inactiveReason", Kind.TEXT, "inactive_reason"),
        _field("createdAt", Kind.DATE, "created_at"),
        _field("updatedAt", Kind.DATE, "updated_at"),
        _field("lastSeenAt", Kind.DATE, "last_seen_at"),
        _field("registeredAt", Kind.DATE, "registered_at"),
        _field("boundAt", Kind.DATE, "bound_at"),
        _field("channels", Kind.CHANNELS, "channel", relation="subscriptions"),
    ],
    free=Field(name="attributes", kind=Kind.JSON, column="attributes"),
)


def names_users(where: Where) -> bool:
    """Whether it asks whose a device is."""
    return any(place.field.kind is Kind.USER for place in where.places())
