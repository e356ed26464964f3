"""Every refusal as ``{"code", "message", "field"}``.

``code`` is for machines and stays; ``message`` says what to do; ``field`` names the part of the
body that is meant (dotted path), or is empty. Codes of the core pass through as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    ErrorDetail,
    NotAuthenticated,
    NotFound,
    Throttled,
    ValidationError,
)
from rest_framework.exceptions import PermissionDenied as Forbidden
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from ..exceptions import (
    DjangoPushError,
    IdempotencyConflict,
    InvalidRegistration,
    LockedSecret,
    NotAllowed,
)

__all__ = ["exception_handler", "naming", "refusal", "renamed"]

_STATUS: Mapping[type[DjangoPushError], int] = {
    IdempotencyConflict: status.HTTP_409_CONFLICT,
    NotAllowed: status.HTTP_409_CONFLICT,
    LockedSecret: status.HTTP_503_SERVICE_UNAVAILABLE,
}

_CODES = {
    "required": "missing_field",
    "blank": "missing_field",
    "null": "wrong_type",
    "invalid": "wrong_value",
    "not_a_list": "wrong_type",
    "not_a_dict": "wrong_type",
    "max_length": "too_long",
    "max_value": "too_large",
    "min_value": "too_small",
    "invalid_choice": "wrong_value",
    "permission_denied": "not_allowed_here",
    "parse_error": "not_json",
}
"""Words of the framework for which we have a better one."""


def exception_handler(exception: Exception, context: Mapping[str, Any]) -> Response | None:
    """The answer for ``exception``; ``None`` for a bug of ours, which Django then reports."""
    exception = _as_api_exception(exception)
    if not isinstance(exception, APIException | DjangoPushError):
        return None
    set_rollback()
    response = Response(refusal(exception), status=_status_of(exception))
    if isinstance(exception, APIException):
        for name, header in _headers(exception):
            response[name] = header
    return response


def refusal(exception: APIException | DjangoPushError) -> dict[str, str]:
    """What the caller is told."""
    if isinstance(exception, DjangoPushError):
        code, message, field = exception.code, exception.message, exception.field
    else:
        detail, field = _first(exception.detail)
        code, message = _code_of(exception, detail), _sentence(exception, detail, field)
    return {"code": code, "message": message, "field": field}


@contextmanager
def naming(**names: str) -> Iterator[None]:
    """Put the names on the wire into refusals of the core, which knows its columns only."""
    try:
        yield
    except InvalidRegistration as error:
        raise renamed(error, names) from None


def renamed(error: InvalidRegistration, names: Mapping[str, str]) -> InvalidRegistration:
    """``error`` with its field as it is called on the wire."""
    error.field = names.get(error.field, error.field)
    return error


def _status_of(exception: APIException | DjangoPushError) -> int:
    if isinstance(exception, APIException):
        return exception.status_code
    return next(
        (code for kind, code in _STATUS.items() if isinstance(exception, kind)),
        status.HTTP_400_BAD_REQUEST,
    )


def _as_api_exception(exception: Exception) -> Exception:
    if isinstance(exception, Http404):
        return NotFound()
    if isinstance(exception, PermissionDenied):
        return Forbidden()
    return exception


def _first(detail: Any, path: tuple[str, ...] = ()) -> tuple[ErrorDetail, str]:
    """The first error in what DRF nests, and the path of its field."""
    if isinstance(detail, Mapping):
        name, inner = next(iter(detail.items()))
        whole = name == api_settings.NON_FIELD_ERRORS_KEY
        return _first(inner, path if whole else (*path, str(name)))
    if isinstance(detail, list):
        return _first(next(item for item in detail if item), path)
    return detail, ".".join(path)


def _code_of(exception: APIException, detail: ErrorDetail) -> str:
    code = str(detail.code or exception.default_code)
    return _CODES.get(code, code)


def _sentence(exception: APIException, detail: ErrorDetail, field: str) -> str:
    if isinstance(exception, NotAuthenticated):
        return _(
            "Say who you are: “Authorization: Bearer <key>” or “Basic <app key>:<key>” with a "
            "valid key of the application, or a signed-in user."
        )
    if isinstance(exception, Throttled):
        return _("Too many requests. Try again in %d seconds.") % _wait(exception)
    if isinstance(exception, NotFound) and detail.code == NotFound.default_code:
        return _("There is no such thing here. Check the address and the id.")
    if isinstance(exception, ValidationError) and field and field not in detail:
        return f"{field}: {detail}"
    return str(detail)


def _headers(exception: APIException) -> list[tuple[str, str]]:
    headers = []
    if isinstance(exception, NotAuthenticated | AuthenticationFailed):
        headers.append(("WWW-Authenticate", str(getattr(exception, "auth_header", ""))))
    if isinstance(exception, Throttled):
        headers.append(("Retry-After", str(_wait(exception))))
    return [(name, value) for name, value in headers if value]


def _wait(exception: Throttled) -> int:
    """Seconds, at least one."""
    return max(math.ceil(getattr(exception, "wait", None) or 1), 1)
