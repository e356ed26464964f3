"""``installations/bulk``: a thousand devices in one request, each with its own result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from ...exceptions import InvalidRegistration
from ...models import Application, Fate, Installation, Owner, Registered, Role
from ..callers import Need
from ..errors import refusal, renamed
from ..fields import StrictSerializer
from ..openapi import documented
from ..serializers.installations import (
    ManyChangesSerializer,
    ManyDevicesSerializer,
    NewInstallationSerializer,
    ResultsSerializer,
)
from ..serializers.registration import OneChangeSerializer
from .base import PushViewSet, chosen_application

__all__ = ["InstallationBulkViewSet"]

_WIRE_NAMES = {
    "address": "token",
    "device_type": "platform",
    "previous_address": "previous_token",
    "public_id": "id",
}
_RESULTS = OpenApiResponse(ResultsSerializer, "What became of each, in the same order.")

Told = list[dict[str, Any] | ValidationError]


@documented(tags=["installations"])
class InstallationBulkViewSet(PushViewSet[Installation]):
    queryset = Installation.objects.all()
    serializer_class = ResultsSerializer
    body_limit = 4_194_304
    needs = {
        "create": Need("add_installation", Role.MANAGER),
        "partial_update": Need("change_installation", Role.EDITOR),
    }

    @documented(
        summary="Register up to 1,000 devices",
        request=ManyDevicesSerializer,
        responses={200: _RESULTS},
        examples=[
            OpenApiExample(
                "two devices",
                {
                    "devices": [
                        {"platform": "android", "token": "ex6xc3igTBI:APA91bG", "user": "42"},
                        {"platform": "ios", "token": "01c5b7eec38298164e", "channels": ["news"]},
                    ]
                },
                request_only=True,
            )
        ],
    )
    def create(self, request: Request) -> Response:
        """As one by one, in their order, for a small part of the cost."""
        application, told = self._read(request, ManyDevicesSerializer, NewInstallationSerializer())
        users = {one["user"] for one in told if isinstance(one, dict) and one.get("user")}
        owners = Owner.vouched_many(users)
        for one in told:
            if isinstance(one, dict):
                one.pop("application", None)
                one["device_type"] = one.pop("platform")
                one["owner"] = owners.get(one.pop("user", ""))
        return _answer(told, lambda some: Installation.objects.register_many(application, some))

    @documented(
        summary="Change up to 1,000 devices",
        request=ManyChangesSerializer,
        responses={200: _RESULTS},
        examples=[
            OpenApiExample(
                "channels of one, the badge of another",
                {
                    "devices": [
                        {"id": "5f0c8a7d9be24c6c8f1f2a3b", "add_channels": ["sport"]},
                        {"id": "5f0c8a7d9be24c6c8f1f2a3c", "badge": 0},
                    ]
                },
                request_only=True,
            )
        ],
    )
    def partial_update(self, request: Request) -> Response:
        """What is left out stays as it is."""
        application, told = self._read(request, ManyChangesSerializer, OneChangeSerializer())
        return _answer(told, lambda some: Installation.objects.change_many(application, some))

    def _read(
        self, request: Request, whole: type[StrictSerializer], each: StrictSerializer
    ) -> tuple[Application, Told]:
        """The application, and what is told of each device or why it cannot be used."""
        serializer = whole(data=request.data)
        serializer.is_valid(raise_exception=True)
        application = chosen_application(self, serializer.validated_data.get("application"))
        return application, [_checked(each, item) for item in serializer.validated_data["devices"]]


def _checked(serializer: StrictSerializer, item: Any) -> dict[str, Any] | ValidationError:
    try:
        return dict(serializer.run_validation(item))
    except ValidationError as error:
        return error


def _answer(told: Told, do: Callable[[Sequence[Mapping[str, Any]]], list[Registered]]) -> Response:
    """Do what can be done, and put the results in the places of what was asked."""
    done = iter(do([one for one in told if isinstance(one, dict)]))
    results = [_shown(next(done)) if isinstance(one, dict) else _refused(one) for one in told]
    return Response({"results": results})


def _shown(done: Registered) -> dict[str, Any]:
    if done.error is not None:
        return _refused(renamed(done.error, _WIRE_NAMES))
    assert done.installation is not None
    return {"status": done.fate.value, "id": done.installation.public_id}


def _refused(error: ValidationError | InvalidRegistration) -> dict[str, Any]:
    return {"status": Fate.REFUSED.value, "error": refusal(error)}
