"""Purposes: what an application's pushes are about, and people may opt out of."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema_view
from rest_framework import status
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from ...models import Purpose, Role
from ..callers import Need
from ..filters import PurposeFilter
from ..openapi import documented
from ..serializers.purposes import NewPurposeSerializer, PurposeSerializer
from .base import PushViewSet, chosen_application

__all__ = ["PurposeViewSet"]


@documented(tags=["preferences"])
@extend_schema_view(list=documented(summary="What pushes are about, newest first"))
class PurposeViewSet(ListModelMixin, PushViewSet[Purpose]):
    queryset = Purpose.objects.select_related("application").order_by()
    serializer_class = PurposeSerializer
    filterset_class = PurposeFilter
    needs = {
        "list": Need("view_application"),
        "create": Need("change_application", Role.MANAGER),
    }

    @documented(
        summary="Declare a purpose, or change one",
        request=NewPurposeSerializer,
        responses={200: OpenApiResponse(PurposeSerializer, "It is declared, now or before.")},
        examples=[OpenApiExample("offers", {"key": "offers", "name": "Offers"}, request_only=True)],
    )
    def create(self, request: Request) -> Response:
        """The same key twice is one purpose; what is left out stays as it was."""
        serializer = NewPurposeSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        said = dict(serializer.validated_data)
        application = chosen_application(self, said.pop("application", None))
        row, _created = Purpose.objects.update_or_create(
            application=application, key=said.pop("key"), defaults=said
        )
        return Response(self.get_serializer(row).data, status=status.HTTP_200_OK)
