"""A device's history: what became of each push to it, and why another was not for it."""

from __future__ import annotations

from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from ...models import Installation, PushHistory
from ...traces import trace_of, why_absent
from ..callers import Need
from ..filters import TraceFilter
from ..openapi import documented
from ..pagination import TracePagination
from ..serializers.traces import CheckedSerializer, TraceSerializer
from .base import PushViewSet

__all__ = ["TraceViewSet"]


class TraceViewSet(PushViewSet[Installation]):
    """Under ``installations/<id>/history/``."""

    queryset = Installation.objects.select_related("application")
    filterset_class = TraceFilter
    pagination_class = TracePagination
    serializer_class = TraceSerializer
    needs = {"list": Need("view_pushhistory"), "retrieve": Need("view_pushhistory")}

    @documented(
        operation_id="installation_history",
        summary="Pushes to a device, newest first",
        tags=["installations"],
        responses={200: TraceSerializer(many=True)},
    )
    def list(self, request: Request, id: str) -> Response:
        """What became of each. A page may hold fewer than asked for and not be the last: follow
        `next`."""
        pages = TracePagination()
        traces = pages.traces(self._device(), request)
        shown = TraceSerializer(traces, many=True)
        return pages.get_paginated_response(list(shown.data))

    @documented(
        operation_id="installation_history_check",
        summary="Why a device did, or did not, get a push",
        tags=["installations"],
        responses={200: CheckedSerializer},
    )
    def retrieve(self, request: Request, id: str, push: str) -> Response:
        """Any push of the application: what became of it, or why it was not for this device."""
        device = self._device()
        pushes = PushHistory.objects.filter(application=device.application_id)
        history = get_object_or_404(pushes, public_id=push)
        found = trace_of(device, history) or why_absent(device, history)
        return Response(CheckedSerializer(found).data)

    def _device(self) -> Installation:
        self.known_caller.check(Need("view_installation"))
        device: Installation = self.get_object()
        return device
