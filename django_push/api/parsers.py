"""JSON from strangers: bounded in bytes and depth, and storable on every database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

from ..strict_json import UnfitJSON, read_json

__all__ = ["BodyTooLarge", "PushJSONParser"]


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(
            _("The body may hold at most %(limit)s bytes. Send less, or in several requests.")
            % {"limit": f"{limit:,}"}
        )


class PushJSONParser(BaseParser):
    """Reads one JSON object. The view says how large it may be (``body_limit``, bytes)."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        limit: int = parser_context["view"].body_limit if parser_context else 65_536
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise BodyTooLarge(limit)
        try:
            value = read_json(body)
        except UnfitJSON as error:
            raise ParseError(error.message, code=error.code) from None
        if not isinstance(value, dict):
            raise ParseError(_("The body must be a JSON object: {…}."), code="wrong_type")
        return value
