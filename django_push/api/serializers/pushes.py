"""Messages to send, and what became of them.

The fields of a message are checked by :class:`~django_push.messages.Message`, as for every other
face; here they are only named, with their types for the OpenAPI document.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ... import delivery
from ...messages import Priority, PushType, Status
from ...models import DeliveryFailure, Notification, PushHistory, State
from ...recurrence_words import repetition
from ..fields import Flag, JSONObject, Moment, MomentOrWall, StrictSerializer, Text, Whole
from .audiences import AUDIENCE, PURPOSE, SEND_AT, TRANSACTIONAL, as_given

__all__ = [
    "FailureSerializer",
    "HistoryDetailSerializer",
    "HistorySerializer",
    "ManyPushesSerializer",
    "ManySerializer",
    "NewNotificationSerializer",
    "NotificationSerializer",
]

MOST_TOGETHER = 500
"""Pushes in one request: with their texts about half a megabyte."""


def _text(description: str = "", **schema: Any) -> Any:
    return as_given(type="string", description=description, maxLength=65_536, **schema)


class ComposedSerializer(StrictSerializer):
    """The names are those of ``django_push.submission.compose``."""

    audience = as_given(required=True, **AUDIENCE)
    name = Text(required=False, allow_blank=True, help_text="For the team; devices never see it.")
    title = _text()
    subtitle = _text()
    body = _text()
    image = _text("https address of a picture.")
    link = _text("What a tap opens.")
    sound = _text("Name of a sound in the app, or “default”.")
    badge = as_given(type="integer", nullable=True, minimum=0, description="0 removes it.")
    badge_increment = as_given(type="integer")
    category = _text("The app's set of buttons.")
    thread_id = _text("Groups notifications on the device.")
    android_channel_id = _text()
    collapse_id = as_given(type="string", description="At most 64 bytes.", maxLength=64)
    priority = as_given(type="string", enum=[item.value for item in Priority])
    push_type = as_given(type="string", enum=[item.value for item in PushType])
    interruption_level = _text("passive, active, time-sensitive or critical.")
    relevance_score = as_given(type="number", nullable=True)
    mutable_content = as_given(type="boolean")
    data = as_given(type="object", description="For the app itself.")
    texts = as_given(
        type="object",
        additionalProperties={"type": "object"},
        description='Other languages: {"de": {"title": …, "body": …}}.',
    )
    overrides = as_given(
        type="object",
        additionalProperties={"type": "object"},
        description='Merged last into a network\'s payload: {"apns": {…}, "fcm": {…}}.',
    )
    variables = JSONObject(required=False, help_text="For {{ placeholders }} in the texts.")
    send_at = MomentOrWall(required=False, allow_null=True, help_text=SEND_AT)
    local_time = Flag(required=False, help_text="At send_at by each device's own clock.")
    recurrence = Text(
        required=False,
        allow_blank=True,
        max_length=255,
        help_text="A rule of RFC 5545, such as FREQ=WEEKLY;BYDAY=MO, that counts from send_at.",
    )
    expires_at = Moment(required=False, allow_null=True)
    time_to_live = Whole(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=2_147_483_647,
        help_text="Seconds after which the provider gives up on a device that is off.",
    )
    rate = Whole(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=2_147_483_647,
        help_text="At most so many devices per second.",
    )
    purpose = Text(required=False, allow_blank=True, max_length=64, help_text=PURPOSE)
    transactional = Flag(required=False, help_text=TRANSACTIONAL)


class NewNotificationSerializer(ComposedSerializer):
    application = Text(required=False, help_text="Its key; a server key has only one.")
    idempotency_seconds = Whole(
        required=False,
        min_value=1,
        max_value=31_536_000,
        help_text="How long the Idempotency-Key is remembered. Left out: a day.",
    )


class OneOfManySerializer(ComposedSerializer):
    """One push of several; the application is said once, for all of them."""

    idempotency_key = Text(
        required=False,
        max_length=191,
        help_text="The same push with the same key within a day sends once.",
    )


class ManySerializer(StrictSerializer):
    """Different words for different people, in one request."""

    application = Text(required=False, help_text="Its key; a server key has only one.")
    pushes = serializers.ListField(
        child=OneOfManySerializer(), allow_empty=False, max_length=MOST_TOGETHER
    )


class ManyPushesSerializer(serializers.Serializer[Any]):
    pushes = serializers.ListField(
        child=serializers.CharField(help_text="A push id, for /history/<id>."),
        help_text="In the order of the request.",
    )


class NotificationSerializer(serializers.ModelSerializer[Notification]):
    id = serializers.CharField(source="public_id")
    application = serializers.CharField(source="application.key")
    content = JSONObject(help_text="The fields of the message that are set.")
    overrides = JSONObject()
    texts = JSONObject()
    audience = JSONObject()
    pushes = serializers.SerializerMethodField()
    send_at = Moment(allow_null=True)
    next_at = Moment(allow_null=True, help_text="The next sending of one that repeats.")
    recurrence_in_words = serializers.SerializerMethodField()
    expires_at = Moment(allow_null=True)
    created_at = Moment()

    class Meta:
        model = Notification
        fields = [
            "id",
            "application",
            "name",
            "status",
            "content",
            "overrides",
            "texts",
            "audience",
            "send_at",
            "local_time",
            "recurrence",
            "recurrence_in_words",
            "next_at",
            "expires_at",
            "time_to_live",
            "rate",
            "purpose",
            "transactional",
            "source",
            "pushes",
            "created_at",
        ]
        read_only_fields = fields

    def get_recurrence_in_words(self, notification: Notification) -> str:
        """Such as “every Monday at 09:00”; empty when it does not repeat."""
        return repetition(notification)

    def get_pushes(self, notification: Notification) -> list[str]:
        """Ids of its sendings, for ``/history/<id>``."""
        return [str(push.public_id) for push in notification.pushes.all()]


class HistorySerializer(serializers.ModelSerializer[PushHistory]):
    """Counts are final when ``finished_at`` is set."""

    id = serializers.CharField(source="public_id")
    application = serializers.CharField(source="application.key")
    notification = serializers.CharField(source="notification.public_id")
    skipped = JSONObject(help_text="Devices left out, by reason.")
    reasons = JSONObject(help_text="Devices not reached, by reason.")
    per_type = JSONObject(help_text="By platform.")
    due_at = Moment()
    created_at = Moment()
    started_at = Moment(allow_null=True)
    finished_at = Moment(allow_null=True)

    class Meta:
        model = PushHistory
        fields = [
            "id",
            "application",
            "notification",
            "title",
            "state",
            "detail",
            "source",
            "sent_by",
            "devices",
            "successes",
            "failures",
            "skipped",
            "reasons",
            "per_type",
            "invalid_tokens",
            "opened",
            "due_at",
            "created_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields


class CredentialProgressSerializer(serializers.Serializer[Any]):
    credential = serializers.SerializerMethodField()
    provider = serializers.CharField()
    devices = serializers.IntegerField()
    successes = serializers.IntegerField()
    failures = serializers.IntegerField()
    paused = serializers.CharField(help_text="Why it is held; empty when it is not.")
    out_of_reach = serializers.CharField(
        help_text="Why nothing gets through just now; it is tried again by itself."
    )

    def get_credential(self, part: Any) -> str:
        """Its name."""
        return str(part.credential or "")


class ProgressSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=State.choices)
    devices = serializers.IntegerField()
    successes = serializers.IntegerField()
    failures = serializers.IntegerField()
    open = serializers.IntegerField(help_text="Devices without an outcome yet.")
    skipped = serializers.IntegerField()
    skipped_reasons = serializers.DictField(child=serializers.IntegerField())
    switched_off = serializers.IntegerField(help_text="Devices found dead.")
    planned = serializers.BooleanField(help_text="Whether “devices” is the whole audience yet.")
    percent = serializers.IntegerField()
    speed = serializers.FloatField(help_text="Devices per second.")
    next_due = Moment(
        allow_null=True, help_text="When the next time zone's devices get it, while they wait."
    )
    next_zone = serializers.CharField(help_text="Such as “UTC+05:30”; empty when none waits.")
    asleep = serializers.IntegerField(help_text="Devices whose quiet hours are waited for.")
    wakes_at = Moment(allow_null=True, help_text="When the first of these are over.")
    credentials = CredentialProgressSerializer(many=True)


class ReasonSerializer(serializers.Serializer[Any]):
    provider = serializers.CharField()
    status = serializers.CharField()
    reason = serializers.CharField()
    count = serializers.IntegerField()
    switched_off = serializers.IntegerField()


class HistoryDetailSerializer(HistorySerializer):
    """One push with its content and its progress, as of the last checkpoints."""

    content = JSONObject(help_text="What was sent and to whom, frozen.")
    progress = serializers.SerializerMethodField()
    failure_reasons = serializers.SerializerMethodField()

    class Meta(HistorySerializer.Meta):
        fields = [*HistorySerializer.Meta.fields, "content", "progress", "failure_reasons"]
        read_only_fields = fields

    @extend_schema_field(ProgressSerializer)
    def get_progress(self, push: PushHistory) -> dict[str, Any]:
        return dict(ProgressSerializer(delivery.progress(push)).data)

    @extend_schema_field(ReasonSerializer(many=True))
    def get_failure_reasons(self, push: PushHistory) -> list[Any]:
        return list(ReasonSerializer(delivery.failure_reasons(push), many=True).data)


class FailureSerializer(serializers.ModelSerializer[DeliveryFailure]):
    installation = serializers.SerializerMethodField()
    status = serializers.ChoiceField(choices=[item.value for item in Status])
    created_at = Moment()

    class Meta:
        model = DeliveryFailure
        fields = [
            "installation",
            "provider",
            "status",
            "reason",
            "detail",
            "switched_off",
            "created_at",
        ]
        read_only_fields = fields

    def get_installation(self, failure: DeliveryFailure) -> str | None:
        """Id of the device; null when it was erased since."""
        return failure.installation.public_id if failure.installation else None
