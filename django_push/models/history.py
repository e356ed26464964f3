"""One sending of a message, its ledger, and the devices that were not reached."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..messages import Message, Status
from .application import Application
from .credential import Credential
from .fields import ExactCharField
from .installation import Installation
from .notification import Notification

__all__ = ["DeliveryFailure", "PushBatch", "PushHistory", "State"]


class State(models.TextChoices):
    SCHEDULED = "scheduled", _("scheduled")
    SENDING = "sending", _("sending")
    PAUSED = "paused", _("paused")
    DONE = "done", _("done")
    NOBODY = "nobody", _("nobody to send to")
    CANCELLED = "cancelled", _("stopped")
    MISSED = "missed", _("missed")
    FAILED = "failed", _("failed")


class PushHistory(models.Model):
    """One sending of a :class:`Notification`. ``content`` is frozen: what was sent, to whom."""

    application = models.ForeignKey(
        Application,
        verbose_name=_("application"),
        on_delete=models.CASCADE,
        related_name="pushes",
        db_index=False,  # an index begins with it
    )
    notification = models.ForeignKey(
        Notification,
        verbose_name=_("message"),
        on_delete=models.CASCADE,
        related_name="pushes",
        db_index=False,  # as above
    )
    public_id = models.UUIDField(_("push id"), unique=True, default=uuid.uuid4, editable=False)
    title = models.CharField(_("push"), max_length=191, blank=True)
    due_at = models.DateTimeField(_("due"))
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.SENDING
    )
    detail = models.TextField(_("why"), blank=True)
    content = models.JSONField(_("content"), default=dict)
    source = models.CharField(_("sent from"), max_length=32, blank=True)
    sent_by = models.CharField(_("sent by"), max_length=191, blank=True)

    plan_after = models.DateTimeField(null=True)
    plan_owner = models.CharField(max_length=64, blank=True)
    plan_until = models.DateTimeField(null=True)
    plan_cursor = models.JSONField(default=dict)
    plan_started_at = models.DateTimeField(null=True)
    planned_at = models.DateTimeField(_("planned"), null=True)
    open_batches = models.IntegerField(default=0)
    late_batches = models.PositiveIntegerField(default=0)
    rate = models.PositiveIntegerField(_("speed limit"), null=True)
    next_slot_at = models.DateTimeField(null=True)

    devices = models.PositiveIntegerField(_("devices"), default=0)
    successes = models.PositiveIntegerField(_("accepted"), default=0)
    failures = models.PositiveIntegerField(_("not reached"), default=0)
    skipped = models.JSONField(_("left out, by reason"), default=dict)
    reasons = models.JSONField(_("not reached, by reason"), default=dict)
    per_type = models.JSONField(_("per platform"), default=dict)
    invalid_tokens = models.PositiveIntegerField(_("switched off"), default=0)
    opened = models.PositiveIntegerField(_("opened"), default=0)

    created_at = models.DateTimeField(_("created"), default=timezone.now)
    started_at = models.DateTimeField(_("first device reached"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("push")
        verbose_name_plural = _("push history")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["notification", "due_at"], name="django_push_due_once")
        ]
        indexes = [
            models.Index(fields=["application", "-id"], name="django_push_hist_app"),
            models.Index(fields=["state", "id"], name="django_push_hist_state"),
            # On PostgreSQL these two are partial, as are the queue's below: migration 0017.
            models.Index(fields=["finished_at"], name="django_push_hist_ended"),
            models.Index(fields=["plan_after"], name="django_push_hist_plan"),
        ]

    def __str__(self) -> str:
        return self.title or str(self.public_id)

    @property
    def message(self) -> Message:
        return Message.from_content(self.content["message"])

    @property
    def is_over(self) -> bool:
        return self.finished_at is not None


class PushBatchQuerySet(models.QuerySet["PushBatch"]):
    def totals(self) -> dict[str, int]:
        """Running sums: ``devices``, ``successes``, ``failures``, ``skipped``, ``invalid``."""
        names = ("devices", "successes", "failures", "skipped", "invalid")
        sums = self.aggregate(**{f"sum_{name}": models.Sum(name) for name in names})
        return {name: sums[f"sum_{name}"] or 0 for name in names}

    def reasons(self) -> dict[str, int]:
        """Devices left out, by reason."""
        return _added_up(self.exclude(skipped=0).values_list("skipped_reasons", flat=True))


def _added_up(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for count in counts:
        for reason, number in count.items():
            total[reason] = total.get(reason, 0) + number
    return total


class PushBatch(models.Model):
    """A ledger of installations of one push, one credential and one platform.

    A *late* batch holds devices that left another batch of the push: ``late`` is how often they
    moved. A *probe* is a late batch of devices whose token looked wrong: it goes through the
    credential of the other environment.

    ``ids`` holds the primary keys ascending and packed, ``outcomes`` one byte for each; both are
    read and written by :mod:`django_push.delivery.ledger` alone. ``opened`` is a bit for each, once
    somebody opened the push. ``turn_at`` is its place in the
    queue, ``claim_at`` the same while it may be claimed, and NULL while it is leased, paused or
    settled. ``due_at`` is the moment of its own devices, NULL when it is the push's; ``wakes_at``
    the end of their quiet hours, where they wait for it.
    """

    history = models.ForeignKey(
        PushHistory,
        on_delete=models.CASCADE,
        related_name="batches",
        db_index=False,  # two indexes begin with it
    )
    seq = models.PositiveIntegerField()
    credential = models.ForeignKey(
        Credential, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    provider = ExactCharField(max_length=32)
    network = ExactCharField(max_length=32, blank=True)
    device_type = ExactCharField(max_length=16)
    target = models.CharField(max_length=255, blank=True)
    late = models.PositiveSmallIntegerField(default=0)
    probe = models.BooleanField(default=False)
    ids = models.BinaryField()
    outcomes = models.BinaryField()
    opened = models.BinaryField(null=True)
    size = models.PositiveIntegerField()
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField()

    rate = models.PositiveIntegerField(null=True)
    due_at = models.DateTimeField(null=True)
    wakes_at = models.DateTimeField(null=True)
    not_before = models.DateTimeField()
    turn_at = models.DateTimeField()
    claim_at = models.DateTimeField(null=True)
    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True)
    retries = models.PositiveSmallIntegerField(default=0)
    crashes = models.PositiveSmallIntegerField(default=0)
    pause_reason = models.CharField(max_length=191, blank=True)
    settled_at = models.DateTimeField(null=True)

    devices = models.PositiveIntegerField(default=0)
    successes = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    invalid = models.PositiveIntegerField(default=0)
    suspects = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    skipped_reasons = models.JSONField(default=dict)

    objects = PushBatchQuerySet.as_manager()

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["history", "seq"], name="django_push_batch_seq")
        ]
        indexes = [
            # With what waits for hours (time zones, retries) the claim reads the index alone.
            models.Index(fields=["claim_at", "not_before"], name="django_push_batch_claim"),
            models.Index(fields=["lease_until"], name="django_push_batch_lease"),
            models.Index(fields=["history", "first_id", "last_id"], name="django_push_batch_ids"),
        ]

    def __str__(self) -> str:
        return f"{self.history_id}/{self.seq}"


class DeliveryFailure(models.Model):
    """An installation that was finally not reached, with the provider's reason."""

    history = models.ForeignKey(
        PushHistory,
        verbose_name=_("push"),
        on_delete=models.CASCADE,
        related_name="delivery_failures",
        db_index=False,  # two indexes begin with it
    )
    installation = models.ForeignKey(
        Installation,
        verbose_name=_("device"),
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
    )
    credential = models.ForeignKey(
        Credential,
        verbose_name=_("credential"),
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    provider = ExactCharField(_("provider"), max_length=32)
    status = models.CharField(
        _("status"), max_length=16, choices=[(status.value, status.value) for status in Status]
    )
    reason = ExactCharField(_("reason"), blank=True)
    detail = models.TextField(_("what the provider said"), blank=True)
    switched_off = models.BooleanField(_("switched off"), default=False)
    created_at = models.DateTimeField(_("when"), default=timezone.now)

    class Meta:
        verbose_name = _("device not reached")
        verbose_name_plural = _("devices not reached")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["history", "installation"], name="django_push_failed_once"
            )
        ]
        indexes = [models.Index(fields=["history", "reason"], name="django_push_fail_reason")]

    def __str__(self) -> str:
        return f"{self.status} {self.reason}"
