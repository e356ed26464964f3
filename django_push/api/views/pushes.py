"""Sending, counting before it, and watching what becomes of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema_view,
)
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from ... import delivery, submission
from ...audience import Audience
from ...exceptions import NotAllowed
from ...messages import Message
from ...models import Application, DeliveryFailure, Notification, PushHistory, Role
from ..base import PushView
from ..callers import Need
from ..filters import FailureFilter, HistoryFilter, NotificationFilter
from ..openapi import documented
from ..serializers.pushes import (
    AudienceSerializer,
    CountSerializer,
    FailureSerializer,
    HistoryDetailSerializer,
    HistorySerializer,
    NewNotificationSerializer,
    NotificationSerializer,
)
from .base import PushViewSet, chosen_application

__all__ = ["PUSH_ID", "CountView", "FailureViewSet", "HistoryViewSet", "NotificationViewSet"]

PUSH_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SEND = Need("send_notification", Role.SENDER)
_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="At most 191 characters. The same request with the same key within a day sends "
    "once and gets the same answer; another request with it is a 409.",
)
_COLUMNS = ("name", "audience", "variables", "send_at", "expires_at", "time_to_live", "rate")


class CountView(PushView):
    """How many devices an audience has, before anything is sent."""

    needs = {"count": Need("add_notification", Role.EDITOR)}
    action = "count"

    @documented(
        operation_id="audience_count",
        summary="Count an audience",
        tags=["notifications"],
        request=AudienceSerializer,
        responses={200: CountSerializer},
        examples=[
            OpenApiExample("a channel", {"audience": {"channels": ["news"]}}, request_only=True)
        ],
    )
    def post(self, request: Request) -> Response:
        """Exact, and in words."""
        serializer = AudienceSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        said = serializer.validated_data
        application = chosen_application(self, said.get("application"))
        audience = Audience.from_json(said["audience"])
        counted = submission.count(application, audience.to_json())
        shown = CountSerializer({**asdict(counted), "in_words": audience.in_words()})
        return Response(shown.data)


@documented(tags=["notifications"])
@extend_schema_view(
    list=documented(summary="Messages, newest first"),
    retrieve=documented(summary="One message"),
)
class NotificationViewSet(ListModelMixin, RetrieveModelMixin, PushViewSet[Notification]):
    queryset = Notification.objects.select_related("application").prefetch_related("pushes")
    serializer_class = NotificationSerializer
    filterset_class = NotificationFilter
    needs = {
        "list": Need("view_notification"),
        "retrieve": Need("view_notification"),
        "create": _SEND,
        "cancel": _SEND,
    }

    @documented(
        summary="Send a push",
        parameters=[_KEY],
        request=NewNotificationSerializer,
        responses={201: HistorySerializer},
        examples=[
            OpenApiExample(
                "everyone",
                {"title": "Hello", "body": "It works.", "audience": {"everyone": True}},
                request_only=True,
            ),
            OpenApiExample(
                "a user, tomorrow",
                {
                    "body": "Your table is free.",
                    "audience": {"users": ["42"]},
                    "send_at": "2027-01-12T08:00:00Z",
                    "time_to_live": 3600,
                },
                request_only=True,
            ),
        ],
    )
    def create(self, request: Request) -> Response:
        """Now, or at ``send_at``. The answer is the push; watch it under ``/history/``."""
        serializer = NewNotificationSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        said = dict(serializer.validated_data)
        application = chosen_application(self, said.pop("application", None))
        push = submission.submit(
            _compose(application, said, self.known_caller.user),
            idempotency_key=_idempotency_key(request),
            by=self.known_caller.label,
            source="api",
        )
        return Response(_history(push), status=status.HTTP_201_CREATED)

    @documented(
        summary="Cancel what is not sent yet",
        request=None,
        responses={200: NotificationSerializer},
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, id: str) -> Response:
        """Devices that it reached already keep it."""
        notification = self.get_object()
        self.check_role(notification.application)
        delivery.cancel(_last_push(notification), by=self.known_caller.label)
        return Response(self.get_serializer(self.get_object()).data)


@documented(tags=["history"])
@extend_schema_view(
    list=documented(summary="Pushes, newest first"),
    retrieve=documented(summary="One push and its progress", responses=HistoryDetailSerializer),
)
class HistoryViewSet(ListModelMixin, RetrieveModelMixin, PushViewSet[PushHistory]):
    queryset = PushHistory.objects.select_related("application", "notification").defer(
        "plan_cursor"
    )
    filterset_class = HistoryFilter
    lookup_value_regex = PUSH_ID
    needs = {
        "list": Need("view_pushhistory"),
        "retrieve": Need("view_pushhistory"),
        "cancel": _SEND,
        "pause": _SEND,
        "resume": _SEND,
    }

    def get_serializer_class(self) -> Any:
        return HistorySerializer if self.action == "list" else HistoryDetailSerializer

    @documented(summary="Stop a push", request=None, responses=HistoryDetailSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, id: str) -> Response:
        """For good. Devices that it reached already keep it."""
        return self._controlled(delivery.cancel)

    @documented(summary="Pause a push", request=None, responses=HistoryDetailSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, id: str) -> Response:
        """Until it is resumed."""
        return self._controlled(delivery.pause)

    @documented(summary="Resume a push", request=None, responses=HistoryDetailSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, id: str) -> Response:
        """It goes on with the devices that it did not reach yet."""
        return self._controlled(delivery.resume)

    def _controlled(self, verb: Any) -> Response:
        push = self.get_object()
        self.check_role(push.application)
        verb(push, by=self.known_caller.label)
        return Response(self.get_serializer(self.get_object()).data)


@documented(tags=["history"])
@extend_schema_view(
    list=documented(
        operation_id="history_failures", summary="Devices that a push did not reach, newest first"
    )
)
class FailureViewSet(ListModelMixin, PushViewSet[DeliveryFailure]):
    queryset = DeliveryFailure.objects.select_related("installation")
    serializer_class = FailureSerializer
    filterset_class = FailureFilter
    needs = {"list": Need("view_deliveryfailure")}

    def narrowed(self, rows: QuerySet[DeliveryFailure]) -> QuerySet[DeliveryFailure]:
        pushes = self.known_caller.narrow(PushHistory.objects.all())
        return rows.filter(history=get_object_or_404(pushes, public_id=self.kwargs["id"]))


def _compose(application: Application, said: dict[str, Any], user: Any) -> Notification:
    columns = {name: said.pop(name) for name in _COLUMNS if name in said}
    content = Message.from_content(said).to_content()
    return Notification(
        application=application,
        created_by=user,
        texts=content.pop("texts", {}),
        overrides=content.pop("overrides", {}),
        content=content,
        **columns,
    )


def _history(push: PushHistory) -> Any:
    return HistorySerializer(push).data


def _idempotency_key(request: Request) -> str:
    key: str = request.headers.get("Idempotency-Key", "")
    if len(key) > 191 or not key.isprintable():
        message = _("An idempotency key has 1 to 191 printable characters, such as a UUID.")
        raise ValidationError({"Idempotency-Key": [message]}, code="wrong_value")
    return key


def _last_push(notification: Notification) -> PushHistory:
    push = notification.pushes.order_by("-pk").first()
    if push is None:
        raise NotAllowed(_("This message was not sent: there is nothing to cancel."))
    return push
