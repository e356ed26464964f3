"""Keys of an application: ``Basic <app key>:<key>`` (RFC 7617) or ``Bearer <key>`` (RFC 6750)."""

from __future__ import annotations

import base64
import binascii

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from ..models import ApiKey
from .throttles import FailedLoginThrottle

__all__ = ["KeyAuthentication", "LoginGuard", "credentials"]


class KeyAuthentication(BaseAuthentication):
    """Puts the :class:`~django_push.models.ApiKey` into ``request.auth``; the user stays nobody.

    What is no key of ours is left to the host project's own classes, which may read the same
    header.
    """

    @sensitive_variables()
    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        name, value = credentials(get_authorization_header(request))
        key = ApiKey.objects.find(value) if value else None
        if key is None:
            return None
        if name is not None and name != key.application.key:
            raise PermissionDenied(
                _("This key belongs to another application than the one it was sent with."),
                code="wrong_application",
            )
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="django_push"'


class LoginGuard(BaseAuthentication):
    """Stands before the host's classes: who failed too often must wait, whatever they send now.

    Keys of ours are not held up: nobody guesses 240 bits, and a phone with an old password must
    not lock out a server behind the same address.
    """

    def authenticate(self, request: Request) -> None:
        FailedLoginThrottle().check(request)


def credentials(header: bytes) -> tuple[str | None, str]:
    """The application's key, if the header names one, and the secret; empty when there is none."""
    scheme, _space, rest = header.strip().partition(b" ")
    try:
        if scheme.lower() == b"bearer":
            return None, rest.strip().decode()
        if scheme.lower() == b"basic":
            name, _colon, value = base64.b64decode(rest, validate=True).decode().partition(":")
            return name, value
    except (binascii.Error, UnicodeDecodeError):
        pass  # not one of ours; the host's classes say what is wrong with it
    return None, ""
