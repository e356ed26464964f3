"""Pages by key: the next one begins after the last row, so that page 10,000 costs as the first.

No ``COUNT`` and no ``OFFSET``: both read every row that is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from .. import crypto
from ..exceptions import LockedSecret
from ..models import Installation
from ..traces import Trace, pushes_to

__all__ = ["KeysetPagination", "TracePagination"]

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class KeysetPagination(BasePagination):
    """Newest first. The cursor is the last row's primary key, sealed: no API shows those."""

    request: Request
    _last: int | None = None

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any] | None:
        """One page of a ``QuerySet``."""
        self.request = request
        limit = _read_limit(request.query_params.get("limit"))
        rows = queryset.order_by("-pk")
        cursor = request.query_params.get("cursor")
        if cursor:
            rows = rows.filter(pk__lt=_read_cursor(cursor))
        page = list(rows[: limit + 1])
        if len(page) > limit:
            page = page[:limit]
            self._last = page[-1].pk
        return page

    def get_paginated_response(self, data: Sequence[Any]) -> Response:
        return Response({"next": self._next_address(), "results": data})

    def _next_address(self) -> str | None:
        if self._last is None:
            return None
        address = self.request.build_absolute_uri()
        return str(replace_query_param(address, "cursor", crypto.seal(str(self._last))))

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {
                "next": {
                    "type": "string",
                    "format": "uri",
                    "nullable": True,
                    "description": "Address of the next page; null on the last.",
                },
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
        return [
            _parameter("limit", "Rows on a page.", limit),
            _parameter("cursor", "Comes with “next”.", {"type": "string"}),
        ]


class TracePagination(KeysetPagination):
    """Pushes to one device: a page looks through so many, and may hold fewer than asked for."""

    def traces(self, device: Installation, request: Request) -> list[Trace]:
        """One page of what became of them."""
        self.request = request
        limit = _read_limit(request.query_params.get("limit"))
        cursor = request.query_params.get("cursor")
        page = pushes_to(device, _read_cursor(cursor) if cursor else None, limit)
        self._last = page.older_than
        return page.traces


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }


def _read_limit(value: str | None) -> int:
    if value is None:
        return DEFAULT_LIMIT
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= MAX_LIMIT):
        message = _("It must be a whole number from 1 to %d.") % MAX_LIMIT
        raise ValidationError({"limit": [message]}, code="wrong_value")
    return int(value)


def _read_cursor(value: str) -> int:
    try:
        return int(crypto.unseal(value))
    except (LockedSecret, UnicodeEncodeError, ValueError):
        message = _("It is not a cursor of ours. Begin again without it.")
        raise ValidationError({"cursor": [message]}, code="wrong_value") from None
