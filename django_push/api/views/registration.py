"""``POST <app key>/register-device`` and ``unregister-device``, as Kinvey has them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from ...models import Application, Installation, Owner
from ..base import IsKnown, PushView
from ..errors import naming
from ..fields import StrictSerializer
from ..openapi import documented
from ..quick import is_unchanged
from ..serializers.registration import (
    OwnDeviceSerializer,
    RegistrationSerializer,
    UnregistrationSerializer,
)
from ..throttles import RegisterThrottle

__all__ = ["RegisterDevice", "UnregisterDevice"]

_WIRE_NAMES = {
    "address": "deviceId",
    "device_type": "platform",
    "previous_address": "previousDeviceId",
}
_PREFERENCE = "return=representation"
"""RFC 7240: for apps that want to know their device's id. Kinvey's get an empty answer."""
_DONE = OpenApiResponse(description="Done, now or before: the same request twice is one device.")
_TOKEN = "01c5b7eec38298164e2f0b3b1f2c5a7c9e0d1a2b3c4d5e6f708192a3b4c5d6e7"  # noqa: S105


class _RegistrationView(PushView):
    permission_classes = [IsKnown]
    throttle_classes = [RegisterThrottle]
    body_limit: ClassVar[int] = 65_536
    serializer_class: ClassVar[type[StrictSerializer]]

    def read(
        self, request: Request, app_key: str
    ) -> tuple[Application, Owner | None, dict[str, Any]]:
        """The application in the path, whose device it is, and what the body says."""
        application = self.known_caller.application_named(app_key)
        serializer = self.serializer_class(data=request.data)
        serializer.is_valid(raise_exception=True)
        said = dict(serializer.validated_data)
        said["device_type"] = said.pop("platform")
        return application, self.known_caller.owner(said.pop("user_id", "")), said


class RegisterDevice(_RegistrationView):
    serializer_class = RegistrationSerializer

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """A registration that changes nothing needs no more than to be told so."""
        quick = request.method == "POST" and "HTTP_PREFER" not in request.META
        if quick and is_unchanged(request, kwargs["app_key"]):
            return HttpResponse(status=status.HTTP_204_NO_CONTENT)
        return super().dispatch(request, *args, **kwargs)

    @documented(
        operation_id="register_device",
        tags=["registration"],
        request=RegistrationSerializer,
        parameters=[
            OpenApiParameter(
                "Prefer",
                location=OpenApiParameter.HEADER,
                description="`return=representation`: answer 200 with the device and its id.",
            )
        ],
        responses={
            200: OpenApiResponse(OwnDeviceSerializer, "The device, when it was asked for."),
            204: _DONE,
        },
        examples=[
            OpenApiExample(
                "a client",
                {"platform": "ios", "deviceId": _TOKEN, "channels": ["news"], "locale": "de-AT"},
                request_only=True,
            ),
            OpenApiExample(
                "a server, for one of its users",
                {"platform": "ios", "deviceId": _TOKEN, "userId": "5058c666474f050906000001"},
                request_only=True,
            ),
        ],
    )
    def post(self, request: Request, app_key: str) -> Response:
        """Register a device, or tell what changed about it.

        A device that comes back under another proved user moves to that user.
        """
        application, owner, said = self.read(request, app_key)
        with naming(**_WIRE_NAMES):
            device = Installation.objects.register(application, owner=owner, **said)
        if _PREFERENCE not in request.headers.get("Prefer", ""):
            return Response(status=status.HTTP_204_NO_CONTENT)
        shown = OwnDeviceSerializer(device).data
        return Response(shown, headers={"Preference-Applied": _PREFERENCE})


class UnregisterDevice(_RegistrationView):
    serializer_class = UnregistrationSerializer

    @documented(
        operation_id="unregister_device",
        tags=["registration"],
        request=UnregistrationSerializer,
        responses={204: _DONE},
        examples=[
            OpenApiExample("a client", {"platform": "ios", "deviceId": _TOKEN}, request_only=True),
        ],
    )
    def post(self, request: Request, app_key: str) -> Response:
        """Switch a device off and unbind it from its user.

        With proved credentials only a device of that user; an unknown one is no error.
        """
        application, owner, said = self.read(request, app_key)
        with naming(**_WIRE_NAMES):
            Installation.objects.unregister(application, owner=owner, **said)
        return Response(status=status.HTTP_204_NO_CONTENT)
