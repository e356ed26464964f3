"""The registration that changes nothing, answered with one statement.

Every start of every app registers, and nearly all of them say what is known. Here is no opinion of
its own: whatever is not plainly the same as before goes the ordinary way, with all its checks and
refusals, as if it had never been looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from .. import crypto
from ..exceptions import InvalidRegistration
from ..models import Glance, Installation, Owner, Said, glance
from ..strict_json import UnfitJSON, read_json
from .authentication import credentials
from .serializers.registration import FIREBASE
from .throttles import RegisterThrottle

__all__ = ["is_unchanged"]

LIMIT = 65_536
"""Bytes of a body."""

_TEXTS = {
    "platform": "device_type",
    "deviceId": "address",
    "locale": "locale",
    "timeZone": "time_zone",
    "appIdentifier": "app_identifier",
    "appVersion": "app_version",
    "environment": "environment",
    "installationId": "installation_id",
    "deviceProfile": "device_profile",
}
"""Fields that are texts, and their columns."""
_OTHERS = {"channels": list, "attributes": dict, "userId": str, "framework": str, "service": str}


_PLAIN_KEY = re.compile(r"[!-~]{1,191}")
"""Keys of applications that a database compares as Python does: MariaDB takes no notice of spaces
at the end, and PostgreSQL refuses NUL."""


@sensitive_variables()
def is_unchanged(request: HttpRequest, app_key: str) -> bool:
    """Whether ``request`` registers a device of the application as it is already."""
    # Not request.headers: Django parses all of them for the first that is asked for.
    name, value = credentials(request.META.get("HTTP_AUTHORIZATION", "").encode("latin-1"))
    if not value or name not in (None, app_key) or not _PLAIN_KEY.fullmatch(app_key):
        return False
    body = _body(request)
    said = _said(body) if body else None
    if body is None or said is None:
        return False
    found = glance(Installation.objects.db, app_key, crypto.digests(value), said)
    if found is None:
        return False
    user_id = body.get("userId", "")
    is_server = found.client_key is None
    if is_server and not user_id:
        return False
    owner = Owner(user_key=user_id, proved=is_server)
    return found.is_as(said, owner) and _may_pass(request, found)


def _body(request: HttpRequest) -> dict[str, Any] | None:
    """What is sent, if it is of known fields and plain types."""
    length = request.META.get("CONTENT_LENGTH", "")
    kind = request.content_type
    if kind != "application/json" or not length.isdecimal() or not 0 < int(length) <= LIMIT:
        return None
    try:
        body = read_json(request.body)
    except UnfitJSON:
        return None
    plain = isinstance(body, dict) and all(_is_plain(*item) for item in body.items())
    return body if plain else None


def _is_plain(name: str, value: object) -> bool:
    return isinstance(value, str if name in _TEXTS else _OTHERS.get(name, ()))


def _said(body: Mapping[str, Any]) -> Said | None:
    """The registration, without its owner: whose key it is, is known with the device."""
    told = {column: body[name] for name, column in _TEXTS.items() if name in body}
    told |= {name: body[name] for name in ("channels", "attributes") if name in body}
    if body.get("service") == FIREBASE:
        told["provider"] = "fcm"
    if "device_type" not in told or "address" not in told:
        return None
    try:
        return Said.read(Installation.objects, **told)
    except InvalidRegistration:
        return None


def _may_pass(request: HttpRequest, found: Glance) -> bool:
    """Whether the caller is within the limit; counted only here, where the answer is given."""
    throttle = RegisterThrottle()
    key = found.client_key
    return key is None or throttle.allows(throttle.key_for(request, f"key-{key}"))
