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
from ...models import (
    Application,
    DeliveryFailure,
    Notification,
    PushHistory,
    Role,
    Segment,
)
from ..base import PushView
from ..callers import Caller, Need
from ..filters import FailureFilter, HistoryFilter, NotificationFilter
from ..openapi import documented
from ..serializers.audiences import CountedSerializer, CountSerializer
from ..serializers.pushes import (
    FailureSerializer,
    HistoryDetailSerializer,
    HistorySerializer,
    ManyPushesSerializer,
    ManySerializer,
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
_COLUMNS = (
    *("name", "audience", "variables"),
    *("send_at", "local_time", "recurrence", "expires_at", "time_to_live", "rate"),
    *("purpose", "transactional"),
)


class CountView(PushView):
    """How many devices an audience has, before anything is sent."""

    needs = {"count": Need("add_notification", Role.EDITOR)}
    action = "count"

    @documented(
        operation_id="audience_count",
        summary="Count an audience",
        tags=["notifications"],
        request=CountedSerializer,
        responses={200: CountSerializer},
        examples=[
            OpenApiExample("a channel", {"audience": {"channels": ["news"]}}, request_only=True)
        ],
    )
    def post(self, request: Request) -> Response:
        """Exact, and in words."""
        serializer = CountedSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        said = serializer.validated_data
        application = chosen_application(self, said.get("application"))
        audience = Segment.objects.resolve(application, Audience.from_json(said["audience"]))
        asked = _asked(application, said, self.known_caller)
        counted = submission.count(
            application, audience.to_json(), submission.zones_for(asked), notification=asked
        )
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
        "batch": _SEND,
        "cancel": _SEND,
        "pause": _SEND,
        "resume": _SEND,
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
        remembered = said.pop("idempotency_seconds", None)
        push = submission.submit(
            _compose(application, said, self.known_caller),
            idempotency_key=_idempotency_key(request),
            idempotency_seconds=remembered,
            by=self.known_caller.label,
            source="api",
        )
        return Response(_history(push), status=status.HTTP_201_CREATED)

    @documented(
        summary="Send several pushes at once",
        request=ManySerializer,
        responses={201: ManyPushesSerializer},
        examples=[
            OpenApiExample(
                "two orders",
                {
                    "pushes": [
                        {"body": "On its way.", "audience": {"users": ["42"]}},
                        {"body": "Delivered.", "audience": {"users": ["43"]}},
                    ]
                },
                request_only=True,
            )
        ],
    )
    @action(detail=False, methods=["post"])
    def batch(self, request: Request) -> Response:
        """Different words for different people; all are sent, or none."""
        _refuse_one_key(request)
        serializer = ManySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        application = chosen_application(self, serializer.validated_data.get("application"))
        told = [dict(each) for each in serializer.validated_data["pushes"]]
        keys = [each.pop("idempotency_key", "") for each in told]
        pushes = submission.submit_many(
            [_compose(application, each, self.known_caller) for each in told],
            idempotency_keys=keys,
            by=self.known_caller.label,
            source="api",
        )
        answer = ManyPushesSerializer({"pushes": [str(push.public_id) for push in pushes]})
        return Response(answer.data, status=status.HTTP_201_CREATED)

    @documented(
        summary="Cancel what is not sent yet",
        request=None,
        responses={200: NotificationSerializer},
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, id: str) -> Response:
        """Devices that it reached already keep it. One that repeats is not repeated any more; a
        sending of it that is under way goes on, and is cancelled under ``/history/``."""

        def stop(notification: Notification, by: str) -> None:
            if notification.recurrence:
                delivery.stop_series(notification, by)
            else:
                delivery.cancel(_last_push(notification), by)

        return self._controlled(stop)

    @documented(
        summary="Pause a message that repeats",
        request=None,
        responses={200: NotificationSerializer},
    )
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, id: str) -> Response:
        """Nothing more of it is sent until it is resumed."""
        return self._controlled(delivery.pause_series)

    @documented(
        summary="Resume a message that repeats",
        request=None,
        responses={200: NotificationSerializer},
    )
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, id: str) -> Response:
        """From its next moment on; what was missed is not sent."""
        return self._controlled(delivery.resume_series)

    def _controlled(self, verb: Any) -> Response:
        notification = self.get_object()
        self.check_role(notification.application)
        verb(notification, by=self.known_caller.label)
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


def _asked(application: Application, said: dict[str, Any], caller: Caller) -> Notification:
    """A message that says nothing yet, to count for."""
    columns = {name: said[name] for name in _COLUMNS if name in said and name != "audience"}
    asked = Notification(application=application, sees_claims=caller.is_server, **columns)
    submission.read_clock(asked)
    return asked


def _compose(application: Application, said: dict[str, Any], caller: Caller) -> Notification:
    columns = {name: said.pop(name) for name in _COLUMNS if name in said}
    content = Message.from_content(said).to_content()
    return Notification(
        application=application,
        # The stubs know the model of the tests' settings; the host project may have another.
        created_by=caller.user,  # type: ignore[misc]
        sees_claims=caller.is_server,
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


def _refuse_one_key(request: Request) -> None:
    """A key that was passed over in silence would send everything twice."""
    if "Idempotency-Key" in request.headers:
        message = _("Give each of these pushes an idempotency_key of its own, not one to all.")
        raise ValidationError({"Idempotency-Key": [message]}, code="wrong_value")


def _last_push(notification: Notification) -> PushHistory:
    push = notification.pushes.order_by("-pk").first()
    if push is None:
        raise NotAllowed(_("This message was not sent: there is nothing to cancel."))
    return push
