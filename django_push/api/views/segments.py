"""Saved audiences."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from ...audience import Audience
from ...conf import alias
from ...counting import count_segment
from ...models import Role, Segment
from ..callers import Need
from ..filters import SegmentFilter
from ..openapi import documented
from ..serializers.audiences import CountSerializer
from ..serializers.segments import (
    ChangedSegmentSerializer,
    NewSegmentSerializer,
    SegmentSerializer,
)
from .base import PushViewSet, chosen_application

__all__ = ["SegmentViewSet"]

_SEND = Need("send_notification", Role.SENDER)


@documented(tags=["segments"])
@extend_schema_view(
    list=documented(summary="Segments, newest first"),
    retrieve=documented(summary="One segment"),
)
class SegmentViewSet(ListModelMixin, RetrieveModelMixin, PushViewSet[Segment]):
    queryset = Segment.objects.select_related("application").order_by()
    serializer_class = SegmentSerializer
    filterset_class = SegmentFilter
    needs = {
        "list": Need("view_segment"),
        "retrieve": Need("view_segment"),
        "count": Need("view_segment", Role.EDITOR),
        "create": Need("add_segment", Role.EDITOR),
        "partial_update": Need("change_segment", Role.EDITOR),
        "destroy": Need("delete_segment", Role.EDITOR),
    }

    @documented(
        summary="Save an audience",
        request=NewSegmentSerializer,
        responses={201: SegmentSerializer},
        examples=[
            OpenApiExample(
                "seen lately",
                {
                    "key": "regulars",
                    "name": "Regulars",
                    "audience": {"where": {"badge": {"$gt": 0}}, "device_types": ["ios"]},
                },
                request_only=True,
            )
        ],
    )
    def create(self, request: Request) -> Response:
        """From then on it may stand in the ``segments`` of an audience, by its key."""
        serializer = NewSegmentSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        said = dict(serializer.validated_data)
        application = chosen_application(self, said.pop("application", None))
        segment = Segment(application=application, **said)
        try:
            with transaction.atomic(using=alias()):
                segment.save(using=alias(), force_insert=True)
        except IntegrityError:
            text = _(
                "There is a segment with this key already. Change that one, or choose another."
            )
            raise ValidationError({"key": [text]}, code="key_taken") from None
        return Response(self.get_serializer(segment).data, status=status.HTTP_201_CREATED)

    @documented(
        summary="Change a segment",
        request=ChangedSegmentSerializer,
        responses={200: SegmentSerializer},
        examples=[
            OpenApiExample(
                "other channels", {"audience": {"channels": ["matinee"]}}, request_only=True
            )
        ],
    )
    def partial_update(self, request: Request, id: str) -> Response:
        """Its key stays. Pushes that were confirmed before keep what they were confirmed with;
        one that repeats takes the change up from the push after its next."""
        segment = self.get_object()
        self.check_role(segment.application)
        serializer = ChangedSegmentSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        said = serializer.validated_data
        if "audience" in said:
            self._check_repeated(segment)
        for name, value in said.items():
            setattr(segment, name, value)
        segment.save(using=alias(), update_fields=[*said, "updated_at"])
        return Response(self.get_serializer(segment).data)

    @documented(summary="Delete a segment", responses={204: OpenApiResponse(description="Gone.")})
    def destroy(self, request: Request, id: str) -> Response:
        """409 while a message that is still to be sent names it."""
        segment = self.get_object()
        self.check_role(segment.application)
        segment.remove()
        return Response(status=status.HTTP_204_NO_CONTENT)

    @documented(summary="Count a segment", request=None, responses={200: CountSerializer})
    @action(detail=True, methods=["post"])
    def count(self, request: Request, id: str) -> Response:
        """Exact; kept with the segment as ``devices`` and ``counted_at``."""
        segment = self.get_object()
        self.check_role(segment.application)
        counted: dict[str, Any] = asdict(count_segment(segment))
        words = Audience.from_json(segment.audience).in_words()
        return Response(CountSerializer({**counted, "in_words": words}).data)

    def _check_repeated(self, segment: Segment) -> None:
        """Who may not send, may not change whom a message reaches that goes out by itself."""
        if segment.repeated_by():
            self.known_caller.check(_SEND)
            self.known_caller.check_role(segment.application, _SEND)
