"""The devices of one user: for servers and staff, and for whoever is signed in, one's own."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_view
from rest_framework.mixins import ListModelMixin

from ...models import Installation
from ..callers import ME, Need, UserCaller
from ..filters import UserDevicesFilter
from ..openapi import documented
from ..serializers.installations import InstallationSerializer
from .base import PushViewSet

__all__ = ["UserDevices"]


@extend_schema_view(
    list=documented(
        operation_id="user_devices",
        summary="A user's devices, newest first",
        description="“me” is who is signed in: then those on which that is proved, in all "
        "applications. For others also those that only claim to be the user's.",
        tags=["users"],
    )
)
class UserDevices(ListModelMixin, PushViewSet[Installation]):
    queryset = Installation.objects.select_related("application").prefetch_related("subscriptions")
    serializer_class = InstallationSerializer
    filterset_class = UserDevicesFilter

    @property
    def need(self) -> Need | None:
        """None for oneself."""
        return None if self._is_me else Need("view_installation")

    @property
    def _is_me(self) -> bool:
        return self.kwargs.get("user") == ME and isinstance(self.caller, UserCaller)

    def narrowed(self, rows: QuerySet[Installation]) -> QuerySet[Installation]:
        if self._is_me:
            user: Any = self.known_caller.user
            return rows.filter(user=user, user_verified=True)
        return super().narrowed(rows).filter(user_key=self.kwargs["user"])
