"""What became of pushes at one device, in the words of the console."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from ...traces import Absence, Outcome, Trace, Why, absence_words, trace_words
from ..fields import Moment

__all__ = ["CheckedSerializer", "TraceSerializer"]

_OUTCOMES = [outcome.value for outcome in Outcome]
_WHY = [why.value for why in Why]


class TraceSerializer(serializers.Serializer[Any]):
    """One push that was meant for the device."""

    push = serializers.CharField(help_text="Its id under /history/.")
    title = serializers.CharField()
    due_at = Moment()
    outcome = serializers.ChoiceField(choices=_OUTCOMES, allow_null=True)
    status = serializers.CharField(
        help_text="Of a device that was not reached: unregistered, rejected, failed, …"
    )
    reason = serializers.CharField(
        help_text="The provider's own word, or ours for what was left out or is held."
    )
    detail = serializers.CharField(help_text="What the provider said beside it.")
    text = serializers.CharField(help_text="A sentence for people.")
    cure = serializers.CharField(help_text="What to do; empty when that is nothing.")
    provider = serializers.CharField(help_text="Empty: no credential reaches the device.")
    credential = serializers.CharField(allow_null=True, help_text="Name of the credential.")
    at = Moment(allow_null=True, help_text="When the outcome was recorded, at the latest.")
    until = Moment(allow_null=True, help_text="When its turn comes at the earliest.")
    tries = serializers.IntegerField(help_text="How often it was handed over; 0: not known.")
    switched_off = serializers.BooleanField(help_text="Whether this push switched it off.")

    def to_representation(self, instance: Trace) -> dict[str, Any]:
        return dict(super().to_representation(_of_trace(instance)))


class CheckedSerializer(TraceSerializer):
    """Any push, whether it was meant for the device or not."""

    targeted = serializers.BooleanField(help_text="Whether it was meant for the device.")
    why = serializers.ChoiceField(
        choices=_WHY, allow_null=True, help_text="Why it was not; null when it was."
    )
    certain = serializers.BooleanField(
        help_text="False: what the device says of itself now suggests it, and may have changed."
    )

    def to_representation(self, instance: Trace | Absence) -> dict[str, Any]:
        values = _of_absence(instance) if isinstance(instance, Absence) else _of_trace(instance)
        return dict(serializers.Serializer.to_representation(self, values))


def _of_trace(trace: Trace) -> dict[str, Any]:
    words = trace_words(trace)
    return {
        **_of_push(trace.history),
        "outcome": trace.outcome.value,
        "status": trace.status,
        "reason": trace.reason,
        "detail": trace.detail,
        "text": words.text,
        "cure": words.cure,
        "provider": trace.provider,
        "credential": str(trace.credential) if trace.credential else None,
        "at": trace.at,
        "until": trace.until,
        "tries": trace.tries,
        "switched_off": trace.switched_off,
        "targeted": True,
        "why": None,
        "certain": True,
    }


def _of_absence(absence: Absence) -> dict[str, Any]:
    words = absence_words(absence)
    return {
        **_of_push(absence.history),
        **dict.fromkeys(("status", "reason", "detail", "provider"), ""),
        **dict.fromkeys(("outcome", "credential", "at", "until")),
        "text": words.text,
        "cure": words.cure,
        "tries": 0,
        "switched_off": False,
        "targeted": False,
        "why": absence.why.value,
        "certain": absence.is_certain,
    }


def _of_push(history: Any) -> dict[str, Any]:
    return {
        "push": str(history.public_id),
        "title": str(history),
        "due_at": history.due_at,
    }
