"""``<app key>/devices/<id>``: what an app may see and do about the device that it runs on.

The id is 96 random bits that only the app and its servers hold: who shows it is the device.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from ...delivery import count_open
from ...exceptions import NotAllowed
from ...models import Installation
from ..base import IsKnown, PushView
from ..callers import Caller
from ..errors import naming
from ..openapi import documented
from ..serializers.registration import (
    OpenedSerializer,
    OwnDetailsSerializer,
    OwnDeviceSerializer,
    UnregistrationSerializer,
)
from ..throttles import RegisterThrottle

__all__ = ["FindDevice", "OpenedView", "OwnDevice"]

_WIRE_NAMES = {
    "address": "deviceId",
    "device_type": "platform",
    "time_zone": "timeZone",
    "app_version": "appVersion",
}


class _OwnDeviceView(PushView):
    permission_classes = [IsKnown]
    throttle_classes = [RegisterThrottle]
    body_limit = 65_536

    def device(self, app_key: str, id: str) -> Installation:
        """The device with this id; for everybody who may not have it there is none."""
        application = self.known_caller.application_named(app_key)
        rows = Installation.objects.filter(application=application, public_id=id)
        return _existing(self.known_caller, rows.first())


class OwnDevice(_OwnDeviceView):
    @documented(
        operation_id="own_device_read", tags=["own device"], responses={200: OwnDeviceSerializer}
    )
    def get(self, request: Request, app_key: str, id: str) -> Response:
        """Neither the user nor the device token are told: who finds an id must not learn them."""
        return Response(OwnDeviceSerializer(self.device(app_key, id)).data)

    @documented(
        operation_id="own_device_change",
        tags=["own device"],
        request=OwnDetailsSerializer,
        responses={200: OwnDeviceSerializer},
        examples=[
            OpenApiExample("the badge was seen", {"badge": 0}, request_only=True),
            OpenApiExample(
                "other channels",
                {"addChannels": ["sport"], "removeChannels": ["news"]},
                request_only=True,
            ),
            OpenApiExample("no pushes, please", {"enabled": False}, request_only=True),
        ],
    )
    def patch(self, request: Request, app_key: str, id: str) -> Response:
        """Change channels, badge, texts about the device, or whether it gets pushes."""
        device = self.device(app_key, id)
        serializer = OwnDetailsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        said = dict(serializer.validated_data)
        if "enabled" in said:
            said |= _switched(device, said.pop("enabled"))
        try:
            with naming(**_WIRE_NAMES):
                device.change(**said)
        except Installation.DoesNotExist:  # deleted since it was looked up
            _existing(self.known_caller, None)
        return Response(OwnDeviceSerializer(device).data)


class FindDevice(_OwnDeviceView):
    @documented(
        operation_id="own_device_find",
        tags=["own device"],
        request=UnregistrationSerializer,
        responses={200: OwnDeviceSerializer},
        examples=[
            OpenApiExample(
                "by its token", {"platform": "ios", "deviceId": "01c5b7eec382"}, request_only=True
            )
        ],
    )
    def post(self, request: Request, app_key: str) -> Response:
        """The device with this token, for an app that does not know its id."""
        application = self.known_caller.application_named(app_key)
        serializer = UnregistrationSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        said: dict[str, Any] = serializer.validated_data
        with naming(**_WIRE_NAMES):
            found = Installation.objects.at_address(
                application,
                device_type=said["platform"],
                address=said["address"],
                provider=said.get("provider", ""),
            )
        return Response(OwnDeviceSerializer(_existing(self.known_caller, found)).data)


class OpenedView(_OwnDeviceView):
    @documented(
        operation_id="own_device_opened",
        tags=["own device"],
        request=OpenedSerializer,
        responses={204: OpenApiResponse(description="It is counted, now or before.")},
        examples=[
            OpenApiExample(
                "opened", {"pushId": "0b7c3d0e-6a0f-4a7e-9d57-2f1f9f0c2f11"}, request_only=True
            )
        ],
    )
    def post(self, request: Request, app_key: str, id: str) -> Response:
        """Report that a push was opened: each device counts once, however often it tells."""
        device = self.device(app_key, id)
        serializer = OpenedSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        count_open(device, serializer.validated_data["pushId"])
        return Response(status=status.HTTP_204_NO_CONTENT)


def _existing(caller: Caller, device: Installation | None) -> Installation:
    """``device``, if there is one and ``caller`` may have it: a user only has their own."""
    if device is None or not caller.may_hold(device):
        raise NotFound(
            _(
                "There is no such device of yours in this application. Register it again and keep "
                "the id of the answer."
            ),
            code="unknown_installation",
        )
    return device


def _switched(device: Installation, enabled: bool) -> dict[str, Any]:
    """The columns that say so. What staff switched off only they switch on again."""
    off_by_staff = device.inactive_reason == Installation.Reason.STAFF
    if not enabled:
        return (
            {}
            if off_by_staff
            else {
                "is_active": False,
                "inactive_reason": Installation.Reason.OPTED_OUT,
            }
        )
    if off_by_staff:
        raise NotAllowed(
            _("Staff switched this device off, and only they can switch it on again."),
            code="switched_off",
            field="enabled",
        )
    return {"is_active": True}
