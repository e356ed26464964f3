"""Applications and devices."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema_view
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from ...models import Application, Installation, Owner, Role
from ..callers import Need
from ..errors import naming
from ..filters import ApplicationFilter, InstallationFilter
from ..openapi import documented
from ..serializers.installations import (
    ApplicationSerializer,
    InstallationSerializer,
    NewInstallationSerializer,
)
from ..serializers.registration import DetailsSerializer
from .base import PushViewSet, chosen_application

__all__ = ["INSTALLATION_ID", "ApplicationViewSet", "InstallationViewSet"]

INSTALLATION_ID = "[0-9A-Za-z_-]{1,24}"
"""Ours are 24 hex digits; a device that was imported keeps the one that its app knows."""


@documented(tags=["applications"])
@extend_schema_view(
    list=documented(summary="The applications you may see"),
    retrieve=documented(summary="One application"),
)
class ApplicationViewSet(ListModelMixin, RetrieveModelMixin, PushViewSet[Application]):
    queryset = Application.objects.order_by()
    serializer_class = ApplicationSerializer
    filterset_class = ApplicationFilter
    lookup_field = "key"
    lookup_url_kwarg = "key"
    lookup_value_regex = "[^/\\x00]{1,191}"
    needs = {"list": Need("view_application"), "retrieve": Need("view_application")}

    def narrowed(self, rows: QuerySet[Application]) -> QuerySet[Application]:
        return rows.filter(pk__in=self.known_caller.application_ids.values())


@documented(tags=["installations"])
@extend_schema_view(
    list=documented(summary="Devices, newest first"),
    retrieve=documented(summary="One device"),
)
class InstallationViewSet(ListModelMixin, RetrieveModelMixin, PushViewSet[Installation]):
    queryset = Installation.objects.select_related("application").prefetch_related("subscriptions")
    serializer_class = InstallationSerializer
    lookup_value_regex = INSTALLATION_ID
    filterset_class = InstallationFilter
    needs = {
        "list": Need("view_installation"),
        "retrieve": Need("view_installation"),
        "create": Need("add_installation", Role.MANAGER),
        "partial_update": Need("change_installation", Role.EDITOR),
    }

    @documented(
        summary="Register a device",
        request=NewInstallationSerializer,
        responses={
            200: OpenApiResponse(InstallationSerializer, "It is registered, now or before.")
        },
        examples=[
            OpenApiExample(
                "a device of a user",
                {"platform": "android", "token": "ex6xc3igTBI:APA91bG", "user": "42"},
                request_only=True,
            )
        ],
    )
    def create(self, request: Request) -> Response:
        """The same device twice is one row; what is left out stays as it was."""
        serializer = NewInstallationSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        said = dict(serializer.validated_data)
        application = chosen_application(self, said.pop("application", None))
        return self._shown(_register(application, said))

    @documented(
        summary="Change a device's channels or attributes",
        request=DetailsSerializer,
        responses={200: InstallationSerializer},
        examples=[OpenApiExample("channels", {"channels": ["news", "sport"]}, request_only=True)],
    )
    def partial_update(self, request: Request, id: str) -> Response:
        """Each replaces what was there before."""
        installation = self.get_object()
        self.check_role(installation.application)
        serializer = DetailsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            installation.change(**serializer.validated_data)
        except Installation.DoesNotExist:  # deleted since it was looked up
            raise NotFound from None
        return self._shown(installation)

    def _shown(self, installation: Installation) -> Response:
        fresh = self.get_queryset().get(pk=installation.pk)
        return Response(self.get_serializer(fresh).data, status=status.HTTP_200_OK)


def _register(application: Application, said: dict[str, Any]) -> Installation:
    user = said.pop("user", "")
    owner = Owner.vouched(user) if user else None
    with naming(address="token", device_type="platform"):
        return Installation.objects.register(
            application, device_type=said.pop("platform"), owner=owner, **said
        )
