"""JSON from strangers: bounded in bytes and depth, and storable on every database."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import IO, Any

import orjson
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

__all__ = ["BodyTooLarge", "PushJSONParser"]

MAX_DEPTH = 32
"""Levels of nesting. Python's own encoder gives up near 1,000, which would be a 500."""


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
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(_("The body is not JSON: %s.") % error, code="not_json") from None
        if not isinstance(value, dict):
            raise ParseError(_("The body must be a JSON object: {…}."), code="wrong_type")
        _check(value, MAX_DEPTH)
        return value


def _check(value: object, depth: int) -> None:
    """Refuse what one of the databases cannot hold, wherever it stands."""
    if depth == 0:
        raise ParseError(
            _("The body is nested more than %d levels deep.") % MAX_DEPTH, code="too_deep"
        )
    if isinstance(value, str) and "\x00" in value:
        raise ParseError(_("Texts must not hold NUL characters."), code="nul_character")
    if isinstance(value, float) and not math.isfinite(value):
        raise ParseError(_("A number is too large."), code="number_too_large")
    if isinstance(value, dict):
        for name, item in value.items():
            _check(name, depth)
            _check(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth - 1)
