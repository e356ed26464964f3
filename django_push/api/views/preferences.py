"""Preferences: of one's own device or of oneself, and of anybody for who holds a server key."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from ...conf import alias
from ...messages import DEVICE_TYPES
from ...models import Application, Installation, PurposeChoice, QuietHours, Role, Whose
from ...models.again import again
from ...models.registration import address_hash
from ..base import IsKnown, PushView
from ..callers import ME, Need, UserCaller
from ..openapi import documented
from ..serializers.preferences import AskedSerializer, ChangedSerializer, PreferencesSerializer
from ..throttles import RegisterThrottle
from .base import chosen_application

__all__ = ["DevicePreferences", "Preferences", "UserPreferences"]

_OFFERS = OpenApiExample("no offers", {"purposes": {"offers": False}}, request_only=True)
_APPLICATION = OpenApiParameter(
    "application", OpenApiTypes.STR, description="Its key; a server key has only one."
)


class _PreferencesView(PushView):
    body_limit: ClassVar[int] = 65_536

    def shown(self, whose: Whose) -> Response:
        found = {
            "purposes": PurposeChoice.objects.stances(whose),
            "quiet_hours": QuietHours.objects.of(whose),
            "quiet_hours_in_force": QuietHours.objects.in_force(whose),
        }
        return Response(PreferencesSerializer(found).data)

    def changed(self, whose: Whose, said: dict[str, Any]) -> Response:
        again(alias(), lambda: _keep(whose, said))
        return self.shown(whose)


def _keep(whose: Whose, said: dict[str, Any]) -> None:
    """All of it, or nothing."""
    with transaction.atomic(using=alias()):
        if said.get("purposes"):
            PurposeChoice.objects.choose(whose, said["purposes"])
        if "quiet_hours" in said:
            QuietHours.objects.set(whose, said["quiet_hours"])


class Preferences(_PreferencesView):
    """What apps call: the preferences of the device, or of who is signed in."""

    permission_classes = [IsKnown]
    throttle_classes = [RegisterThrottle]

    @documented(
        operation_id="preferences",
        summary="Read or change one's own preferences",
        tags=["preferences"],
        request=AskedSerializer,
        responses={200: PreferencesSerializer},
        examples=[
            OpenApiExample(
                "a client: no offers on this device",
                {"deviceId": "ex6xc3igTBI:APA91bG", "purposes": {"offers": False}},
                request_only=True,
            ),
            OpenApiExample(
                "a server: no offers for one of its users",
                {"userId": "5058c666474f050906000001", "purposes": {"offers": False}},
                request_only=True,
            ),
        ],
    )
    def post(self, request: Request, app_key: str) -> Response:
        """A client key shows and changes those of the device whose token or id it gives.

        A signed-in user those of one of the own devices, or (without a device) those that hold on
        all of them; a server key those of any device or user. It is a POST, so that no device
        token stands in an address.
        """
        application = self.known_caller.application_named(app_key)
        serializer = AskedSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        said = dict(serializer.validated_data)
        return self.changed(self._whose(application, said), said)

    def _whose(self, application: Application, said: dict[str, Any]) -> Whose:
        caller = self.known_caller
        token, public_id = said.pop("deviceId", ""), said.pop("installation", "")
        user_key = said.pop("userId", "")
        if user_key and not caller.is_server:
            message = _("Only a server key speaks for other users: leave userId out.")
            raise ValidationError({"userId": [message]}, code="other_user")
        if sum(map(bool, (token, public_id, user_key))) > 1:
            message = _("Give one of deviceId, installation and userId.")
            raise ValidationError({"deviceId": [message]}, code="contradiction")
        if token or public_id:
            device = self._device(_devices(application, token, public_id))
            return Whose(
                application=application,
                installation=device,
                tells_user=caller.is_server or _is_users(application, device),
            )
        if not user_key and not isinstance(caller, UserCaller):
            message = _("Say which device: give its deviceId, or its id as installation.")
            raise ValidationError({"deviceId": [message]}, code="missing_field")
        return Whose(application=application, user_key=user_key or _own_key(caller))

    def _device(self, found: QuerySet[Installation]) -> Installation:
        caller = self.known_caller
        if isinstance(caller, UserCaller):
            found = found.filter(user_key=_own_key(caller), user_verified=True)
        device = found.first()
        if device is None:
            text = _("No such device is registered here. Register it first.")
            raise NotFound(text, code="unknown_device")
        return device


class UserPreferences(_PreferencesView):
    needs = {
        "get": Need("view_installation"),
        "patch": Need("change_installation", Role.EDITOR),
    }

    @property
    def need(self) -> Need | None:
        """None for oneself."""
        if self.kwargs.get("user") == ME and isinstance(self.caller, UserCaller):
            return None
        return self.needs.get(str(self.request.method).lower())

    @documented(
        operation_id="user_preferences",
        summary="A user's preferences",
        tags=["preferences"],
        parameters=[_APPLICATION],
        responses={200: PreferencesSerializer},
    )
    def get(self, request: Request, user: str) -> Response:
        """They hold on all of the user's devices. “me” is who is signed in."""
        return self.shown(self._whose(user, request))

    @documented(
        operation_id="change_user_preferences",
        summary="Change a user's preferences",
        tags=["preferences"],
        parameters=[_APPLICATION],
        request=ChangedSerializer,
        responses={200: PreferencesSerializer},
        examples=[_OFFERS],
    )
    def patch(self, request: Request, user: str) -> Response:
        """What is left out stays as it is."""
        whose = self._whose(user, request)
        serializer = ChangedSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return self.changed(whose, dict(serializer.validated_data))

    def _whose(self, user: str, request: Request) -> Whose:
        caller, key = self.known_caller, request.query_params.get("application")
        if self.need is None:
            if not key:
                message = _("Say which application: give its key.")
                raise ValidationError({"application": [message]}, code="missing_field")
            return Whose(application=caller.application_named(key), user_key=_own_key(caller))
        return Whose(application=chosen_application(self, key), user_key=user)


class DevicePreferences(_PreferencesView):
    needs = {
        "get": Need("view_installation"),
        "patch": Need("change_installation", Role.EDITOR),
    }

    @property
    def need(self) -> Need | None:
        return self.needs.get(str(self.request.method).lower())

    @documented(
        operation_id="device_preferences",
        summary="A device's preferences",
        tags=["preferences"],
        responses={200: PreferencesSerializer},
    )
    def get(self, request: Request, id: str) -> Response:
        """Its own, and whether pushes come with what its user has chosen."""
        return self.shown(self._whose(id))

    @documented(
        operation_id="change_device_preferences",
        summary="Change a device's preferences",
        tags=["preferences"],
        request=ChangedSerializer,
        responses={200: PreferencesSerializer},
        examples=[_OFFERS],
    )
    def patch(self, request: Request, id: str) -> Response:
        """What is left out stays as it is."""
        whose = self._whose(id)
        serializer = ChangedSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return self.changed(whose, dict(serializer.validated_data))

    def _whose(self, public_id: str) -> Whose:
        rows = Installation.objects.select_related("application").filter(public_id=public_id)
        device = self.known_caller.narrow(rows).first()
        if device is None:
            raise NotFound
        self.check_role(device.application)
        return Whose(application=device.application, installation=device)


def _is_users(application: Application, device: Installation) -> bool:
    """Whether its app may learn what its user chose: not of whom it merely claims to be."""
    return device.user_verified or application.trust_client_user_ids


def _own_key(caller: Any) -> str:
    return str(caller.user.pk)


def _devices(application: Application, token: str, public_id: str) -> QuerySet[Installation]:
    """The device with a token, or an id, in an application: by an index."""
    rows = Installation.objects.filter(application=application)
    if public_id:
        return rows.filter(public_id=public_id)
    # As it is stored: Apple's in lower case, a Firebase installation id with its mark.
    spellings = {address_hash(text) for text in (token, token.lower(), f"fid:{token}")}
    networks = set(DEVICE_TYPES.values())
    return rows.filter(provider__in=networks, address_hash__in=spellings).order_by("pk")
