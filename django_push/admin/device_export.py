"""Devices as CSV or JSON, streamed: there may be a million.

Whole tokens only where the reader manages the application's credentials: with a token anybody who
has the provider's key can push to the device. Others get the first characters, as on the pages.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

from ..models import Installation, Role, Subscription
from .failures import Echo, harmless
from .visibility import applications

__all__ = ["FORMATS", "SHOWN_OF_TOKEN", "export", "sees_tokens_of"]

SHOWN_OF_TOKEN = 8
"""Characters."""
PIECE = 2000
"""Devices read by one statement."""
COLUMNS = {
    "id": "public_id",
    "application": "application__key",
    "platform": "device_type",
    "provider": "provider",
    "token": "address",
    "user": "user_key",
    "user_verified": "user_verified",
    "locale": "locale",
    "time_zone": "time_zone",
    "app_identifier": "app_identifier",
    "app_version": "app_version",
    "environment": "environment",
    "device_profile": "device_profile",
    "installation_id": "installation_id",
    "is_active": "is_active",
    "inactive_reason": "inactive_reason",
    "registered_at": "registered_at",
    "last_seen_at": "last_seen_at",
    "created_at": "created_at",
}
"""Names as the API has them, and where they come from."""


def sees_tokens_of(request: HttpRequest) -> set[int]:
    """Primary keys of the applications whose tokens the reader may have in full: those whose
    credentials they may change."""
    user: Any = request.user
    if not user.has_perm("django_push.change_credential"):
        return set()
    return set(applications(request, Role.MANAGER).values_list("pk", flat=True))


def export(
    rows: QuerySet[Installation], name: str, whole_tokens: set[int]
) -> StreamingHttpResponse:
    """``rows`` as a file of the format ``name`` (a key of :data:`FORMATS`)."""
    kind, lines = FORMATS[name]
    answer = StreamingHttpResponse(lines(_devices(rows, whole_tokens)), content_type=kind)
    day = timezone.localdate().isoformat()
    answer["Content-Disposition"] = f'attachment; filename="devices-{day}.{name}"'
    return answer


def _devices(rows: QuerySet[Installation], whole: set[int]) -> Iterator[dict[str, Any]]:
    """One after the other, newest first, in pieces: no cursor is held open while a slow reader
    reads."""
    columns = ("pk", "application_id", *COLUMNS.values())
    ordered = rows.order_by("-pk").values_list(*columns)
    last: int | None = None
    while True:
        piece = list((ordered if last is None else ordered.filter(pk__lt=last))[:PIECE])
        channels = _channels([row[0] for row in piece])
        for pk, application, *values in piece:
            device = dict(zip(COLUMNS, values, strict=True))
            token = device["token"]
            if application not in whole and len(token) > SHOWN_OF_TOKEN:
                device["token"] = f"{token[:SHOWN_OF_TOKEN]}…"
            yield {**device, "channels": channels.get(pk, [])}
        if len(piece) < PIECE:
            return
        last = piece[-1][0]


def _channels(pks: list[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    rows = Subscription.objects.filter(installation__in=pks).order_by("channel")
    for pk, channel in rows.values_list("installation_id", "channel"):
        found.setdefault(pk, []).append(channel)
    return found


def _csv(devices: Iterable[dict[str, Any]]) -> Iterator[str]:
    writer = csv.writer(Echo())
    yield writer.writerow([*COLUMNS, "channels"])
    for device in devices:
        values = {**device, "channels": ", ".join(device["channels"])}
        yield writer.writerow([harmless(value) for value in values.values()])


def _json(devices: Iterable[dict[str, Any]]) -> Iterator[str]:
    begin = "[\n"
    for device in devices:
        yield begin + json.dumps(device, ensure_ascii=False, default=_plain)
        begin = ",\n"
    yield "\n]\n" if begin == ",\n" else "[]\n"


def _plain(value: Any) -> str:
    return str(value.isoformat())


FORMATS = {
    "csv": ("text/csv; charset=utf-8", _csv),
    "json": ("application/json", _json),
}
