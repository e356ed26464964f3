"""Messages to send, and what became of them.

The fields of a message are checked by :class:`~django_push.messages.Message` and the audience by
:class:`~django_push.audience.Audience`, as for every other face; here they are only named, with
their types for the OpenAPI document.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ... import delivery
from ...messages import DEVICE_TYPES, Priority, PushType, Status
from ...models import DeliveryFailure, Notification, PushHistory, State
from ..fields import JSONObject, Moment, StrictSerializer, Text, Whole

__all__ = [
    "AudienceSerializer",
    "CountSerializer",
    "FailureSerializer",
    "HistoryDetailSerializer",
    "HistorySerializer",
    "NewNotificationSerializer",
    "NotificationSerializer",
]

_NAMES = {"type": "array", "items": {"type": "string", "maxLength": 191}, "maxItems": 10_000}
AUDIENCE = {
    "type": "object",
    "description": 'Whom it is for: {"everyone": true}, or lists that must all hold; a list reads '
    "“any of these”.",
    "properties": {
        "everyone": {"type": "boolean"},
        "channels": _NAMES,
        "users": {**_NAMES, "description": "User ids."},
        "installations": {**_NAMES, "description": "Ids of devices, as this API shows them."},
        "device_types": {
            "type": "array",
            "items": {"type": "string", "enum": list(DEVICE_TYPES)},
        },
    },
    "additionalProperties": False,
    "minProperties": 1,
    "example": {"channels": ["news"], "device_types": ["ios"]},
}


class _AsGiven(serializers.Field[Any, Any, Any, Any]):
    """Passed on as it came; the core says what is wrong with it."""

    def to_internal_value(self, data: Any) -> Any:
        return data

    def to_representation(self, value: Any) -> Any:
        return value

    def run_validation(self, data: Any = serializers.empty) -> Any:
        # null too is for the core to judge
        return super().run_validation(data) if data is serializers.empty else data


def _field(required: bool = False, **schema: Any) -> Any:
    annotated = extend_schema_field(schema)(type("AsGiven", (_AsGiven,), {}))
    return annotated(required=required)


def _text(description: str = "", **schema: Any) -> Any:
    return _field(type="string", description=description, maxLength=65_536, **schema)


class AudienceSerializer(StrictSerializer):
    application = Text(required=False, help_text="Its key; a server key has only one.")
    audience = _field(required=True, **AUDIENCE)


class CountSerializer(serializers.Serializer[Any]):
    devices = serializers.IntegerField(help_text="Devices that the push would go to.")
    per_type = serializers.DictField(child=serializers.IntegerField())
    no_credential = serializers.IntegerField(
        help_text="Left out: there is no account to send through."
    )
    inactive = serializers.IntegerField(help_text="Left out: switched off.")
    in_words = serializers.CharField()


class NewNotificationSerializer(AudienceSerializer):
    """The names are those of ``django_push.submission.push``."""

    name = Text(required=False, allow_blank=True, help_text="For the team; devices never see it.")
    title = _text()
    subtitle = _text()
    body = _text()
    image = _text("https address of a picture.")
    link = _text("What a tap opens.")
    sound = _text("Name of a sound in the app, or “default”.")
    badge = _field(type="integer", nullable=True, minimum=0, description="0 removes it.")
    badge_increment = _field(type="integer")
    category = _text("The app's set of buttons.")
    thread_id = _text("Groups notifications on the device.")
    android_channel_id = _text()
    collapse_id = _field(type="string", description="At most 64 bytes.", maxLength=64)
    priority = _field(type="string", enum=[item.value for item in Priority])
    push_type = _field(type="string", enum=[item.value for item in PushType])
    interruption_level = _text("passive, active, time-sensitive or critical.")
    relevance_score = _field(type="number", nullable=True)
    mutable_content = _field(type="boolean")
    data = _field(type="object", description="For the app itself.")
    texts = _field(
        type="object",
        additionalProperties={"type": "object"},
        description='Other languages: {"de": {"title": …, "body": …}}.',
    )
    overrides = _field(
        type="object",
        additionalProperties={"type": "object"},
        description='Merged last into a network\'s payload: {"apns": {…}, "fcm": {…}}.',
    )
    variables = JSONObject(required=False, help_text="For {{ placeholders }} in the texts.")
    send_at = Moment(required=False, allow_null=True, help_text="Left out: now.")
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


class NotificationSerializer(serializers.ModelSerializer[Notification]):
    id = serializers.CharField(source="public_id")
    application = serializers.CharField(source="application.key")
    content = JSONObject(help_text="The fields of the message that are set.")
    overrides = JSONObject()
    texts = JSONObject()
    audience = JSONObject()
    pushes = serializers.SerializerMethodField()
    send_at = Moment(allow_null=True)
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
            "expires_at",
            "time_to_live",
            "rate",
            "source",
            "pushes",
            "created_at",
        ]
        read_only_fields = fields

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
