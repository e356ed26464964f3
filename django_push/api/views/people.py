"""One user's data: handed out, and erased."""

from __future__ import annotations

from collections.abc import Sequence

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ...models import Application, Role
from ...people import erase_user, export_user
from ..base import PushView
from ..callers import Need
from ..openapi import documented
from .base import chosen_application

__all__ = ["UserData"]

_APPLICATION = OpenApiParameter(
    "application", OpenApiTypes.STR, description="Its key; left out: all that you manage."
)


class ErasedSerializer(serializers.Serializer[dict[str, int]]):
    """What there was of a user."""

    devices = serializers.IntegerField(help_text="Deleted, with their channels and choices.")
    rows = serializers.IntegerField(help_text="All rows deleted, those devices among them.")
    rewritten = serializers.IntegerField(
        help_text="Messages, pushes and segments that named the user, and now do not."
    )


class UserData(PushView):
    """For server keys, and staff who manage an application."""

    needs = {
        "get": Need("view_installation", Role.MANAGER),
        "delete": Need("delete_installation", Role.MANAGER),
    }

    @property
    def need(self) -> Need | None:
        return self.needs.get(str(self.request.method).lower())

    @documented(
        operation_id="user_data",
        summary="Everything that is stored of a user",
        tags=["users"],
        parameters=[_APPLICATION],
        responses={200: OpenApiResponse(OpenApiTypes.OBJECT, "All of it.")},
    )
    def get(self, request: Request, user: str) -> Response:
        """Devices with all their columns and channels, what became of each push to them, choices,
        messages. Staff see the first characters of device tokens. A user whom nobody knows has
        none of it: that is no error."""
        whole = self.known_caller.is_server
        return Response(export_user(user, self._applications(request), whole_tokens=whole))

    @documented(
        operation_id="erase_user",
        summary="Erase a user",
        tags=["users"],
        parameters=[_APPLICATION],
        responses={200: ErasedSerializer},
    )
    def delete(self, request: Request, user: str) -> Response:
        """Afterwards nothing names the user. It cannot be undone; doing it twice is no error."""
        done = erase_user(user, self._applications(request))
        return Response(
            {
                "devices": done.deleted["Installation"],
                "rows": done.deleted.total(),
                "rewritten": done.rewritten.total(),
            }
        )

    def _applications(self, request: Request) -> Sequence[Application]:
        key = request.query_params.get("application")
        if key is not None:
            return [chosen_application(self, key)]
        return self.known_caller.applications(Role.MANAGER)
