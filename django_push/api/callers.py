"""Who calls, and what they may do: a key of an application, or a user of the host project."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import PermissionsMixin
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request

from ..exceptions import InvalidRegistration
from ..models import ApiKey, Application, Installation, Owner, Role

__all__ = ["ME", "Caller", "KeyCaller", "Need", "UserCaller", "caller_of"]

M = TypeVar("M", bound=Model)

ME = "me"
"""In an address, in the place of a user's id: who is signed in."""


class Need(NamedTuple):
    """What a member of staff needs for an action. A server key needs nothing beside itself."""

    permission: str
    """Code name of a permission of django_push, such as ``view_installation``."""
    role: Role = Role.VIEWER


class Caller:
    """Somebody who proved who they are."""

    is_server = False
    """Whether a server key speaks: it sees whole device tokens."""
    label = ""
    """For the history: who did it. Never a secret."""
    user: AbstractBaseUser | None = None

    def check(self, need: Need) -> None:
        """Raises ``PermissionDenied`` for who may do this in no application."""
        raise NotImplementedError

    def applications(self, role: Role = Role.VIEWER) -> Sequence[Application]:
        """Those in which this caller has at least ``role``."""
        raise NotImplementedError

    def application_named(self, key: str) -> Application:
        """The application in the path of a registration."""
        raise NotImplementedError

    def owner(self, user_id: str) -> Owner | None:
        """Whose device it is, when the request says ``user_id`` (may be empty)."""
        raise NotImplementedError

    def may_hold(self, device: Installation) -> bool:
        """Whether it may be this caller's device, whose id or token they show."""
        return True

    def throttle_ident(self) -> str | None:
        """What public requests are counted under, beside the address; ``None``: not counted."""
        raise NotImplementedError

    def narrow(self, rows: QuerySet[M]) -> QuerySet[M]:
        """The rows of this caller's applications: for everybody else's there is no such row."""
        return rows.filter(application__in=self.application_ids.values())

    @cached_property
    def application_ids(self) -> dict[str, int]:
        """Primary keys of the applications whose rows exist for this caller, by public key."""
        return {application.key: application.pk for application in self.applications()}

    def check_role(self, application: Application, need: Need) -> None:
        """Raises ``PermissionDenied`` for who may look at ``application`` but not do this."""
        if application not in self.applications(need.role):
            raise PermissionDenied(
                _("Your role in this application does not allow it. Ask one of its managers."),
                code="role_too_low",
            )


class KeyCaller(Caller):
    """A program that holds a key of one application."""

    def __init__(self, key: ApiKey) -> None:
        self.key = key
        self.is_server = key.is_server
        self.label = f"API key {key}"[:191]

    def check(self, need: Need) -> None:
        if not self.is_server:
            raise PermissionDenied(
                _("A client key is for the device that it is on. Use a server key here."),
                code="client_key",
            )

    def applications(self, role: Role = Role.VIEWER) -> Sequence[Application]:
        return [self.key.application]

    def application_named(self, key: str) -> Application:
        if self.key.application.key != key:
            raise PermissionDenied(
                _("This key belongs to another application than the one in the address."),
                code="wrong_application",
            )
        return self.key.application

    def owner(self, user_id: str) -> Owner | None:
        if not self.is_server:
            return Owner(user_key=user_id) if user_id else None
        if not user_id:
            raise InvalidRegistration(
                _("With a server key, say whose device it is: give userId."),
                code="missing_field",
                field="userId",
            )
        return Owner.vouched(user_id)

    def throttle_ident(self) -> str | None:
        return None if self.is_server else f"key-{self.key.pk}"


class UserCaller(Caller):
    """A user of the host project, proved by one of its authentication classes."""

    def __init__(self, user: AbstractBaseUser) -> None:
        self.user = user
        self.label = user.get_username()[:191]

    def check(self, need: Need) -> None:
        user = self.user
        if not (isinstance(user, PermissionsMixin) and getattr(user, "is_staff", False)):
            raise PermissionDenied(
                _("Only staff and server keys may use this part of the API."), code="not_staff"
            )
        if not user.has_perm(f"django_push.{need.permission}"):
            raise PermissionDenied(
                _("You lack the permission “%s”. An administrator can grant it.") % need.permission,
                code="permission_missing",
            )

    def applications(self, role: Role = Role.VIEWER) -> Sequence[Application]:
        assert self.user is not None
        return list(Application.objects.visible_to(self.user, role))

    def application_named(self, key: str) -> Application:
        rows = Application.objects.none() if "\x00" in key else Application.objects.filter(key=key)
        found: Application | None = rows.first()
        if found is None:
            raise NotFound(
                _("There is no application with this key. Look it up in the admin."),
                code="unknown_application",
            )
        return found

    def owner(self, user_id: str) -> Owner | None:
        owner = Owner(user=self.user)
        if user_id and user_id != owner.user_key:
            raise InvalidRegistration(
                _("You can register devices for yourself only: leave userId out."),
                code="other_user",
                field="userId",
            )
        return owner

    def may_hold(self, device: Installation) -> bool:
        assert self.user is not None
        return device.user_verified and device.user_key == str(self.user.pk)

    def throttle_ident(self) -> str | None:
        assert self.user is not None
        return f"user-{self.user.pk}"


def caller_of(request: Request) -> Caller | None:
    """Who sent ``request``; ``None`` for nobody we know."""
    if isinstance(request.auth, ApiKey):
        return KeyCaller(request.auth)
    user = request.user
    if isinstance(user, AbstractBaseUser) and user.is_authenticated and user.is_active:
        return UserCaller(user)
    return None
